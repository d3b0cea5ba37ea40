/** A CancelRequest stops the query of the client whose key it carries, and nobody else's, wherever that query is. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, rawConnect, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

describe('CancelRequest', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    shardyard = await startShardyard(
      `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\none = host=127.0.0.1 port=${postgres.port} dbname=postgres pool_size=1\n[shardyard]\npool_mode = transaction\ndefault_pool_size = 4\n`,
    );
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  const connect = (database = 'postgres', protocol?: number): Promise<RawClient> =>
    rawLogIn(shardyard, { user: 'postgres', database, ...(protocol === undefined ? {} : { protocol }) });
  const running = (text: string) =>
    eventually(async () => {
      const found = await query(
        postgres,
        `select 1 from pg_stat_activity where state = 'active' and query like '%${text}%' and pid <> pg_backend_pid()`,
      );
      assert.equal(found.length, 1);
    });

  it('stops a running query, and the session goes on', async () => {
    const client = await connect();
    client.send(frames.query('select pg_sleep(60) /* one */'));
    await running('/* one */');
    await client.cancel();
    const error = errorOf(await client.until('Z'));
    assert.deepEqual([error?.C, error?.M], ['57014', 'canceling statement due to user request']);
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    await client.close();
  });

  it('works with the long keys of protocol 3.2, and over the Unix socket', async () => {
    const overUnix = await rawLogIn(
      { port: shardyard.port, socketDir: shardyard.socketDir },
      { user: 'postgres', database: 'postgres', protocol: frames.PROTOCOL_3_2 },
    );
    assert.ok(overUnix.key.length > 4 && overUnix.key.length <= 256);
    overUnix.send(frames.query('select pg_sleep(60) /* long key */'));
    await running('/* long key */');
    await overUnix.cancel();
    assert.equal(errorOf(await overUnix.until('Z'))?.C, '57014');
    await overUnix.close();
  });

  it('stops a query in a transaction, an extended one, and a COPY', async () => {
    const client = await connect();
    await client.query('begin');
    client.send(frames.parse('select pg_sleep(60) /* two */'), frames.bind(), frames.execute(), frames.sync());
    await running('/* two */');
    await client.cancel();
    const answer = await client.until('Z');
    assert.equal(errorOf(answer)?.C, '57014');
    assert.equal(answer.at(-1)?.status, 'E');
    await client.query('rollback');
    await client.query('create temp table t (a int)');
    client.send(frames.query('copy t from stdin'));
    await client.until('G');
    await client.cancel();
    client.send(frames.copyDone());
    await client.until('Z');
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    await client.close();
  });

  it('takes who waits out of the line: his query never runs', async () => {
    const [holder, waiter] = [await connect('one'), await connect('one')];
    await holder.query('begin');
    await query(postgres, 'create table if not exists ran (a int)');
    waiter.send(frames.query('insert into ran values (1)'));
    await eventually(async () => {
      const admin = await connect('pgbouncer');
      const pools = await admin.query('show pools');
      await admin.close();
      assert.ok(rows(pools).some((row) => row[0] === 'one' && row[3] === '1'));
    });
    await waiter.cancel();
    const error = errorOf(await waiter.until('Z'));
    assert.deepEqual([error?.S, error?.C, error?.M], ['ERROR', '57014', 'canceling statement due to user request']);
    await holder.query('commit');
    assert.deepEqual(rows(await waiter.query('select count(*) from ran')), [['0']]);
    await holder.close();
    await waiter.close();
  });

  it('does nothing with a wrong key, for an idle client, or for one that is gone', async () => {
    const client = await connect();
    await client.cancel();
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    client.send(frames.query('select pg_sleep(0.5) /* three */'));
    await running('/* three */');
    for (const [pid, key] of [
      [client.pid, randomBytes(4)],
      [client.pid, Buffer.alloc(0)],
      [client.pid, Buffer.concat([client.key, Buffer.from([0])])],
      [client.pid, client.key.subarray(0, 3)],
      [client.pid + 1, client.key],
      [0, Buffer.alloc(4)],
    ] as const) {
      const other = await rawConnect(shardyard);
      other.send(frames.cancelRequest(pid, key));
      assert.deepEqual(await other.untilEnd(), []);
    }
    assert.equal(errorOf(await client.until('Z')), undefined);
    const { pid, key } = client;
    await client.close();
    const other = await rawConnect(shardyard);
    other.send(frames.cancelRequest(pid, key));
    assert.deepEqual(await other.untilEnd(), []);
  });

  it('process ids and keys are different for everyone', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect()));
    assert.equal(new Set(clients.map(({ pid }) => pid)).size, 20);
    assert.equal(new Set(clients.map(({ key }) => key.toString('hex'))).size, 20);
    assert.ok(clients.every(({ pid }) => pid > 0));
    for (const client of clients) await client.close();
  });

  it('50 cancels at random moments hit nobody but the one who asked', async () => {
    const victims = await Promise.all(Array.from({ length: 6 }, () => connect()));
    const target = await connect();
    let over = false;
    let random = 4711;
    const next = (below: number): number => {
      random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
      return random % below;
    };
    const others = victims.map(async (client, at) => {
      for (let i = 0; !over; i++) {
        const answer = await client.query(`select ${at * 1_000_000 + i}, pg_sleep(0.00${next(9)})`);
        assert.deepEqual(errorOf(answer), undefined);
        assert.equal(rows(answer)[0]?.[0], String(at * 1_000_000 + i));
      }
    });
    let canceled = 0;
    for (let i = 0; i < 50; i++) {
      target.send(frames.query(`select ${i}, pg_sleep(0.00${next(9)})`));
      for (let turns = next(12); turns > 0; turns--) await new Promise((resolve) => setTimeout(resolve, 1));
      const asked = target.cancel();
      const answer = await target.until('Z');
      if (errorOf(answer) === undefined) assert.equal(rows(answer)[0]?.[0], String(i));
      else canceled += Number(errorOf(answer)?.C === '57014');
      // The next query may only come when this cancel is over, or it would be the one it hits: as with Postgres itself.
      await asked;
    }
    over = true;
    await Promise.all(others);
    assert.ok(canceled > 0 && canceled < 50, `some hit, some came too late (${canceled})`);
    for (const client of [...victims, target]) await client.close();
  });
});
