/** The console by a real driver: what each command says, and what it does to clients and servers. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const errorOf = (answer: readonly RawFrame[]) => answer.findLast(({ type }) => type === 'E')?.fields;
const first = (answer: readonly RawFrame[]) => rows(answer)[0]?.[0];

describe('the console', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let admin: pg.Client;
  const open: RawClient[] = [];
  before(async () => {
    postgres = await startPostgres();
    const at = `host=127.0.0.1 port=${postgres.port} dbname=postgres`;
    shardyard = await startShardyard(
      `[databases]\npostgres = ${at}\nother = ${at}\n[shardyard]\npool_mode = transaction\nstats_users = watcher\nadmin_users = postgres\n`,
      { users: { postgres: 'postgres', watcher: 'x', nobody: 'x' } },
    );
    admin = new pg.Client({ host: '127.0.0.1', port: shardyard.port, user: 'postgres', database: 'pgbouncer' });
    await admin.connect();
  });
  afterEach(() => {
    for (const client of open.splice(0)) client.destroy();
  });
  after(async () => {
    await admin?.end();
    await shardyard?.stop();
    await postgres?.stop();
  });
  async function connect(database = 'postgres', user = 'postgres'): Promise<RawClient> {
    const client = await rawLogIn(shardyard, { user, database });
    open.push(client);
    return client;
  }
  const show = async (what: string): Promise<readonly Record<string, unknown>[]> => (await admin.query(`show ${what}`)).rows;
  const pool = async (database: string) => (await show('pools')).find((row) => row.database === database);
  const connections = () => query<{ pid: number }>(postgres, 'select pid from pg_stat_activity where client_addr is not null');
  const refused = async (command: string): Promise<string> => {
    const error = await admin.query(command).then(
      () => assert.fail(`${command} was obeyed`),
      (e: pg.DatabaseError) => e,
    );
    return `${error.severity} ${error.code} ${error.message}`;
  };

  it('is there under both names, for admin_users and stats_users only', async () => {
    for (const database of ['pgbouncer', 'shardyard']) {
      for (const user of ['postgres', 'watcher']) assert.ok(rows(await (await connect(database, user)).query('show version'))[0]?.[0]);
    }
    await assert.rejects(connect('pgbouncer', 'nobody'), /not allowed/);
    const watcher = await connect('pgbouncer', 'watcher');
    const error = errorOf(await watcher.query('pause'));
    assert.deepEqual([error?.S, error?.C, error?.M], ['ERROR', '08P01', 'admin access needed']);
    assert.ok(rows(await watcher.query('show pools')).length >= 0);
  });

  it('answers every SHOW, and names what it does not know', async () => {
    await (await connect()).query('select 1');
    for (const what of [
      'clients',
      'servers',
      'pools',
      'databases',
      'users',
      'lists',
      'config',
      'stats',
      'stats_totals',
      'stats_averages',
      'totals',
      'state',
      'sockets',
      'active_sockets',
      'mem',
      'peers',
      'peer_pools',
      'dns_hosts',
      'dns_zones',
      'version',
      'topology',
      'pins',
    ]) {
      assert.ok(Array.isArray(await show(what)), what);
    }
    await show('help');
    assert.equal(await refused('show nothing'), "ERROR 08P01 invalid command 'show nothing', use SHOW HELP;");
    assert.equal(await refused('frobnicate'), "ERROR 08P01 invalid command 'frobnicate', use SHOW HELP;");
  });

  it('shows what is true: states, links, and counts', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    const [pid] = rows(await a.query('select pg_backend_pid()'))[0] ?? [];
    const servers = await show('servers');
    const mine = servers.find((row) => String(row.remote_pid) === pid);
    assert.equal(mine?.state, 'active');
    const clients = await show('clients');
    const linked = clients.find((row) => row.ptr === mine?.link);
    assert.deepEqual([linked?.state, linked?.link], ['active', mine?.ptr]);
    assert.deepEqual([Number((await pool('postgres'))?.cl_active), Number((await pool('postgres'))?.sv_active)], [2, 1]);
    await a.query('commit');
    await b.query('select 1');
    const stats = (await show('stats')).find((row) => row.database === 'postgres');
    assert.ok(Number(stats?.total_query_count) >= 4);
  });

  it('PAUSE waits until transactions are over, clients wait, RESUME lets them go on', async () => {
    const [busy, waiter] = [await connect(), await connect()];
    await busy.query('begin');
    let paused = false;
    const pausing = admin.query('pause').then((result) => {
      paused = true;
      return result.command;
    });
    const watcher = await connect('pgbouncer');
    await eventually(async () => assert.ok(rows(await watcher.query('show databases')).length > 0));
    assert.equal(first(await busy.query('select 1')), '1');
    assert.equal(paused, false);
    await busy.query('commit');
    assert.equal(await pausing, 'PAUSE');
    assert.deepEqual(await connections(), []);
    waiter.send(frames.query('select 2'));
    await eventually(async () => assert.equal(Number((await pool('postgres'))?.cl_waiting), 1));
    assert.match(await refused('pause'), /already suspended\/paused/);
    assert.equal((await admin.query('resume')).command, 'RESUME');
    assert.equal(first(await waiter.until('Z')), '2');
    assert.match(await refused('resume'), /pooler is not paused\/suspended/);
  });

  it('SUSPEND lets statements end, keeps connections open, and RESUME goes on', async () => {
    const [inTransaction, waiter] = [await connect(), await connect()];
    const pid = first(await waiter.query('select pg_backend_pid()'));
    await inTransaction.query('begin');
    assert.equal((await admin.query('suspend')).command, 'SUSPEND');
    assert.equal((await show('state')).find((row) => row.value === 'yes')?.key, 'suspended');
    assert.equal(first(await inTransaction.query('select 1')), '1');
    await inTransaction.query('commit');
    waiter.send(frames.query('select pg_backend_pid()'));
    await eventually(async () => assert.equal(Number((await pool('postgres'))?.cl_waiting), 1));
    assert.ok((await connections()).length > 0);
    assert.match(await refused('suspend'), /already suspended\/paused/);
    assert.equal((await admin.query('resume')).command, 'RESUME');
    assert.ok(pid !== undefined && rows(await waiter.until('Z')).length === 1);
    assert.match(await refused('resume'), /pooler is not paused\/suspended/);
  });

  it('PAUSE of one database leaves the others alone', async () => {
    const [a, b] = [await connect(), await connect('other')];
    await a.query('select 1');
    await admin.query('pause postgres');
    assert.equal((await show('databases')).find((row) => row.name === 'postgres')?.paused, 1);
    assert.equal(first(await b.query('select 1')), '1');
    a.send(frames.query('select 3'));
    await eventually(async () => assert.equal(Number((await pool('postgres'))?.cl_waiting), 1));
    await admin.query('resume postgres');
    assert.equal(first(await a.until('Z')), '3');
    assert.match(await refused('resume postgres'), /database postgres is not paused/);
    assert.match(await refused('pause nothing'), /no such database: nothing/);
  });

  it('RECONNECT replaces each connection when it is free', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    const held = first(await a.query('select pg_backend_pid()'));
    const free = first(await b.query('select pg_backend_pid()'));
    await admin.query('reconnect');
    assert.equal(first(await a.query('select pg_backend_pid()')), held);
    const waiting = admin.query('wait_close');
    await a.query('commit');
    await waiting;
    const now = [first(await a.query('select pg_backend_pid()')), first(await b.query('select pg_backend_pid()'))];
    assert.ok(!now.includes(held) && !now.includes(free));
    await eventually(async () => assert.ok((await connections()).every(({ pid }) => ![held, free].includes(String(pid)))));
  });

  it('KILL drops clients and servers of a database, which stays paused until RESUME', async () => {
    const [busy, idle, waiter] = [await connect('other'), await connect('other'), await connect('postgres')];
    await busy.query('begin');
    await admin.query('kill other');
    for (const client of [busy, idle]) assert.equal(errorOf(await client.untilEnd())?.M, 'admin forced disconnect');
    assert.equal(first(await waiter.query('select 1')), '1');
    assert.equal((await show('databases')).find((row) => row.name === 'other')?.paused, 1);
    await admin.query('resume other');
    assert.equal(first(await (await connect('other')).query('select 1')), '1');
  });

  it('KILL_CLIENT drops one client', async () => {
    const [a, b] = [await connect(), await connect()];
    await a.query("set application_name = 'victim'");
    const row = (await show('clients')).find(({ application_name }) => application_name === 'victim');
    await admin.query(`kill_client ${row?.id}`);
    assert.equal(errorOf(await a.untilEnd())?.M, 'admin forced disconnect');
    assert.equal(first(await b.query('select 1')), '1');
    assert.match(await refused(`kill_client ${row?.id}`), /client not found/);
    assert.match(await refused('kill_client x'), /invalid client pointer supplied/);
  });

  it('DISABLE lets nobody new in, ENABLE does again', async () => {
    const a = await connect();
    await admin.query('disable postgres');
    await assert.rejects(connect(), /database "postgres" is disabled/);
    assert.equal(first(await a.query('select 1')), '1');
    await admin.query('enable postgres');
    await connect();
  });

  it('SET changes a setting at once, RELOAD takes it back', async () => {
    await admin.query('set max_client_conn = 77');
    const value = async () => (await show('config')).find(({ key }) => key === 'max_client_conn')?.value;
    assert.equal(await value(), '77');
    await admin.query('reload');
    assert.equal(await value(), '100');
    assert.match(await refused('set no_such = 1'), /SET failed/);
  });

  it('refuses the extended protocol, as PgBouncer does', async () => {
    const client = await connect('pgbouncer');
    client.send(frames.parse('show pools'), frames.sync());
    const answer = await client.untilEnd();
    assert.deepEqual(
      answer.flatMap(({ fields }) => fields?.M ?? []),
      ['extended query protocol not supported by admin console', 'bad packet'],
    );
  });

  it('SHUTDOWN ends the process at once', async () => {
    const victim = await startShardyard(`[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\n`);
    const console = await rawLogIn(victim, { user: 'postgres', database: 'pgbouncer' });
    console.send(frames.query('shutdown'));
    await console.untilEnd();
    assert.equal(await victim.exit('SIGQUIT'), 0);
    await victim.stop();
  });
});
