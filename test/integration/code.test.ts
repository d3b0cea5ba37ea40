/** Code of a database that the text of a statement does not show: what it does to a session is found, and what does nothing costs nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const SCHEMA = `
  create table plain (id serial primary key, a int, b text default now()::text);
  create table stamped (id int primary key, at timestamptz);
  create function stamp() returns trigger language plpgsql as $$ begin new.at := clock_timestamp(); return new; end $$;
  create trigger stamp before insert or update on stamped for each row execute function stamp();
  create table parent (id int primary key);
  create table child (id int references parent on delete cascade);
  create function leaves() returns trigger language plpgsql as $$ begin perform set_config('app.kept', 'here', false); return old; end $$;
  create trigger leaves before delete on child for each row execute function leaves();
  create function twice(a int) returns int language sql stable as 'select 2 * a';
  create function calls_twice(a int) returns int language plpgsql as $$ declare r int; begin select twice(a) into r from plain limit 1; return r; end $$;
  create function touches() returns void language plpgsql as $$ begin update plain as p set a = 1 where id = 0; end $$;
  create function by_default(a text default set_config('app.kept', 'default', false)) returns text language sql as 'select a';
  create function indirect() returns text language plpgsql as $$ begin return by_default(); end $$;
  create function from_string(what text) returns void language plpgsql as $$ begin execute what; end $$;
  create function by_name(n text) returns text language sql as $$ select set_config(n, 'by name', false) $$;
  create function by_format(n text) returns void language plpgsql as $$ begin execute format('set app.%I = %L', n, 'x'); end $$;
  create function seeds() returns void language plpgsql as $$ begin perform setseed(0.5); end $$;
  create function draws() returns bigint language sql as $$ select nextval('plain_id_seq') $$;
  create domain checked as text check (value = set_config('app.kept', value, false));
  create table with_domain (a checked);
  create domain defaulted as text default set_config('app.kept', 'domain default', false);
  create table with_default (a defaulted);
  create view looks as select set_config('app.kept', 'view', false);
  create function attribute(s stamped) returns text language sql as $$ select set_config('app.kept', 'attribute', false) $$;
  insert into stamped values (0, null);
  create function later() returns int language sql as 'select 1';
  create extension citext;
  create table emails (email citext default 'a' check (email like '%'));`;

describe('code that the text does not show', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, SCHEMA);
    shardyard = await startInFront(postgres, 'default_pool_size = 1\nleak_sentinel = 0');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });
  const first = async (client: RawClient, sql: string) => rows(await client.query(sql))[0]?.[0];
  const LEFT = "select coalesce(current_setting('app.kept', true), '')";

  /** What the server connection ran last: the statement itself, or a question of Shardyard's that came after it. */
  async function lastRun(client: RawClient, sql: string): Promise<string | undefined> {
    const pid = await first(client, 'select pg_backend_pid()');
    await client.query(sql);
    const [row] = await query<{ query: string }>(postgres, `select query from pg_stat_activity where pid = ${pid}`);
    return row?.query;
  }

  for (const text of [
    'insert into plain (a) values (1)',
    'insert into stamped values (1, null) on conflict (id) do update set at = null',
    'select twice(2)',
    'select calls_twice(2)',
    'select touches()',
    'select draws()',
    'create table made (a int)',
    'select * from made',
    'drop table made',
    "select 'a'::citext = 'A'::citext",
    'select p.a from plain p limit 1',
    'insert into emails values (default)',
  ]) {
    it(`is known to be harmless, and costs nothing from the second time on: ${text}`, async () => {
      const client = await connect();
      await lastRun(client, text);
      assert.equal(await lastRun(client, text), text);
    });
  }

  for (const [text, left] of [
    ['select indirect()', 'default'],
    ["insert into with_domain values ('domain')", 'domain'],
    ['insert into with_default values (default)', 'domain default'],
    ['select * from looks', 'view'],
    ['insert into parent values (1); insert into child values (1); delete from parent', 'here'],
    ["select 'cast'::checked", 'cast'],
    ['select stamped.attribute from stamped where id = 0', 'attribute'],
    ['select (s).attribute from (select s from stamped s where id = 0) q', 'attribute'],
  ] as const) {
    it(`is found, and its setting is tracked: ${text}`, async () => {
      for (let i = 0; i < 3; i++) {
        const [one, other] = [await connect(), await connect()];
        await one.query(text);
        assert.equal(await first(other, LEFT), '');
        assert.equal(await first(one, LEFT), left);
        await one.close();
        await other.close();
      }
    });
  }

  for (const text of [
    "select from_string('set app.kept = ''string''')",
    "select by_name('app.' || 'kept')",
    "select by_format('kept')",
    "do $$ begin perform set_config('app.' || 'kept', 'made up', false); end $$",
    "begin; do $$ begin execute format('set %I.%I = 1', 'app', 'kept'); end $$; commit",
    `set u&"\\0061pp".kept = 1`,
    "select set_config($1, 'bound', false)",
  ]) {
    it(`may set a parameter whose name nobody knows: nobody else gets that server connection: ${text}`, async () => {
      const [one, other] = [await connect(), await connect()];
      if (text.includes('$1')) one.send(frames.parse(text), frames.bind({ values: ['app.kept'] }), frames.execute(), frames.sync());
      await (text.includes('$1') ? one.until('Z') : one.query(text));
      // Code that leaves nothing lasting does not end it.
      await one.query('do $$ begin null; end $$');
      assert.notEqual(await first(one, LEFT), '');
      other.send(frames.query(LEFT));
      assert.notEqual(await first(one, LEFT), '');
      await one.close();
      assert.equal(rows(await other.until('Z'))[0]?.[0], '');
      await other.close();
    });
  }

  it('may seed random(), which no question finds', async () => {
    const [one, other] = [await connect(), await connect()];
    await one.query('select setseed(0.5)');
    const seeded = await first(one, 'select random()');
    for (const text of ['select seeds()', 'do $$ begin perform setseed(0.5); end $$', 'begin; select seeds(); commit']) {
      const again = await connect();
      await one.close();
      await again.query(text);
      other.send(frames.query('select random()'));
      assert.equal(await first(again, 'select random()'), seeded);
      await again.close();
      assert.notEqual(rows(await other.until('Z'))[0]?.[0], seeded);
    }
  });

  it('may set a parameter whose name is not ASCII, or has capitals that only Unicode folds', async () => {
    const [one, other] = [await connect(), await connect()];
    await one.query(`set app."größe" = 'x'; set app."\u212Aept" = 'y'`);
    await one.query('do $$ begin null; end $$');
    assert.equal(await first(one, "select current_setting('app.größe') || current_setting('app.\u212Aept')"), 'xy');
    await one.close();
    assert.equal(await first(other, "select coalesce(current_setting('app.größe', true), '')"), '');
    await other.close();
  });

  it('is found after it was harmless, when its definition changes', async () => {
    const [one, other] = [await connect(), await connect()];
    for (let i = 0; i < 3; i++) await one.query('select later()');
    await other.query(
      "create or replace function later() returns int language sql as $$ select 1 from set_config('app.kept', 'later', false) $$",
    );
    await one.query('select later()');
    assert.equal(await first(one, LEFT), 'later');
    assert.equal(await first(other, LEFT), '');
  });

  it('is found when the change of its definition is committed later than it was looked at', async () => {
    const [one, other] = [await connect(), await connect()];
    await query(postgres, 'create function seen() returns int language sql as $$ select 1 $$');
    await one.query('begin');
    await one.query(
      "create or replace function seen() returns int language sql as $$ select 1 from set_config('app.kept', 'seen', false) $$",
    );
    await one.query('commit');
    await one.query('select seen()');
    assert.equal(await first(one, LEFT), 'seen');
    assert.equal(await first(other, LEFT), '');
  });

  it('may draw from a sequence, and its session sees what it drew', async () => {
    const one = await connect();
    const drawn = await first(one, 'select draws()');
    assert.equal(await first(one, "select currval('plain_id_seq')"), drawn);
  });
});
