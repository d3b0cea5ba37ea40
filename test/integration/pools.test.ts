/** How many server connections there are, who gets them, and in which order. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres, withClient } from '../support/postgres.ts';
import { frames, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

let postgres: Postgres;
let shardyard: Shardyard;
const open: RawClient[] = [];

async function start(settings: string, databases = '', users = ''): Promise<void> {
  const at = `host=127.0.0.1 port=${postgres.port}`;
  const lines = databases === '' ? `postgres = ${at}` : databases.replaceAll('AT', at);
  const secrets = { postgres: 'postgres', ann: 'ann', bob: 'bob' };
  shardyard = await startShardyard(`[databases]\n${lines}\n${users}\n[shardyard]\n${settings}\n`, { users: secrets });
}

async function connect(database = 'postgres', user = 'postgres'): Promise<RawClient> {
  const client = await rawLogIn(shardyard, { user, database });
  open.push(client);
  return client;
}

/** Server connections that Shardyard has open, by database and user as Postgres sees them. */
const connections = (where = 'true') =>
  query<{ pid: number; state: string; usename: string }>(
    postgres,
    `select pid, state, usename from pg_stat_activity where client_addr is not null and ${where} order by backend_start`,
  );

const pidOf = async (client: RawClient): Promise<string | null | undefined> => rows(await client.query('select pg_backend_pid()'))[0]?.[0];

/** Console rows as objects. */
async function show(what: string): Promise<readonly Record<string, string | null>[]> {
  const admin = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer' });
  const answer = await admin.query(`show ${what}`);
  await admin.close();
  const names = answer.find(({ type }) => type === 'T')?.columns?.map(({ name }) => name) ?? [];
  return rows(answer).map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])));
}
const waiting = async (): Promise<number> => (await show('pools')).reduce((sum, row) => sum + Number(row.cl_waiting), 0);

describe('pools', () => {
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create role ann login superuser; create role bob login superuser');
    await query(postgres, 'create database other');
  });
  after(() => postgres?.stop());
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await shardyard?.stop();
  });

  it('transaction mode gives each transaction a server, and to everyone the same when one is enough', async () => {
    await start('pool_mode = transaction\ndefault_pool_size = 5');
    const [a, b] = [await connect(), await connect()];
    const pid = await pidOf(a);
    assert.equal(await pidOf(b), pid);
    await a.query('begin');
    const held = await pidOf(a);
    assert.notEqual(await pidOf(b), held);
    assert.equal(await pidOf(a), held);
    await a.query('commit');
    assert.equal((await connections()).length, 2);
  });

  it('session mode keeps the server until the client goes, and then resets it', async () => {
    await start('pool_mode = session\ndefault_pool_size = 1');
    const a = await connect();
    await a.query("set work_mem = '77MB'; select pg_advisory_lock(3)");
    const pid = await pidOf(a);
    // The log-in of a second client needs no server of its own: what it is told is known.
    const b = await connect();
    b.send(frames.query('show work_mem'));
    await eventually(async () => assert.equal(await waiting(), 1));
    await a.close();
    assert.deepEqual(rows(await b.until('Z')), [['4MB']]);
    assert.equal(await pidOf(b), pid, 'the same connection, reset');
    assert.deepEqual(rows(await b.query("select count(*) from pg_locks where locktype = 'advisory'")), [['0']]);
  });

  it('statement mode refuses transactions', async () => {
    await start('pool_mode = statement');
    const client = await connect();
    assert.deepEqual(rows(await client.query('select 1; select 2')), [['1'], ['2']]);
    client.send(frames.query('begin'));
    const last = (await client.untilEnd()).findLast(({ type }) => type === 'E');
    assert.deepEqual(
      [last?.fields?.S, last?.fields?.C, last?.fields?.M],
      ['FATAL', '08P01', 'transaction blocks not allowed in statement pooling mode'],
    );
    await eventually(async () => assert.deepEqual((await connections("state like 'idle in%'")).length, 0));
  });

  it('default_pool_size is never exceeded, and who waits is served first come, first served', async () => {
    await start('pool_mode = transaction\ndefault_pool_size = 2');
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect()));
    const [first, second, ...others] = clients as [RawClient, RawClient, ...RawClient[]];
    await first.query('begin');
    await second.query('begin');
    for (const [i, client] of others.entries()) {
      client.send(frames.query('select extract(epoch from clock_timestamp())'));
      await eventually(async () => assert.equal(await waiting(), i + 1));
    }
    assert.equal((await connections()).length, 2);
    await first.query('commit');
    const turns = await Promise.all(others.map(async (client) => Number(rows(await client.until('Z'))[0]?.[0])));
    assert.deepEqual(
      turns,
      turns.toSorted((x, y) => x - y),
    );
    assert.equal((await connections()).length, 2);
    await second.query('commit');
  });

  it('pool_size comes from the user before the database before the default', async () => {
    await start(
      'pool_mode = transaction\ndefault_pool_size = 1',
      'a = AT dbname=postgres pool_size=2\nb = AT dbname=postgres',
      '[users]\nann = pool_size=3',
    );
    const sizes = async (database: string, user: string, clients: number): Promise<number> => {
      const all = await Promise.all(Array.from({ length: clients }, () => connect(database, user)));
      for (const client of all) client.send(frames.query('begin; select pg_sleep(0)'));
      await eventually(async () => {
        const row = (await show('pools')).find((pool) => pool.database === database && pool.user === user);
        assert.equal(Number(row?.cl_active) + Number(row?.cl_waiting), clients);
        assert.ok(Number(row?.cl_waiting) > 0 && Number(row?.sv_login) === 0 && Number(row?.sv_active) > 0);
      });
      const row = (await show('pools')).find((pool) => pool.database === database && pool.user === user);
      return Number(row?.sv_active);
    };
    assert.equal(await sizes('b', 'bob', 4), 1);
    assert.equal(await sizes('a', 'bob', 4), 2);
    assert.equal(await sizes('a', 'ann', 5), 3);
  });

  it('min_pool_size is kept while clients are connected', async () => {
    await start('pool_mode = transaction\nmin_pool_size = 3\nserver_idle_timeout = 1');
    const client = await connect();
    await client.query('select 1');
    await eventually(async () => assert.equal((await connections()).length, 3));
    const before = await connections();
    await withClient(postgres, (direct) => direct.query('select pg_terminate_backend($1)', [before[0]?.pid]));
    await eventually(async () => {
      const now = await connections();
      assert.equal(now.length, 3);
      assert.ok(now.every(({ pid }) => pid !== before[0]?.pid));
    });
  });

  it('min_pool_size of a line that names its user holds before anybody comes', async () => {
    await start(
      'pool_mode = transaction',
      'postgres = AT\nbobs = AT dbname=postgres user=bob min_pool_size=2\nanyones = AT dbname=postgres min_pool_size=2',
    );
    await eventually(async () => assert.equal((await connections()).length, 2));
    assert.deepEqual(
      (await connections()).map(({ usename }) => usename),
      ['bob', 'bob'],
    );
  });

  it('server_idle_timeout closes connections that nobody needs', async () => {
    await start('pool_mode = transaction\nserver_idle_timeout = 0.3');
    const client = await connect();
    await client.query('select 1');
    await eventually(async () => assert.equal((await connections()).length, 0));
    await shardyard.waitForLog(/closing because: server idle timeout/);
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
  });

  it('server_lifetime closes connections by age, but never in a transaction', async () => {
    await start('pool_mode = transaction\nserver_lifetime = 0.5');
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    const held = await pidOf(a);
    await b.query('select 1');
    await shardyard.waitForLog(/closing because: server lifetime over/);
    assert.equal(await pidOf(a), held);
    await a.query('commit');
    await eventually(async () =>
      assert.deepEqual(
        (await connections()).filter(({ pid }) => String(pid) === held),
        [],
      ),
    );
  });

  it('the reserve pool opens for who has waited reserve_pool_timeout', async () => {
    await start('pool_mode = transaction\ndefault_pool_size = 1\nreserve_pool_size = 2\nreserve_pool_timeout = 0.3');
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect()));
    await clients[0]?.query('begin');
    for (const client of clients.slice(1)) client.send(frames.query('begin'));
    await clients[1]?.until('Z');
    await clients[2]?.until('Z');
    await shardyard.waitForLog(/taking connection from reserve_pool/);
    assert.equal((await connections()).length, 3);
    assert.equal(await waiting(), 1);
    await clients[1]?.query('commit');
    await clients[3]?.until('Z');
  });

  it('max_db_connections holds over all users, and an idle connection of one gives way to another', async () => {
    await start('pool_mode = transaction\nmax_db_connections = 2');
    const [ann, bob, postgresUser] = [await connect('postgres', 'ann'), await connect('postgres', 'bob'), await connect()];
    await ann.query('select 1');
    await bob.query('select 1');
    assert.ok((await connections()).length <= 2);
    await postgresUser.query('select 1');
    await shardyard.waitForLog(/closing because: evicted/);
    assert.ok((await connections()).length <= 2);
    await ann.query('begin');
    await bob.query('begin');
    postgresUser.send(frames.query('select 5'));
    await eventually(async () => assert.equal(await waiting(), 1));
    assert.equal((await connections()).length, 2);
    await ann.query('commit');
    assert.deepEqual(rows(await postgresUser.until('Z')), [['5']]);
    await bob.query('commit');
  });

  it('max_user_connections holds over all databases, with eviction', async () => {
    await start('pool_mode = transaction\nmax_user_connections = 1', 'postgres = AT\nother = AT');
    const [a, b] = [await connect('postgres'), await connect('other')];
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(rows(await a.query('select current_database()')), [['postgres']]);
      assert.deepEqual(rows(await b.query('select current_database()')), [['other']]);
      assert.equal((await connections()).length, 1);
    }
    await a.query('begin');
    b.send(frames.query('select 1'));
    await eventually(async () => assert.equal(await waiting(), 1));
    await a.query('commit');
    assert.deepEqual(rows(await b.until('Z')), [['1']]);
  });

  it('max_client_conn, max_db_client_connections and max_user_client_connections refuse with their names', async () => {
    await start('max_client_conn = 3\nmax_user_client_connections = 2', 'postgres = AT max_db_client_connections=2\nother = AT');
    const refusal = async (database: string, user: string) => {
      const error = await connect(database, user).then(
        () => assert.fail('it was let in'),
        (refused: { frame: { fields: Record<string, string> } }) => refused.frame.fields,
      );
      return [error.S, error.C, error.M];
    };
    await connect('postgres', 'ann');
    const second = await connect('postgres', 'ann');
    assert.deepEqual(await refusal('other', 'ann'), ['FATAL', '08P01', 'client connections exceeded (max_user_client_connections)']);
    assert.deepEqual(await refusal('postgres', 'bob'), ['FATAL', '08P01', 'client connections exceeded (max_db_client_connections)']);
    await connect('other', 'bob');
    assert.deepEqual(await refusal('other', 'bob'), ['FATAL', '08P01', 'no more connections allowed (max_client_conn)']);
    const admin = await connect('pgbouncer');
    await admin.close();
    await second.close();
    await eventually(() => connect('postgres', 'bob'));
  });

  it('counts who looks at the console, and lets administrators in all the same', async () => {
    await start(
      'pool_mode = transaction\nmax_user_client_connections = 1\nmax_db_client_connections = 2\nadmin_users = postgres\nstats_users = ann, bob',
    );
    const ann = await connect('pgbouncer', 'ann');
    await assert.rejects(connect('pgbouncer', 'ann'), /max_user_client_connections/);
    const bob = await connect('pgbouncer', 'bob');
    const admins = [await connect('pgbouncer'), await connect('pgbouncer')];
    const row = (await show('databases')).find(({ name }) => name === 'pgbouncer');
    assert.deepEqual([row?.current_client_connections, row?.max_client_connections], ['5', '2']);
    assert.equal((await show('users')).find(({ name }) => name === 'ann')?.current_client_connections, '1');
    for (const client of [ann, bob, ...admins]) await client.close();
    await eventually(async () =>
      assert.equal(
        (await show('users')).find(({ name }) => name === 'ann'),
        undefined,
      ),
    );
  });

  it('a clean server goes to the client whose settings it has', async () => {
    await start('pool_mode = transaction\nleak_sentinel = 0');
    const german = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres', parameters: { datestyle: 'German' } });
    const plain = await connect();
    await german.query('begin');
    await plain.query('begin');
    const [pidGerman, pidPlain] = [await pidOf(german), await pidOf(plain)];
    await german.query('commit');
    await plain.query('commit');
    for (let i = 0; i < 3; i++) {
      assert.equal(await pidOf(german), pidGerman);
      assert.equal(await pidOf(plain), pidPlain);
      assert.deepEqual(rows(await german.query('show datestyle')), [['German, DMY']]);
      assert.deepEqual(rows(await plain.query('show datestyle')), [['ISO, MDY']]);
    }
    german.destroy();
  });

  it('server_reset_query_always runs the reset after each transaction', async () => {
    await start(
      "pool_mode = transaction\ndefault_pool_size = 1\nserver_reset_query_always = 1\nserver_reset_query = select nextval('resets')",
    );
    await query(postgres, 'create sequence resets');
    const client = await connect();
    for (let i = 0; i < 3; i++) await client.query('select 1');
    await client.query('select 1');
    await eventually(async () =>
      assert.ok(Number((await query<{ n: string }>(postgres, 'select last_value as n from resets'))[0]?.n) >= 3),
    );
  });

  it('server_check_query is asked after server_check_delay, and a server that fails it is replaced', async () => {
    await start('pool_mode = transaction\nserver_check_delay = 0\nserver_check_query = select checked()');
    await query(
      postgres,
      "create sequence checks; create function checked() returns bigint language sql as $$ select nextval('checks') $$",
    );
    const client = await connect();
    const pid = await pidOf(client);
    await eventually(async () => assert.equal(await pidOf(client), pid));
    await eventually(async () => {
      await client.query('select 1');
      assert.ok(Number((await query<{ n: string }>(postgres, 'select last_value as n from checks'))[0]?.n) >= 2);
    });
    await query(postgres, 'alter function checked() rename to unchecked');
    await eventually(async () => {
      // Nobody notices but the log: each check fails, each server is replaced.
      const other = await pidOf(client);
      assert.notEqual(other, pid);
    });
    await shardyard.waitForLog(/closing because: test query failed/);
    await query(postgres, 'drop function unchecked(); drop sequence checks');
  });
});
