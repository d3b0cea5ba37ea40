/** Prepared statements of many clients over few server connections: everyone sees his own, under his own names, wherever they run. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const { bind, describe: describeFrame, execute, parse, sync } = frames;
const types = (answer: readonly RawFrame[]): string => answer.map(({ type }) => type).join('');

describe('prepared statements', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  afterEach(() => shardyard?.stop());

  async function start(settings: string): Promise<void> {
    shardyard = await startInFront(postgres, settings);
  }
  const pidOf = async (client: RawClient) => rows(await client.query('select pg_backend_pid()'))[0]?.[0];

  it('are there on each server that the client comes to', async () => {
    await start('default_pool_size = 2');
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select $1::text, pg_backend_pid()', 'who'), sync());
    const seen = new Set<string | null | undefined>();
    for (let i = 0; i < 8; i++) {
      // b holds one server or the other, so that a must take the other one.
      const answer = await say(a, bind({ statement: 'who', values: [`v${i}`] }), execute(), sync());
      assert.equal(types(answer), '2DCZ');
      assert.equal(rows(answer)[0]?.[0], `v${i}`);
      seen.add(rows(answer)[0]?.[1]);
      await b.query(i % 2 === 0 ? 'begin' : 'commit');
    }
    assert.equal(seen.size, 2);
    const console = await connect({ database: 'pgbouncer' });
    const totals = rows(await console.query('show stats_totals')).find(([name]) => name === 'postgres');
    // client_parse_count, server_parse_count, bind_count
    assert.deepEqual(totals?.slice(9, 12), ['1', '2', '8']);
  });

  it('with literals that a parameter gives their meaning belong to those who read them alike', async () => {
    await start('default_pool_size = 1');
    const text = "select extract(epoch from '2020-01-01 00:00'::timestamptz)::int, '1/2/2020'::date - '2020-01-01'::date";
    const expected = { UTC: ['1577836800', '1'], Tokyo: ['1577804400', '31'] };
    const clients = {
      UTC: await connect({ parameters: { TimeZone: 'UTC' } }),
      Tokyo: await connect({ parameters: { TimeZone: 'Asia/Tokyo', DateStyle: 'ISO, DMY' } }),
    };
    for (const name of ['named', '']) {
      for (const who of ['UTC', 'Tokyo'] as const) await say(clients[who], parse(text, name), sync());
      for (const who of ['UTC', 'Tokyo', 'UTC', 'Tokyo'] as const) {
        const answer = await say(clients[who], ...(name === '' ? [parse(text)] : []), bind({ statement: name }), execute(), sync());
        assert.deepEqual(rows(answer), [expected[who]], `${name} ${who}`);
      }
    }
  });

  it('of the same name and another text do not meet, those of the same text are prepared once', async () => {
    await start('default_pool_size = 2');
    const clients = await Promise.all(Array.from({ length: 30 }, () => connect()));
    await Promise.all(
      clients.map(async (client, i) => {
        await say(client, parse(`select $1::int + ${i % 3}`, 's'), sync());
        for (let n = 0; n < 20; n++) {
          const answer = await say(client, bind({ statement: 's', values: [String(n)] }), execute(), sync());
          assert.equal(rows(answer)[0]?.[0], String(n + (i % 3)));
        }
      }),
    );
    const client = clients[0] as RawClient;
    const listed = rows(
      await client.query(
        "select count(*), count(distinct statement) from pg_prepared_statements where statement like 'select $1::int + %'",
      ),
    );
    assert.equal(listed[0]?.[0], listed[0]?.[1]);
  });

  for (const limit of [1, 2, 3]) {
    it(`work with max_prepared_statements = ${limit}, which no server exceeds`, async () => {
      await start(`default_pool_size = 2\nmax_prepared_statements = ${limit}`);
      const clients = await Promise.all(Array.from({ length: 6 }, () => connect()));
      await Promise.all(
        clients.map(async (client, c) => {
          for (let s = 0; s < 5; s++) await say(client, parse(`select ${s}, $1::int`, `s${s}`), sync());
          for (let n = 0; n < 25; n++) {
            const [x, y] = [(n + c) % 5, (n * 3 + c) % 5];
            const answer = await say(
              client,
              bind({ statement: `s${x}`, values: ['1'] }),
              execute(),
              bind({ statement: `s${y}`, values: ['2'] }),
              execute(),
              describeFrame('S', `s${x}`),
              sync(),
            );
            assert.equal(types(answer), '2DC2DCtTZ');
            assert.deepEqual(rows(answer), [
              [String(x), '1'],
              [String(y), '2'],
            ]);
          }
        }),
      );
      const held = await Promise.all(
        clients.slice(0, 2).map(async (client) => {
          await client.query('begin');
          const [count] = rows(await client.query("select count(*) from pg_prepared_statements where name <> ''"));
          return Number(count?.[0]);
        }),
      );
      assert.ok(
        held.every((count) => count <= limit),
        `${held}`,
      );
    });
  }

  it('of a client that is gone are nobody else’s', async () => {
    await start('default_pool_size = 1');
    const a = await connect();
    await say(a, parse('select 1', 'mine'), sync());
    await a.close();
    const b = await connect();
    assert.deepEqual(errorOf(await say(b, bind({ statement: 'mine' }), execute(), sync()))?.C, '26000');
    assert.equal(types(await say(b, parse('select 2', 'mine'), bind({ statement: 'mine' }), execute(), sync())), '12DCZ');
    assert.deepEqual(errorOf(await say(b, bind({ statement: '' }), execute(), sync()))?.C, '26000');
  });

  it('the unnamed one stays with its client while others use the same server', async () => {
    await start('default_pool_size = 1');
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select 10 + $1::int'), sync());
    await say(b, parse('select 20 + $1::int'), sync());
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(rows(await say(a, bind({ values: ['1'] }), execute(), sync())), [['11']]);
      assert.deepEqual(rows(await say(b, bind({ values: ['1'] }), execute(), sync())), [['21']]);
    }
    await b.query('select 1');
    assert.deepEqual(rows(await say(a, bind({ values: ['2'] }), execute(), sync())), [['12']]);
    assert.equal(errorOf(await say(b, bind({ values: ['1'] }), execute(), sync()))?.C, '26000');
  });

  it('declared types make another statement of the same text', async () => {
    await start('default_pool_size = 1');
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select $1', 't', [23]), sync());
    await say(b, parse('select $1', 't', [25]), sync());
    assert.deepEqual((await say(a, describeFrame('S', 't'), sync()))[0]?.oids, [23]);
    assert.deepEqual((await say(b, describeFrame('S', 't'), sync()))[0]?.oids, [25]);
  });

  it('DISCARD ALL and DEALLOCATE ALL of one client leave the others theirs', async () => {
    await start('default_pool_size = 1');
    const [a, b] = [await connect(), await connect()];
    for (const client of [a, b]) await say(client, parse('select 5', 'five'), parse('select 6', 'six'), sync());
    await a.query('deallocate all');
    assert.deepEqual(rows(await say(b, bind({ statement: 'five' }), execute(), sync())), [['5']]);
    await a.query('discard all');
    assert.deepEqual(rows(await say(b, bind({ statement: 'six' }), execute(), sync())), [['6']]);
    assert.equal(errorOf(await say(a, bind({ statement: 'six' }), sync()))?.C, '26000');
    await say(a, parse('deallocate all'), bind(), execute(), sync());
    assert.deepEqual(rows(await say(b, bind({ statement: 'six' }), execute(), bind({ statement: 'five' }), execute(), sync())), [
      ['6'],
      ['5'],
    ]);
  });

  it('a server that dies takes none of them away', async () => {
    await start('default_pool_size = 1');
    const a = await connect();
    await say(a, parse('select 5', 'five'), bind({ statement: 'five' }), execute(), sync());
    const pid = await pidOf(a);
    await query(postgres, `select pg_terminate_backend(${pid})`);
    await eventually(async () => assert.deepEqual(await query(postgres, `select 1 from pg_stat_activity where pid = ${pid}`), []));
    await shardyard.waitForLog(/terminating connection|server conn crashed/);
    assert.deepEqual(rows(await say(a, bind({ statement: 'five' }), execute(), sync())), [['5']]);
  });

  it('are refused as Postgres refuses them: 42P05 and 26000', async () => {
    await start('default_pool_size = 1');
    const a = await connect();
    const refused = errorOf(await say(a, parse('select 1', 'x'), parse('select 1', 'x'), sync()));
    assert.deepEqual([refused?.S, refused?.C, refused?.M], ['ERROR', '42P05', 'prepared statement "x" already exists']);
    const unknown = errorOf(await say(a, bind({ statement: 'ä"y' }), sync()));
    assert.deepEqual([unknown?.S, unknown?.C, unknown?.M], ['ERROR', '26000', 'prepared statement "ä"y" does not exist']);
  });
});
