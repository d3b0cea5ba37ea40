/** What session_state.<kind> and state_audit do to clients: refused, pinned, left alone. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

const statusOf = (answer: readonly RawFrame[]) => answer.findLast(({ type }) => type === 'Z')?.body.toString();
const first = (answer: readonly RawFrame[]): string | null | undefined => rows(answer)[0]?.[0];

/** For each kind a statement that makes such state. */
const STATEMENTS: Readonly<Record<string, readonly string[]>> = {
  settings: [
    "set work_mem = '5MB'",
    "select set_config('app.x', '1', false)",
    "select set_config('app' || '.x', '1', false)",
    'set session characteristics as transaction read only',
    "begin; set work_mem = '5MB'; commit",
  ],
  role: ['set role ann', 'set session authorization ann', "select set_config('role', 'ann', false)"],
  prepare: ['prepare p as select 1'],
  temp: ['create temp table t (a int)', 'select 1 as a into temp t', 'create table pg_temp.t (a int)', 'create temp view v as select 1'],
  hold: ['declare c cursor with hold for select 1'],
  advisory: ['select pg_advisory_lock(1)', 'select pg_try_advisory_lock_shared(1)'],
  listen: ['listen here'],
  sequence: ["select currval('s')", 'select lastval()'],
  seed: ['select setseed(0.5)', 'set seed = 0.5'],
  load: ["load 'plpgsql'"],
  snapshot: ['select pg_export_snapshot()'],
  slot: ["select pg_create_physical_replication_slot('s', false, true)"],
  dblink: ["select dblink_connect('c', 'dbname=postgres')"],
  stats: ['select pg_stat_clear_snapshot()'],
  opaque: ['select locks()', 'do $$ begin end $$', 'call nothing()'],
};
/** Nothing of this leaves anything in the session. */
const HARMLESS = [
  'reset all',
  'reset role',
  'set role none',
  'reset session authorization',
  'reset work_mem',
  'set work_mem to default',
  'unlisten *',
  'deallocate all',
  'close all',
  'select pg_advisory_unlock_all()',
  'discard all',
  "begin; set local work_mem = '5MB'; commit",
  'select pg_advisory_xact_lock(1)',
  'create table plain (a int); drop table plain',
];

describe('policies for session state', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let admin: pg.Client;
  const open: RawClient[] = [];
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create role ann login superuser');
    await query(postgres, "create function locks() returns void language sql as 'select pg_advisory_lock(9)'");
    await query(postgres, "create function sets() returns text language sql as $$select set_config('work_mem', '9MB', false)$$");
    await query(postgres, "create procedure nothing() language sql as 'select 1'");
    await query(postgres, 'create sequence s');
    const at = `host=127.0.0.1 port=${postgres.port} dbname=postgres pool_size=1`;
    const rejectAll = [...Object.keys(STATEMENTS), 'prepared'].map((kind) => `session_state.${kind}=reject`).join(' ');
    const databases = [
      ...[...Object.keys(STATEMENTS), 'prepared'].map((kind) => `no_${kind} = ${at} session_state.${kind}=reject`),
      `nothing = ${at} ${rejectAll}`,
      `plain = ${at}`,
      `ignores = ${at} session_state.advisory=ignore session_state.settings=ignore session_state.temp=ignore session_state.listen=ignore`,
      `pins = ${at} session_state.settings=pin session_state.role=pin session_state.prepared=pin session_state.prepare=pin session_state.opaque=pin`,
      `sessions = ${at} pool_mode=session session_state.temp=reject`,
      `shard = ${at}`,
      `sharded = shards=shard session_state.temp=reject session_state.settings=reject`,
      `unaudited = ${at} state_audit=off`,
      `audited = ${at} state_audit=always session_state.opaque=ignore`,
    ];
    shardyard = await startShardyard(
      `[databases]\n${databases.join('\n')}\n[users]\nann = session_state.temp=pin session_state.snapshot=ignore\n` +
        '[shardyard]\npool_mode = transaction\nadmin_users = postgres\nleak_sentinel = 0\nsession_state.snapshot = reject\nlog_pins_after = 0\n',
      { users: { postgres: 'postgres', ann: 'x' } },
    );
    admin = new pg.Client({ host: '127.0.0.1', port: shardyard.port, user: 'postgres', database: 'pgbouncer' });
    await admin.connect();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) await client.close();
  });
  after(async () => {
    await admin?.end();
    await shardyard?.stop();
    await postgres?.stop();
  });
  async function connect(database: string, parameters: Readonly<Record<string, string>> = {}, user = 'postgres'): Promise<RawClient> {
    const client = await rawLogIn(shardyard, { user, database, parameters });
    open.push(client);
    return client;
  }
  const show = async (what: string): Promise<readonly Record<string, string>[]> => (await admin.query(`show ${what}`)).rows;
  const pinsOf = async (database: string): Promise<readonly string[]> =>
    (await show('pins')).filter((row) => row.database === database).map((row) => row.reason!);
  const refusal = (kind: string) => new RegExp(`\\(session_state\\.${kind} = reject\\)$`);

  describe('reject', () => {
    for (const [kind, statements] of Object.entries(STATEMENTS)) {
      it(`refuses ${kind} before it is sent, as a Query and through the extended protocol, and says which setting did`, async () => {
        const client = await connect(`no_${kind}`);
        for (const statement of statements) {
          const error = errorOf(await client.query(statement));
          assert.deepEqual([error?.S, error?.C], ['ERROR', '0A000'], statement);
          assert.match(error?.M ?? '', refusal(kind));
          assert.match(error?.H ?? '', new RegExp(`session_state\\.${kind} = `));
          if (statement.includes(';')) continue;
          client.send(frames.parse(statement), frames.bind(), frames.execute(), frames.sync());
          const answer = await client.until('Z');
          assert.equal(errorOf(answer)?.C, '0A000', statement);
          assert.deepEqual(
            answer.map(({ type }) => type),
            ['E', 'Z'],
          );
        }
        assert.equal(first(await client.query('select 1')), '1');
        assert.deepEqual(await pinsOf(`no_${kind}`), []);
      });
    }

    it('refuses a named statement, and lets the unnamed one', async () => {
      const client = await connect('no_prepared');
      client.send(frames.parse('select 1', 'name'), frames.sync());
      assert.match(errorOf(await client.until('Z'))?.M ?? '', refusal('prepared'));
      client.send(frames.parse('select 1'), frames.bind(), frames.execute(), frames.sync());
      assert.equal(first(await client.until('Z')), '1');
    });

    it('refuses a function called by its number', async () => {
      const client = await connect('no_opaque');
      client.send(frames.functionCall(2288, ['1']));
      assert.match(errorOf(await client.until('Z'))?.M ?? '', refusal('opaque'));
    });

    it('lets everything that leaves nothing', async () => {
      const client = await connect('nothing');
      for (const statement of HARMLESS) assert.equal(errorOf(await client.query(statement))?.M, undefined, statement);
    });

    it('keeps what the client asked for at its start', async () => {
      const client = await connect('nothing', { options: '-c work_mem=6MB', application_name: 'me' });
      assert.equal(first(await client.query('show work_mem')), '6MB');
    });

    it('fails the open transaction, as any error does', async () => {
      const client = await connect('no_temp');
      await client.query('begin');
      assert.equal(statusOf(await client.query('create temp table t (a int)')), 'E');
      assert.equal(errorOf(await client.query('select 1'))?.C, '25P02');
      assert.equal(statusOf(await client.query('rollback')), 'I');
      assert.equal(first(await client.query('select 1')), '1');
    });

    it('runs none of the statements of a Query in which one is refused', async () => {
      const client = await connect('no_temp');
      await client.query('create table kept (a int); create temp table t (a int)');
      assert.equal(first(await client.query("select to_regclass('kept') is null")), 't');
    });

    it('refuses a later part of a pipeline in its place, and passes over the rest up to Sync', async () => {
      const client = await connect('no_temp');
      client.send(frames.parse('select 1'), frames.bind(), frames.execute(), frames.flush());
      await client.until('C');
      client.send(frames.parse('create temp table t (a int)'), frames.bind(), frames.execute(), frames.flush());
      const [error] = (await client.until('E')).slice(-1);
      assert.match(error?.fields?.M ?? '', refusal('temp'));
      client.send(frames.parse('select 2'), frames.bind(), frames.execute(), frames.sync());
      assert.deepEqual(
        (await client.until('Z')).map(({ type }) => type),
        ['Z'],
      );
      assert.equal(first(await client.query("select to_regclass('t') is null")), 't');
    });

    it('holds in session mode, too', async () => {
      const client = await connect('sessions');
      assert.match(errorOf(await client.query('create temp table t (a int)'))?.M ?? '', refusal('temp'));
      assert.equal(errorOf(await client.query("set work_mem = '7MB'"))?.M, undefined);
    });

    it('fails the transaction of a sharded database that has no shard yet', async () => {
      const client = await connect('sharded');
      await client.query('begin');
      const answer = await client.query("set work_mem = '7MB'");
      assert.match(errorOf(answer)?.M ?? '', refusal('settings'));
      assert.equal(statusOf(answer), 'E');
      assert.equal(statusOf(await client.query('rollback')), 'I');
      assert.match(errorOf(await client.query('create temp table t (a int)'))?.M ?? '', refusal('temp'));
      assert.equal(first(await client.query('select 1')), '1');
    });

    it('changes with a reload, for the next statement of clients that are there already', async () => {
      const client = await connect('plain');
      await admin.query("set session_state.load = 'reject'");
      assert.match(errorOf(await client.query("load 'plpgsql'"))?.M ?? '', refusal('load'));
      await admin.query("set session_state.load = 'pin'");
      assert.equal(errorOf(await client.query("load 'plpgsql'"))?.M, undefined);
    });

    it('is one of the outcomes of SHOW LAST_ROUTES', async () => {
      const client = await connect('no_listen');
      await client.query('listen here');
      const [route] = await show('last_routes');
      assert.deepEqual([route?.why, route?.outcome], ['session_state', 'refused']);
    });
  });

  it("takes the user's word before the database's, and that before the setting", async () => {
    const create = 'create temp table mine (a int)';
    assert.match(errorOf(await (await connect('no_temp')).query(create))?.M ?? '', refusal('temp'));
    assert.equal(errorOf(await (await connect('no_temp', {}, 'ann')).query(create))?.M, undefined);
    const exports = 'select pg_export_snapshot()';
    assert.match(errorOf(await (await connect('plain')).query(exports))?.M ?? '', refusal('snapshot'));
    assert.equal(errorOf(await (await connect('plain', {}, 'ann')).query(exports))?.M, undefined);
  });

  describe('ignore', () => {
    it('leaves state with the server connection and pins nothing', async () => {
      const [a, b] = [await connect('ignores'), await connect('ignores')];
      for (const text of ["set work_mem = '7MB'", 'select pg_advisory_lock(5)', 'create temp table loose (a int)', 'listen here']) {
        assert.equal(errorOf(await a.query(text))?.M, undefined, text);
        assert.deepEqual(await pinsOf('ignores'), [], text);
      }
      assert.equal(first(await b.query('show work_mem')), '7MB');
      assert.equal(first(await b.query("select to_regclass('loose')")), 'loose');
      assert.equal(first(await b.query('select count(*) from pg_listening_channels()')), '1');
      assert.equal(first(await b.query("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")), '1');
    });

    it('goes for each kind alone: what a function sets is tracked still', async () => {
      const [a, b] = [await connect('ignores'), await connect('ignores')];
      await a.query('set role ann');
      assert.equal(first(await b.query('select current_user')), 'postgres');
      assert.equal(first(await a.query('select current_user')), 'ann');
    });
  });

  describe('pin', () => {
    const ends: readonly (readonly [string, string, string])[] = [
      ['settings', "set work_mem = '7MB'", 'reset work_mem'],
      ['settings', "select set_config('app.x', '1', false)", 'reset all'],
      ['role', 'set role ann', 'reset role'],
    ];
    for (const [reason, begin, end] of ends) {
      it(`keeps the server connection after ${begin} until ${end}`, async () => {
        const client = await connect('pins');
        await client.query(begin);
        assert.deepEqual(await pinsOf('pins'), [reason]);
        await client.query(end);
        assert.deepEqual(await pinsOf('pins'), []);
      });
    }

    it('keeps it for a rolled back SET no longer than the transaction', async () => {
      const client = await connect('pins');
      await client.query("begin; set work_mem = '7MB'; rollback");
      assert.deepEqual(await pinsOf('pins'), []);
    });

    it('keeps it while there are named prepared statements', async () => {
      const client = await connect('pins');
      client.send(frames.parse('select 1', 'mine'), frames.sync());
      await client.until('Z');
      assert.deepEqual(await pinsOf('pins'), ['prepared']);
      client.send(frames.close('S', 'mine'), frames.sync());
      await client.until('Z');
      assert.deepEqual(await pinsOf('pins'), []);
    });

    it('keeps it after a function until the session ends, and nobody else gets it', async () => {
      const client = await connect('pins');
      const pid = first(await client.query('select pg_backend_pid()'));
      await client.query('select sets()');
      await client.query('reset all');
      assert.deepEqual(await pinsOf('pins'), ['opaque']);
      await client.close();
      assert.notEqual(first(await (await connect('pins')).query('select pg_backend_pid()')), pid);
    });
  });

  describe('state_audit', () => {
    it('off leaves what a function does where it is', async () => {
      const [a, b] = [await connect('unaudited'), await connect('unaudited')];
      await a.query('select sets()');
      await a.query('select locks()');
      assert.deepEqual(await pinsOf('unaudited'), []);
      assert.equal(first(await b.query('show work_mem')), '9MB');
    });

    it('off still tracks and pins what the text shows, and ends pins', async () => {
      const [a, b] = [await connect('unaudited'), await connect('unaudited')];
      await a.query("set statement_timeout = '1min'");
      assert.equal(first(await b.query('show statement_timeout')), '0');
      await a.query('create temp table t (a int)');
      assert.deepEqual(await pinsOf('unaudited'), ['temp']);
      await a.query('drop table t');
      assert.deepEqual(await pinsOf('unaudited'), []);
    });

    it('always finds it after any transaction', async () => {
      const [a, b] = [await connect('audited'), await connect('audited')];
      await a.query('select sets()');
      assert.equal(first(await b.query('show work_mem')), '4MB');
      assert.equal(first(await a.query('show work_mem')), '9MB');
      await a.query('select locks()');
      assert.deepEqual(await pinsOf('audited'), ['advisory']);
      await a.query('select pg_advisory_unlock_all()');
      assert.deepEqual(await pinsOf('audited'), []);
    });
  });

  describe('the console and the log', () => {
    it('show a pin with its client, application, statement and time', async () => {
      const client = await connect('plain', { application_name: 'reports' });
      await client.query("set app.secret = 'hidden'; create temp table häufig (a int); select 3");
      const [pin] = (await show('pins')).filter((row) => row.database === 'plain');
      assert.equal(pin?.application_name, 'reports');
      assert.deepEqual([pin?.user, pin?.reason, pin?.statement], ['postgres', 'temp', 'create temp table häufig (a int)']);
      assert.match(pin?.since ?? '', /^\d{4}-\d\d-\d\d /);
      assert.ok((await show('clients')).some((row) => String(row.id) === String(pin?.client_id)));
    });

    it('show the text of a prepared statement, and never its parameters', async () => {
      const client = await connect('plain');
      client.send(frames.parse('select 1'), frames.bind(), frames.execute());
      client.send(
        frames.parse('select pg_advisory_lock($1::int8) -- mine'),
        frames.bind({ values: ['4711'] }),
        frames.execute(),
        frames.sync(),
      );
      assert.equal(errorOf(await client.until('Z'))?.M, undefined);
      const [pin] = (await show('pins')).filter((row) => row.database === 'plain');
      assert.deepEqual([pin?.reason, pin?.statement], ['advisory', 'select pg_advisory_lock($1::int8)']);
    });

    it('cut a long text', async () => {
      const client = await connect('plain');
      await client.query(`listen here /* ${'x'.repeat(500)} */`);
      const [pin] = (await show('pins')).filter((row) => row.database === 'plain');
      assert.ok(pin?.statement?.startsWith('listen here') && pin.statement.length <= 200);
    });

    it('show what audits have found, and behind which function', async () => {
      const client = await connect('plain', { options: '-c statement_timeout=45678' });
      await client.query('select sets()');
      await client.query('select sets()');
      await client.query('select locks()');
      const found = (await show('state_audit')).filter((row) => row.database === 'plain');
      assert.deepEqual(
        found.map(({ found_by, user, kind, name, after: behind, count }) => [found_by, user, kind, name, behind, count]),
        [
          ['audit', 'postgres', 'advisory', '9', 'select locks', '1'],
          ['audit', 'postgres', 'settings', 'work_mem', 'select sets', '1'],
        ],
      );
    });

    it('tell of a pin that lasts, and of its end', async () => {
      const from = shardyard.log().length;
      const client = await connect('plain', { application_name: 'worker' });
      await client.query('listen here');
      await shardyard.waitForLog(
        /WARNING C-0x\w+: plain\/postgres@\S+ pinned: reason=listen by="listen here" server=S-0x\w+ application_name="worker" \(age=0s\)/,
        from,
      );
      await client.query('unlisten *');
      await shardyard.waitForLog(/LOG C-0x\w+: plain\/postgres@\S+ unpinned: reason=listen \(age=\d+s\)/, from);
    });
  });
});
