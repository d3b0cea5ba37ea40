/** A shared queue of which all is known: who stands in it, in which order, and what happens to whom. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { eventually } from '../integration/eventually.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { startProxy, type Wire } from './proxy.ts';

const { bind, execute, parse, sync } = frames;
const SERIES = 'select count(*)::int from generate_series(1, $1::int)';
const REPEAT = "select repeat('x', $1::int)";
const ask = (sql: string, value: number): Buffer => Buffer.concat([parse(sql), bind({ values: [String(value)] }), execute(), sync()]);
const errorOf = (answer: readonly RawFrame[]): string | undefined => answer.find(({ type }) => type === 'E')?.fields?.C;
const resultOf = (answer: readonly RawFrame[]): string | null | undefined => errorOf(answer) ?? rows(answer)[0]?.[0];

describe('in a shared queue', () => {
  let postgres: Postgres;
  let wire: Wire;
  let shardyard: Shardyard;
  const open: RawClient[] = [];
  before(async () => {
    postgres = await startPostgres({ settings: { client_connection_check_interval: '50ms' } });
    wire = await startProxy(postgres);
  });
  after(async () => {
    await wire?.stop();
    await postgres?.stop();
  });
  afterEach(async () => {
    postgres.resume();
    for (const client of open.splice(0)) client.destroy();
    assert.doesNotMatch(shardyard.log(), /uncaught|unhandled|internal error|TypeError|RangeError|\bat .*\.js:\d+/i);
    await shardyard.stop();
  });

  const connect = async (parameters = {}, database = 'postgres'): Promise<RawClient> => {
    const client = await rawLogIn(shardyard, { user: 'postgres', database, parameters });
    open.push(client);
    return client;
  };
  let admin: RawClient;
  const count = async (name: string): Promise<number> => {
    const answer = await admin.query('show pipeline');
    const at = answer.find(({ type }) => type === 'T')!.columns!.findIndex((column) => column.name === name);
    return rows(answer).reduce((sum, row) => sum + Number(row[at]), 0);
  };
  /** Clients whose queries of these texts are shared, on connections of which there are so many. */
  async function start(clients: number, settings = 'default_pool_size = 1'): Promise<readonly RawClient[]> {
    shardyard = await startInFront(wire, `pipeline_width = 1\n${settings}`);
    admin = await connect({}, 'pgbouncer');
    const all = await Promise.all(Array.from({ length: clients }, () => connect()));
    for (const sql of [SERIES, REPEAT]) {
      await eventually(async () => {
        const before = await count('shared');
        for (let i = 0; i < 5; i++) {
          all[0]!.send(ask(sql, 5));
          await all[0]!.until('Z');
        }
        assert.equal((await count('shared')) - before, 5);
      });
    }
    return all;
  }
  /** All of them have asked, and the server does nothing: they stand in one queue, but for some that came late and wait in line. */
  async function queue(clients: readonly RawClient[], sent: (i: number) => Buffer): Promise<void> {
    postgres.pause();
    const before = await count('shared');
    for (const [i, client] of clients.entries()) client.send(sent(i));
    await eventually(async () => assert.ok((await count('shared')) > before));
    await eventually(async () => {
      const pools = await admin.query('show pools');
      const names = pools.find(({ type }) => type === 'T')!.columns!.map(({ name }) => name);
      const inLine = rows(pools).reduce((sum, row) => sum + Number(row[names.indexOf('cl_waiting')]), 0);
      assert.equal((await count('depth')) + inLine, clients.length);
    });
  }
  const answers = async (clients: readonly RawClient[]) =>
    await Promise.all(clients.map(async (client) => resultOf(await client.until('Z'))));
  const numbers = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

  it('everyone gets his own answer, in whatever order they asked', async () => {
    const clients = await start(20);
    await queue(clients, (i) => ask(SERIES, i));
    postgres.resume();
    assert.deepEqual(await answers(clients), numbers(0, 20));
  });

  it('a connection that is cut is noticed by nobody', async () => {
    const clients = await start(20);
    await queue(clients, (i) => ask(SERIES, i));
    assert.ok(wire.cut(0));
    postgres.resume();
    assert.deepEqual(await answers(clients), numbers(0, 20));
    assert.ok((await count('resent_lost')) > 0);
  });

  it('an error is for its own client only', async () => {
    const clients = await start(6);
    await queue(clients, (i) => (i === 2 ? Buffer.concat([parse(SERIES), bind({ values: ['x'] }), execute(), sync()]) : ask(SERIES, i)));
    postgres.resume();
    assert.deepEqual(await answers(clients), ['0', '1', '22P02', '3', '4', '5']);
  });

  it('a cancel ends the query of who sent it, at the head and behind', async () => {
    const clients = await start(6);
    for (let round = 0; round < 4; round++) {
      await queue(clients, (i) => ask(SERIES, i === 0 ? 50_000_000 : i));
      postgres.resume();
      await clients[3]!.cancel();
      if (round % 2 === 0) await eventually(() => running('generate_series'));
      await clients[0]!.cancel();
      assert.deepEqual(await answers(clients), ['57014', '1', '2', '57014', '4', '5']);
    }
  });

  /** The server is at a query with this in its text, or at an earlier one of ours. */
  const running = async (text: string): Promise<void> => {
    const found = await query(
      postgres,
      `select 1 from pg_stat_activity where state = 'active' and query like '%${text}%' and pid <> pg_backend_pid()`,
    );
    assert.equal(found.length, 1);
  };

  it('cancels at random moments hit only who sent them', async () => {
    const clients = await start(10, 'default_pool_size = 2');
    for (let round = 0; round < 40; round++) {
      for (const [i, client] of clients.entries()) client.send(ask(SERIES, i === 4 ? 20_000 : i));
      await new Promise((resolve) => setTimeout(resolve, round % 5));
      const canceled = clients[4]!.cancel();
      const got = await answers(clients);
      await canceled;
      assert.match(got[4]!, /^(20000|57014)$/);
      assert.deepEqual(got.with(4, '4'), numbers(0, 10));
    }
  });

  it('a cancel for an idle client, or with a wrong key, does nothing', async () => {
    const clients = await start(6);
    const idle = await connect();
    await queue(clients, (i) => ask(SERIES, i));
    await idle.cancel();
    postgres.resume();
    assert.deepEqual(await answers(clients), numbers(0, 6));
  });

  it('clients that go away take nobody with them, whatever goes on running', async () => {
    const clients = await start(8);
    for (const how of ['reset', 'Terminate']) {
      const [first, last] = [await connect(), await connect()];
      await queue([first, ...clients.slice(0, 4), last, ...clients.slice(4)], (i) => ask(SERIES, i === 0 ? 100_000_000 : i));
      postgres.resume();
      await eventually(() => running('generate_series'));
      // A query that has run for long is cancelled when nobody waits for it any more.
      await new Promise((resolve) => setTimeout(resolve, 150));
      for (const gone of [first, last]) {
        if (how === 'reset') gone.socket.resetAndDestroy();
        else gone.socket.end(frames.terminate());
      }
      assert.deepEqual(await answers(clients), ['1', '2', '3', '4', '6', '7', '8', '9']);
    }
  });

  it('Terminate and nonsense right behind a query end their own client, after its answer', async () => {
    const clients = await start(4);
    await queue(clients, (i) =>
      Buffer.concat([ask(SERIES, i), i === 1 ? frames.terminate() : i === 2 ? frames.frame('!', 'nonsense') : Buffer.alloc(0)]),
    );
    postgres.resume();
    assert.deepEqual(await answers(clients), numbers(0, 4));
    assert.deepEqual((await clients[1]!.untilEnd()).length, 0);
    assert.equal(errorOf(await clients[2]!.untilEnd()), '08P01');
  });

  it('query_timeout ends its own client only', async () => {
    const clients = await start(4, 'default_pool_size = 1\nquery_timeout = 1');
    const [first] = clients;
    await queue(clients.slice(0, 1), () => ask(SERIES, 400_000_000));
    postgres.resume();
    await eventually(() => running('generate_series'));
    assert.match((await first!.untilEnd()).findLast(({ type }) => type === 'E')?.fields?.M ?? '', /query timeout/);
    clients[1]!.send(ask(SERIES, 7));
    assert.deepEqual(await answers(clients.slice(1, 2)), ['7']);
  });

  it('nobody waits for a slow head where there are other connections', async () => {
    const clients = await start(6, 'default_pool_size = 8');
    await queue(clients.slice(0, 1), () => ask(SERIES, 100_000_000));
    for (const [i, client] of clients.slice(1).entries()) client.send(ask(SERIES, i));
    postgres.resume();
    assert.deepEqual(await answers(clients.slice(1)), numbers(0, 5));
    await running('generate_series');
    await clients[0]!.cancel();
    assert.deepEqual(await answers(clients.slice(0, 1)), ['57014']);
  });

  it('a client that does not read a large answer keeps nobody waiting, and gets all of it', async () => {
    const clients = await start(6, 'default_pool_size = 4');
    const [slow, ...others] = clients;
    slow!.socket.pause();
    slow!.send(ask(REPEAT, 6_000_000));
    for (let round = 0; round < 20; round++) {
      for (const [i, client] of others.entries()) client.send(ask(SERIES, i));
      assert.deepEqual(await answers(others), numbers(0, 5));
    }
    slow!.socket.resume();
    assert.equal((await answers([slow!]))[0]!.length, 6_000_000);
    for (const [i, client] of clients.entries()) client.send(ask(SERIES, i));
    assert.deepEqual(await answers(clients), numbers(0, 6));
  });

  it('a connection that is cut in the middle of a large answer ends that client only', async () => {
    const clients = await start(6, 'default_pool_size = 2');
    const [slow, ...others] = clients;
    // Something of the answer has reached it, and it reads no more.
    const begun = once(slow!.socket, 'data').then(() => slow!.socket.pause());
    await queue(clients, (i) => (i === 0 ? ask(REPEAT, 60_000_000) : ask(SERIES, i)));
    postgres.resume();
    assert.deepEqual(await answers(others), numbers(1, 6));
    await begun;
    wire.cutAll();
    slow!.socket.resume();
    await slow!.untilEnd();
    for (const [i, client] of others.entries()) client.send(ask(SERIES, i));
    assert.deepEqual(await answers(others), numbers(0, 5));
  });

  it('statement_timeout holds for who has set it', async () => {
    const [other] = await start(1, 'default_pool_size = 2');
    const client = await connect({ statement_timeout: '30ms' });
    for (let i = 0; i < 10; i++) {
      client.send(ask(SERIES, 5));
      await client.until('Z');
    }
    client.send(ask(SERIES, 50_000_000));
    other!.send(ask(SERIES, 200_000));
    assert.deepEqual(await answers([client, other!]), ['57014', '200000']);
  });

  it('a failing value does not make everyone forget what is known', async () => {
    const [client] = await start(1);
    for (let i = 0; i < 5; i++) {
      client!.send(Buffer.concat([parse(SERIES), bind({ values: ['x'] }), execute(), sync()]));
      assert.equal(errorOf(await client!.until('Z')), '22P02');
      const before = await count('shared');
      client!.send(ask(SERIES, 5));
      assert.equal(resultOf(await client!.until('Z')), '5');
      assert.equal((await count('shared')) - before, 1);
    }
  });

  it('PAUSE lets those finish that are in it, and RESUME goes on', async () => {
    const clients = await start(6);
    await queue(clients, (i) => ask(SERIES, i));
    const paused = admin.query('pause');
    postgres.resume();
    assert.deepEqual(await answers(clients), numbers(0, 6));
    await paused;
    for (const [i, client] of clients.entries()) client.send(ask(SERIES, i));
    await admin.query('resume');
    assert.deepEqual(await answers(clients), numbers(0, 6));
  });

  it('a table that a view takes the place of while queries are on their way leaves nothing in the session', async () => {
    await start(1, 'default_pool_size = 4');
    const [owner, reader] = [await connect(), await connect()];
    await owner.query('create table seen (id int); insert into seen values (1)');
    await owner.query(
      "create function mark() returns int language plpgsql as $$ begin perform set_config('my.mark', 'set', false); return 1; end $$",
    );
    await eventually(async () => {
      const before = await count('shared');
      for (let i = 0; i < 5; i++) await reader.query('select id from seen');
      assert.equal((await count('shared')) - before, 5);
    });
    const before = await count('shared');
    await owner.query('begin; lock table seen');
    // It waits for the lock, and finds a view when it gets it.
    reader.send(frames.query('select id from seen'));
    await eventually(async () => assert.equal(await count('shared'), before + 1));
    await owner.query('drop table seen; create view seen as select mark() as id; commit');
    assert.equal(resultOf(await reader.until('Z')), '1');
    const others = await Promise.all(Array.from({ length: 4 }, () => connect()));
    for (const other of others) {
      await other.query('begin');
      assert.deepEqual(rows(await other.query("select coalesce(current_setting('my.mark', true), '')")), [['']]);
    }
  });
});
