/** Every limit of time: what the client is told, and what becomes of its server connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawConnect, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

let postgres: Postgres;
let shardyard: Shardyard;
const open: RawClient[] = [];

async function start(settings: string, more = '', users = ''): Promise<void> {
  shardyard = await startShardyard(
    `[databases]\npostgres = host=127.0.0.1 port=${postgres.port} ${more}\n${users}\n[shardyard]\npool_mode = transaction\n${settings}\n`,
    { users: { postgres: 'postgres', ann: 'ann' } },
  );
}

async function connect(user = 'postgres', database = 'postgres'): Promise<RawClient> {
  const client = await rawLogIn(shardyard, { user, database });
  open.push(client);
  return client;
}

/** The last error before the connection ended: severity, SQLSTATE, message. */
async function lastWords(client: RawClient): Promise<readonly (string | undefined)[]> {
  const error = (await client.untilEnd()).findLast(({ type }) => type === 'E');
  return [error?.fields?.S, error?.fields?.C, error?.fields?.M];
}

const connections = () =>
  query<{ pid: number; state: string }>(postgres, 'select pid, state from pg_stat_activity where client_addr is not null');
const nothingLeft = () =>
  eventually(async () => {
    const left = await connections();
    assert.deepEqual(
      left.filter(({ state }) => state !== 'idle'),
      [],
    );
  });

describe('limits of time', () => {
  before(async () => {
    // Postgres itself looks for clients that are gone only when it is told to.
    postgres = await startPostgres({ settings: { client_connection_check_interval: '50ms' } });
    await query(postgres, 'create role ann login superuser');
  });
  after(() => postgres?.stop());
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await shardyard?.stop();
  });

  it('query_wait_timeout ends who waits too long, and only him', async () => {
    await start('default_pool_size = 1\nquery_wait_timeout = 0.4');
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    b.send(frames.query('select 1'));
    assert.deepEqual(await lastWords(b), ['FATAL', '08P01', 'query_wait_timeout']);
    assert.deepEqual(rows(await a.query('select 2; commit')), [['2']]);
  });

  it('query_wait_notify tells who waits that he waits, once', async () => {
    await start('default_pool_size = 1\nquery_wait_notify = 1');
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    b.send(frames.query('select 1'));
    const notice = (await b.until('N')).at(-1);
    assert.equal(notice?.fields?.M, 'No server connection available in postgres backend, client being queued');
    assert.equal(notice?.fields?.C, '00000');
    await a.query('select pg_sleep(1.2)');
    await a.query('commit');
    assert.deepEqual(
      (await b.until('Z')).map(({ type }) => type),
      ['T', 'D', 'C', 'Z'],
    );
  });

  it('query_timeout ends what runs too long, and its server stops working', async () => {
    await start('query_timeout = 0.4');
    const client = await connect();
    client.send(frames.query('select pg_sleep(60)'));
    assert.deepEqual(await lastWords(client), ['FATAL', '08P01', 'query timeout']);
    await nothingLeft();
  });

  it('query_timeout counts each statement anew, and holds for who waits', async () => {
    await start('query_timeout = 0.6\ndefault_pool_size = 1');
    const [a, b] = [await connect(), await connect()];
    await a.query('begin');
    for (let i = 0; i < 3; i++) await a.query('select pg_sleep(0.25)');
    b.send(frames.query('select 1'));
    assert.deepEqual(await lastWords(b), ['FATAL', '08P01', 'query_timeout']);
    await a.query('commit');
  });

  it('idle_transaction_timeout ends who keeps a transaction open, and rolls it back', async () => {
    await start('idle_transaction_timeout = 0.4');
    await query(postgres, 'create table if not exists kept (a int)');
    const client = await connect();
    await client.query('begin; insert into kept values (1)');
    assert.deepEqual(await lastWords(client), ['FATAL', '08P01', 'idle transaction timeout']);
    await nothingLeft();
    assert.deepEqual(await query(postgres, 'select * from kept'), []);
    const idle = await connect();
    await idle.query('select pg_sleep(0.6)');
    await idle.query('select 1');
  });

  it('transaction_timeout ends long transactions, busy or not', async () => {
    await start('transaction_timeout = 0.6');
    const [busy, idle] = [await connect(), await connect()];
    await busy.query('begin');
    await idle.query('begin');
    busy.send(frames.query('select pg_sleep(60)'));
    assert.deepEqual(await lastWords(busy), ['FATAL', '08P01', 'transaction timeout']);
    assert.deepEqual(await lastWords(idle), ['FATAL', '08P01', 'transaction timeout']);
    await nothingLeft();
  });

  it('client_idle_timeout ends who says nothing, but not in a transaction', async () => {
    await start('client_idle_timeout = 0.4');
    const [idle, working] = [await connect(), await connect()];
    await working.query('begin');
    assert.deepEqual(await lastWords(idle), ['FATAL', '08P01', 'client_idle_timeout']);
    await working.query('select pg_sleep(0.5)');
    await working.query('commit');
  });

  it('a timeout of a user comes before that of all', async () => {
    await start('client_idle_timeout = 0.3\nquery_timeout = 60', '', '[users]\nann = client_idle_timeout=60 query_timeout=0.3');
    const [ann, other] = [await connect('ann'), await connect()];
    assert.deepEqual(await lastWords(other), ['FATAL', '08P01', 'client_idle_timeout']);
    ann.send(frames.query('select pg_sleep(60)'));
    assert.deepEqual(await lastWords(ann), ['FATAL', '08P01', 'query timeout']);
  });

  it('client_login_timeout ends who does not log in', async () => {
    await start('client_login_timeout = 0.3');
    const silent = await rawConnect(shardyard);
    assert.deepEqual(await lastWords(silent), ['FATAL', '08P01', 'client_login_timeout']);
    const slow = await rawConnect(shardyard);
    slow.send(frames.startup({ user: 'postgres' }).subarray(0, 6));
    assert.deepEqual(await lastWords(slow), ['FATAL', '08P01', 'client_login_timeout']);
  });

  it('server_connect_timeout gives up a server that never answers', async () => {
    const sockets: net.Socket[] = [];
    const silent = net.createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as net.AddressInfo;
    shardyard = await startShardyard(
      `[databases]\nd = host=127.0.0.1 port=${port}\n[shardyard]\nserver_connect_timeout = 0.3\nquery_wait_timeout = 1\n`,
    );
    await assert.rejects(connect('postgres', 'd'), /query_wait_timeout/);
    await shardyard.waitForLog(/connect timeout/);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('a paused server: query_wait_timeout and query_timeout still hold', async () => {
    await start('query_wait_timeout = 0.5\nquery_timeout = 1.5\ndefault_pool_size = 1\nserver_connect_timeout = 1\npipeline = off');
    const [a, b] = [await connect(), await connect()];
    await a.query('select 1');
    postgres.pause();
    try {
      a.send(frames.query('select 1'));
      b.send(frames.query('select 1'));
      assert.deepEqual(await lastWords(b), ['FATAL', '08P01', 'query_wait_timeout']);
      assert.deepEqual(await lastWords(a), ['FATAL', '08P01', 'query timeout']);
    } finally {
      postgres.resume();
    }
    await eventually(async () => {
      const again = await connect();
      assert.deepEqual(rows(await again.query('select 1')), [['1']]);
    });
  });
});
