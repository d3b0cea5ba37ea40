/** Signals and RELOAD: a new file holds as a whole or not at all, and running work finishes on what it has. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const errorOf = (answer: readonly RawFrame[]) => answer.findLast(({ type }) => type === 'E')?.fields;
const first = (answer: readonly RawFrame[]) => rows(answer)[0]?.[0];

describe('signals and reload', () => {
  let postgres: Postgres;
  let other: Postgres;
  let shardyard: Shardyard;
  const open: RawClient[] = [];
  before(async () => {
    [postgres, other] = await Promise.all([
      startPostgres({ name: 'first', settings: { client_connection_check_interval: '50ms' } }),
      startPostgres({ name: 'second' }),
    ]);
  });
  after(async () => {
    await postgres?.stop();
    await other?.stop();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await shardyard?.stop().catch((error: unknown) => {
      if (!/Shardyard ended with/.test(String(error))) throw error;
    });
  });

  const ini = (server: Postgres, settings = '', databases = '') =>
    `[databases]\npostgres = host=127.0.0.1 port=${server.port}\n${databases}\n[shardyard]\npool_mode = transaction\n${settings}\n`;
  async function start(settings = '', databases = ''): Promise<void> {
    shardyard = await startShardyard(ini(postgres, settings, databases));
  }
  async function connect(database = 'postgres'): Promise<RawClient> {
    const client = await rawLogIn(shardyard, { user: 'postgres', database });
    open.push(client);
    return client;
  }
  async function reload(text: string, expected: RegExp): Promise<void> {
    const from = shardyard.log().length;
    shardyard.reload(text);
    await shardyard.waitForLog(expected, from);
  }
  const IN_FORCE = /RELOAD: configuration in force/;
  const name = async (client: RawClient) => first(await client.query('show cluster_name'));
  const connectionsOf = (server: Postgres) => query(server, 'select 1 from pg_stat_activity where client_addr is not null');

  it('SIGHUP puts a good file in force: sizes, timeouts, new databases', async () => {
    await start('default_pool_size = 1\nquery_wait_timeout = 60');
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    b.send(frames.query('select 2'));
    await reload(
      ini(postgres, 'default_pool_size = 2\nquery_timeout = 0.4', `more = host=127.0.0.1 port=${postgres.port} dbname=postgres`),
      IN_FORCE,
    );
    assert.equal(first(await b.until('Z')), '2', 'the second server that it may have now');
    await a.query('commit');
    assert.equal(first(await (await connect('more')).query('select 3')), '3');
    a.send(frames.query('select pg_sleep(30)'));
    assert.equal(errorOf(await a.untilEnd())?.M, 'query timeout');
  });

  it('a bad file changes nothing, and every mistake is named', async () => {
    await start();
    const a = await connect();
    await reload(ini(postgres, 'default_pool_size = many\nno_such_setting = 1', 'bad = port=x'), /RELOAD failed/);
    for (const mistake of [/default_pool_size/, /no_such_setting/, /port/]) assert.match(shardyard.log(), mistake);
    assert.equal(first(await a.query('select 1')), '1');
    await assert.rejects(connect('bad'), /no such database: bad/);
    const admin = await connect('pgbouncer');
    assert.equal(errorOf(await admin.query('reload'))?.C, 'F0000');
    await reload(ini(postgres), IN_FORCE);
    assert.equal(errorOf(await admin.query('reload')), undefined);
  });

  it('after a changed host running transactions finish where they are, the next ones go to the new host', async () => {
    await start('', 'shadow = host=127.0.0.1 port=1');
    const [busy, idle, running] = [await connect(), await connect(), await connect()];
    await busy.query('begin; create temp table t (a int)');
    running.send(frames.query('select pg_sleep(0.5), current_setting($$cluster_name$$)'));
    await idle.query('select 1');
    await reload(ini(other), IN_FORCE);
    assert.equal(await name(idle), 'second');
    assert.equal(await name(busy), 'first');
    await busy.query('insert into t values (1)');
    assert.equal((await busy.query('commit')).find(({ type }) => type === 'C')?.tag, 'COMMIT');
    assert.equal(rows(await running.until('Z'))[0]?.[1], 'first');
    assert.equal(await name(running), 'second');
    busy.destroy();
    await eventually(async () => assert.equal((await connectionsOf(postgres)).length, 0));
  });

  it('a client that waits for the old host is not lost', async () => {
    await start('default_pool_size = 1');
    const [busy, waiter] = [await connect(), await connect()];
    await busy.query('begin');
    waiter.send(frames.query('show cluster_name'));
    await eventually(async () => {
      const admin = await connect('pgbouncer');
      assert.ok(rows(await admin.query('show pools')).some((row) => row[3] === '1'));
    });
    await reload(ini(other, 'default_pool_size = 1'), IN_FORCE);
    assert.equal(first(await waiter.until('Z')), 'second', 'while the other one is still busy at the old host');
    await busy.query('commit');
  });

  it('a removed database ends its idle clients, lets transactions finish, and lets nobody in', async () => {
    await start('', `gone = host=127.0.0.1 port=${postgres.port} dbname=postgres`);
    const [idle, busy, kept] = [await connect('gone'), await connect('gone'), await connect()];
    await busy.query('begin');
    await reload(ini(postgres), IN_FORCE);
    assert.deepEqual([errorOf(await idle.untilEnd())?.M], ['database removed']);
    assert.equal(first(await busy.query('select 5')), '5');
    await busy.query('commit');
    busy.send(frames.query('select 6'));
    assert.equal(errorOf(await busy.untilEnd())?.M, 'database removed');
    await assert.rejects(connect('gone'), /no such database: gone/);
    assert.equal(first(await kept.query('select 1')), '1');
  });

  it('many reloads under load: every answer is right', async () => {
    await start();
    let over = false;
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect()));
    const work = clients.map(async (client, i) => {
      for (let n = 0; !over; n++) {
        await client.query('begin');
        assert.equal(first(await client.query(`select '${i}.${n}'`)), `${i}.${n}`);
        const one = await name(client);
        assert.equal(await name(client), one, 'one transaction, one server');
        await client.query('commit');
      }
    });
    for (let i = 0; i < 8; i++) await reload(ini(i % 2 === 0 ? other : postgres), IN_FORCE);
    over = true;
    await Promise.all(work);
  });

  it('SIGUSR1 pauses, SIGUSR2 resumes', async () => {
    await start();
    const a = await connect();
    await a.query('select 1');
    process.kill(shardyard.pid, 'SIGUSR1');
    await shardyard.waitForLog(/got SIGUSR1/);
    await eventually(async () => assert.equal((await connectionsOf(postgres)).length, 0));
    a.send(frames.query('select 2'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(a.pending, []);
    process.kill(shardyard.pid, 'SIGUSR2');
    assert.equal(first(await a.until('Z')), '2');
  });

  it('SIGTERM waits for clients, lets no new ones in by TCP, and then ends with 0', async () => {
    await start();
    const a = await connect();
    await a.query('begin');
    const ended = shardyard.exit('SIGTERM');
    await shardyard.waitForLog(/got SIGTERM/);
    await eventually(
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = net.connect(shardyard.port, '127.0.0.1');
          socket.once('error', () => resolve());
          socket.once('connect', () => {
            socket.destroy();
            reject(new Error('still listens'));
          });
        }),
    );
    assert.equal(first(await a.query('select 1')), '1');
    // The console is still there, by the Unix socket.
    const admin = await rawLogIn({ port: shardyard.port, socketDir: shardyard.socketDir }, { user: 'postgres', database: 'pgbouncer' });
    assert.ok(rows(await admin.query('show clients')).length > 0);
    await admin.close();
    await a.query('commit');
    await a.close();
    assert.equal(await ended, 0);
    assert.equal(existsSync(path.join(shardyard.socketDir, `.s.PGSQL.${shardyard.port}`)), false);
  });

  it('SIGINT waits for servers: transactions finish, then it ends', async () => {
    await start();
    const [a, idle, late] = [await connect(), await connect(), await connect()];
    await a.query('begin');
    const ended = shardyard.exit('SIGINT');
    await shardyard.waitForLog(/got SIGINT/);
    assert.equal(first(await a.query('select 1')), '1');
    late.send(frames.query('select 2'));
    assert.match(errorOf(await late.untilEnd())?.M ?? '', /shutting down/, 'who would need another server is told so at once');
    a.send(frames.query('commit'));
    await a.until('C');
    assert.equal(await ended, 0);
    assert.notEqual(errorOf(await idle.untilEnd()), undefined);
  });

  it('a second SIGTERM, or SIGQUIT, ends at once with 0', async () => {
    await start();
    const a = await connect();
    a.send(frames.query('select pg_sleep(60)'));
    process.kill(shardyard.pid, 'SIGTERM');
    await shardyard.waitForLog(/got SIGTERM/);
    assert.equal(await shardyard.exit('SIGTERM'), 0);
    assert.match(errorOf(await a.untilEnd())?.M ?? '', /shutting down/);
    await shardyard.stop();
    await start();
    const b = await connect();
    b.send(frames.query('select pg_sleep(60)'));
    assert.equal(await shardyard.exit('SIGQUIT'), 0);
    await b.untilEnd();
    await query(
      postgres,
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()",
    );
  });
});
