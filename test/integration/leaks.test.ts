/** The leak sentinel: it finds what was left in a server connection, and is not fooled by what belongs there. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { freePort } from '../support/ports.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const first = async (client: RawClient, text: string): Promise<string | null | undefined> => rows(await client.query(text))[0]?.[0];

describe('the leak sentinel', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let admin: pg.Client;
  let metricsPort: number;
  before(async () => {
    postgres = await startPostgres();
    metricsPort = await freePort();
    await query(postgres, 'create role ann login');
    await query(postgres, "alter database postgres set app.usual = 'as ever'");
    await query(postgres, "create function names() returns void language plpgsql as $$ begin set app.usual = 'other'; end $$");
    for (const [name, body] of [
      ['locks', 'select pg_try_advisory_lock(9)'],
      ['sets', "select set_config('work_mem', '9MB', false)"],
    ]) {
      await query(postgres, `create function ${name}() returns text language sql as $$ select x::text from (${body}) as t(x) $$`);
    }
    const at = `host=127.0.0.1 port=${postgres.port} dbname=postgres pool_size=1`;
    shardyard = await startShardyard(
      '[databases]\n' +
        `exact = ${at}\n` +
        `leaky = ${at} session_state.opaque=ignore\n` +
        `ignores = ${at} session_state.opaque=ignore session_state.advisory=ignore session_state.settings=ignore\n` +
        `unwatched = ${at} session_state.opaque=ignore leak_sentinel=0\n` +
        `prepared = ${at} connect_query='set lock_timeout = 5000; create temp table mine (a int); prepare p as select 1'\n` +
        `[shardyard]\npool_mode = transaction\nadmin_users = postgres\nleak_sentinel = 100%\nmetrics_port = ${metricsPort}\n`,
    );
    admin = new pg.Client({ host: '127.0.0.1', port: shardyard.port, user: 'postgres', database: 'pgbouncer' });
    await admin.connect();
  });
  after(async () => {
    await admin?.end();
    await shardyard?.stop();
    await postgres?.stop();
  });
  async function using<T>(database: string, work: (client: RawClient) => Promise<T>, parameters: Readonly<Record<string, string>> = {}) {
    const client = await rawLogIn(shardyard, { user: 'postgres', database, parameters });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
  const count = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    return Number(new RegExp(`^shardyard_${name}_total (\\d+)$`, 'm').exec(text)?.[1]);
  };
  const findings = async (database: string) => {
    const { rows: all } = await admin.query('show state_audit');
    return all.filter((row) => row.database === database && row.found_by === 'sentinel').map(({ kind, name }) => `${kind} ${name}`);
  };

  it('finds nothing where nothing is left, whatever a session does', async () => {
    const [checks, leaks] = [await count('leak_checks'), await count('leaks')];
    await using(
      'exact',
      async (client) => {
        const pid = await first(client, 'select pg_backend_pid()');
        for (const text of [
          "set work_mem = '7MB'",
          "set app.tenant = 'one'; set app.empty = ''",
          "set search_path = 'a b', public",
          'set session characteristics as transaction isolation level serializable',
          'set role ann',
          'select 1',
          'reset role',
          'set session authorization ann',
          'reset session authorization',
          'set client_encoding = latin1',
          "set datestyle = 'German'; set timezone = 'Asia/Tokyo'",
          'begin; set local work_mem = 100; savepoint a; rollback to a; commit',
          'begin; select pg_advisory_xact_lock(1); rollback',
          'select sets()',
          'set transaction_read_only = on',
          'select names()',
          'select locks()',
          'select pg_advisory_unlock_all()',
          'reset all',
          'discard all',
        ]) {
          assert.equal((await client.query(text)).find(({ type }) => type === 'E')?.fields?.M, undefined, text);
        }
        client.send(frames.parse('select 2', 'named'), frames.bind({ statement: 'named' }), frames.execute(), frames.sync());
        await client.until('Z');
        client.send(frames.parse('select 3'), frames.bind(), frames.execute(), frames.sync());
        await client.until('Z');
        client.send(frames.bind(), frames.execute(), frames.sync());
        assert.equal(rows(await client.until('Z'))[0]?.[0], '3', 'the unnamed statement is there still');
        assert.equal(await first(client, 'select pg_backend_pid()'), pid);
      },
      { options: '-c work_mem=6144 -c app.start=s -c statement_timeout=50000', application_name: 'me' },
    );
    await eventually(async () => assert.ok((await count('leak_checks')) >= checks + 15));
    assert.equal(await count('leaks'), leaks);
    assert.deepEqual(await findings('exact'), []);
  });

  for (const [text, found, others] of [
    ['select locks()', 'advisory 9', "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"],
    ['select sets()', 'settings work_mem', "select count(*) from pg_settings where name = 'work_mem' and setting <> '4096'"],
  ] as const) {
    it(`closes a connection in which ${text} has left something, warns and counts`, async () => {
      const [leaks, from] = [await count('leaks'), shardyard.log().length];
      const pid = await using('leaky', async (client) => {
        const own = await first(client, 'select pg_backend_pid()');
        assert.equal((await client.query(text)).at(-1)?.type, 'Z', 'the client has its answer');
        return own;
      });
      const [next, left] = await using('leaky', async (client) => [
        await first(client, 'select pg_backend_pid()'),
        await first(client, others),
      ]);
      assert.notEqual(next, pid);
      assert.equal(left, '0');
      assert.equal(await count('leaks'), leaks + 1);
      assert.ok((await findings('leaky')).includes(found));
      const [kind, name] = found.split(' ');
      await shardyard.waitForLog(
        new RegExp(
          `WARNING S-0x\\w+: postgres/\\S+ leak sentinel: session state was left behind: ${kind} "${name}" \\(database=leaky user=postgres after="select"\\)`,
        ),
        from,
      );
    });
  }

  it('finds no fault with what the configuration ignores', async () => {
    const leaks = await count('leaks');
    await using('ignores', async (client) => {
      await client.query("set work_mem = '7MB'; select locks()");
      assert.equal(await first(client, 'show work_mem'), '7MB');
    });
    assert.equal(await count('leaks'), leaks);
  });

  it('finds no fault with what the connect_query made', async () => {
    const leaks = await count('leaks');
    await using('prepared', async (client) => {
      const pid = await first(client, 'select pg_backend_pid()');
      await client.query("set work_mem = '7MB'");
      assert.equal(await first(client, 'show lock_timeout'), '5s');
      assert.equal(await first(client, 'select pg_backend_pid()'), pid);
    });
    assert.equal(await count('leaks'), leaks);
  });

  it('does not look where it is switched off', async () => {
    // Its pool has one connection: whoever comes next comes after the look, and a look would have closed it. Counts say nothing here: those
    // of the other databases may still grow.
    const pid = await using('unwatched', async (client) => {
      await client.query('select sets()');
      return await first(client, 'select pg_backend_pid()');
    });
    await using('unwatched', async (client) => {
      assert.equal(await first(client, 'select pg_backend_pid()'), pid);
      assert.equal(await first(client, 'show work_mem'), '9MB');
    });
    assert.deepEqual(await findings('unwatched'), []);
  });

  it('is set by a percentage that the console shows and changes', async () => {
    const value = async () => (await admin.query('show config')).rows.find((row) => row.key === 'leak_sentinel')?.value;
    assert.equal(await value(), '100%');
    await admin.query("set leak_sentinel = '0.5%'");
    assert.equal(await value(), '0.5%');
    await assert.rejects(admin.query("set leak_sentinel = '5'"), (error: pg.DatabaseError) =>
      /0, or a percentage up to 100%/.test(error.detail ?? ''),
    );
  });
});
