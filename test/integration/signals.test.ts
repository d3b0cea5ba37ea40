/** pg_terminate_backend() and pg_cancel_backend() of the process id that a client was told: drivers' own tests, and people, end sessions so. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, rawLogIn, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const { bind, describe: describeFrame, execute, parse, sync } = frames;
const pidOf = (client: RawClient): number => client.greeting.find(({ type }) => type === 'K')!.pid!;
const types = (answer: Awaited<ReturnType<typeof say>>): string => answer.map(({ type }) => type).join('');

describe('signals to sessions', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create role ann login; create role bob login');
    shardyard = await startShardyard(
      `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\nlisten_addr = 127.0.0.1\npool_mode = transaction\nauth_type = trust\n`,
      { users: { postgres: 'postgres', ann: '', bob: '' } },
    );
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });
  const connect = (user = 'postgres'): Promise<RawClient> => rawLogIn(shardyard, { user, database: 'postgres' });
  const isTerminated = async (client: RawClient): Promise<void> => {
    const { S, C, M } = errorOf(await client.untilEnd()) ?? {};
    assert.deepEqual([S, C, M], ['FATAL', '57P01', 'terminating connection due to administrator command']);
  };

  it('a session that does nothing, or waits in a transaction, is ended', async () => {
    const admin = await connect();
    for (const sql of ['select 1', 'begin; select 1']) {
      const client = await connect();
      await client.query(sql);
      const answer = await admin.query(`select pg_terminate_backend(${pidOf(client)})`);
      assert.equal(types(answer), 'TDCZ');
      assert.deepEqual(rows(answer), [['t']]);
      await isTerminated(client);
    }
    await admin.close();
  });

  it('one that runs a statement is ended with it, and the statement, too', async () => {
    const [admin, client] = [await connect(), await connect()];
    client.send(frames.query('select pg_sleep(60) as signalled'));
    const running = "select 1 from pg_stat_activity where query like 'select pg_sleep(60) as signalled%' and state = 'active'";
    await eventually(async () => assert.equal((await query(postgres, running)).length, 1));
    assert.deepEqual(rows(await admin.query(`SELECT pg_catalog.pg_terminate_backend('${pidOf(client)}'::int4);`)), [['t']]);
    await isTerminated(client);
    await eventually(async () => assert.equal((await query(postgres, running)).length, 0));
    await admin.close();
  });

  it('the process id may be a parameter, in text or binary', async () => {
    const admin = await connect();
    await say(admin, parse('select pg_terminate_backend($1)', 's'), describeFrame('S', 's'), sync());
    for (const format of [0, 1]) {
      const client = await connect();
      const binary = Buffer.alloc(4);
      binary.writeInt32BE(pidOf(client));
      const value = format === 0 ? String(pidOf(client)) : binary;
      const answer = await say(
        admin,
        bind({ statement: 's', values: [value], formats: [format], resultFormats: [format] }),
        execute(),
        sync(),
      );
      assert.equal(types(answer), '2DCZ');
      assert.deepEqual(rows(answer), [[format === 0 ? 't' : '\x01']]);
      await isTerminated(client);
    }
    await admin.close();
  });

  it('a session can end itself', async () => {
    const client = await connect();
    client.send(frames.query(`select pg_terminate_backend(${pidOf(client)})`));
    await isTerminated(client);
  });

  it('pg_cancel_backend cancels the statement', async () => {
    const [admin, client] = [await connect(), await connect()];
    client.send(frames.query('select pg_sleep(60) as canceled'));
    const running = "select 1 from pg_stat_activity where query like 'select pg_sleep(60) as canceled%' and state = 'active'";
    await eventually(async () => assert.equal((await query(postgres, running)).length, 1));
    assert.deepEqual(rows(await admin.query(`select pg_cancel_backend(${pidOf(client)})`)), [['t']]);
    assert.equal(errorOf(await client.until('Z'))?.C, '57014');
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    // One that does nothing has nothing to cancel.
    assert.deepEqual(rows(await admin.query(`select pg_cancel_backend(${pidOf(client)})`)), [['t']]);
    assert.deepEqual(rows(await client.query('select 2')), [['2']]);
    await client.close();
    await admin.close();
  });

  it('pg_isolation_test_session_is_blocked() takes the process ids that clients were told', async () => {
    const [admin, holder, waiter] = [await connect(), await connect(), await connect()];
    await query(postgres, 'create table contended (a int)');
    await holder.query('begin; lock table contended');
    const [blocked, by] = [pidOf(waiter), pidOf(holder)];
    const call = (pid: number | string, others: string): string =>
      `SELECT pg_catalog.pg_isolation_test_session_is_blocked(${pid}, '{${others}}')`;
    const ask = async (sql: string): Promise<unknown> => {
      const answer = await admin.query(sql);
      assert.equal(types(answer), 'TDCZ');
      return rows(answer)[0]?.[0];
    };
    assert.equal(await ask(call(blocked, `${by}`)), 'f', 'a session without a server');
    waiter.send(frames.query('begin; insert into contended values (1)'));
    await eventually(async () => assert.equal(await ask(call(blocked, `1,${by},${pidOf(admin)}`)), 't'));
    assert.equal(await ask(call(by, `${blocked}`)), 'f', 'who waits for nobody');
    assert.equal(await ask(call(blocked, `${pidOf(admin)},2147483647`)), 'f', 'those who are not waited for');

    // As Postgres's isolation tester asks.
    await say(admin, parse(call('$1', `${by}`), 's'), sync());
    for (const format of [0, 1]) {
      const binary = Buffer.alloc(4);
      binary.writeInt32BE(blocked);
      const value = format === 0 ? String(blocked) : binary;
      const answer = await say(
        admin,
        bind({ statement: 's', values: [value], formats: [format], resultFormats: [format] }),
        describeFrame('P', ''),
        execute(),
        sync(),
      );
      assert.equal(types(answer), '2TDCZ');
      assert.deepEqual(rows(answer), [[format === 0 ? 't' : '\x01']]);
    }
    await holder.query('rollback');
    await waiter.until('Z');
    assert.equal(await ask(call(blocked, `${by}`)), 'f');
    for (const client of [admin, holder, waiter]) await client.close();
  });

  it('is for those of the same role, and for superusers', async () => {
    const [admin, ann, other, bob] = [await connect(), await connect('ann'), await connect('ann'), await connect('bob')];
    const told = await bob.query(`select pg_terminate_backend(${pidOf(ann)})`);
    assert.equal(types(told), 'TNDCZ');
    assert.deepEqual(rows(told), [['f']]);
    await admin.query('set role bob');
    assert.deepEqual(rows(await admin.query(`select pg_terminate_backend(${pidOf(ann)})`)), [['f']]);
    await admin.query('reset role');
    assert.deepEqual(rows(await ann.query('select 1')), [['1']]);
    assert.deepEqual(rows(await other.query(`select pg_terminate_backend(${pidOf(ann)})`)), [['t']]);
    await isTerminated(ann);
    assert.deepEqual(rows(await admin.query(`select pg_terminate_backend(${pidOf(other)})`)), [['t']]);
    await isTerminated(other);
    for (const client of [admin, bob]) await client.close();
  });

  it('process ids of servers mean servers, and those of nobody nobody', async () => {
    const admin = await connect();
    const nobody = await admin.query('select pg_terminate_backend(2147483647)');
    assert.equal(types(nobody), 'TNDCZ');
    assert.deepEqual(rows(nobody), [['f']]);
    admin.send(frames.query('select pg_terminate_backend(pg_backend_pid())'));
    await isTerminated(admin);
  });
});
