/** Nothing that a driver says on its own pins a session, and the answers are Postgres's. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import postgresJs from 'postgres';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawTarget } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { DRIVERS, type Step } from './driver-statements.ts';
import { eventually } from './eventually.ts';
import { answersOf, type Script, type Side, sameAnswers } from './side-by-side.ts';

const { bind, describe: describeFrame, execute, parse, sync } = frames;

async function take(side: Side, step: Step): Promise<void> {
  if (typeof step === 'string') {
    await side.query(step);
    return;
  }
  const { sql, values, name = '' } = step;
  const run = [bind({ statement: name, values }), describeFrame('P'), execute(), sync()];
  side.send(parse(sql, name), ...run);
  await side.until('Z');
  if (name === '') return;
  side.send(...run);
  await side.until('Z');
}

const play =
  (steps: readonly Step[]): Script =>
  async (side) => {
    for (const step of steps) await take(side, step);
  };

describe("drivers' own statements", () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(
      postgres,
      `create table t (id int primary key, s text); insert into t values (1, 'a'); create type mood as enum ('happy', 'sad')`,
    );
    shardyard = await startInFront(postgres, 'default_pool_size = 2', { metrics: true });
    // Until the catalog has been read nobody knows what is behind the name of a table.
    await eventually(() => pinsNothing(() => answersOf(shardyard, (side) => side.query('COPY t TO STDOUT'))));
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  const page = async (): Promise<string> => (await fetch(`http://127.0.0.1:${shardyard.metricsPort}/metrics`)).text();
  /** Reasons with the number of pins so far. */
  const pins = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      [...(await page()).matchAll(/^shardyard_pins_total\{reason="(\w+)"\} (\d+)/gm)].map(([, reason, count]) => [reason, count]),
    );
  const pinsNothing = async (run: () => Promise<unknown>): Promise<void> => {
    const earlier = await pins();
    await run();
    assert.deepEqual(await pins(), earlier);
  };
  const targets = (): readonly [RawTarget, RawTarget] => [postgres, shardyard];

  for (const { driver, parameters, steps } of DRIVERS) {
    it(`${driver}: no pins, the same answers`, async () => {
      await pinsNothing(() => sameAnswers(...targets(), play(steps), parameters === undefined ? {} : { parameters }));
    });
  }

  it('all of them at once over two server connections', async () => {
    await pinsNothing(() =>
      Promise.all(DRIVERS.map(({ parameters = {}, steps }) => sameAnswers(...targets(), play(steps), { parameters }))),
    );
  });

  /** Before the catalog had been read. */
  let pinnedAtFirst = 0;
  before(async () => {
    pinnedAtFirst = (await heldSeconds()).pin ?? 0;
  });
  /** Seconds for which clients held server connections, by what for. */
  const heldSeconds = async (): Promise<Readonly<Record<string, number>>> =>
    Object.fromEntries(
      [...(await page()).matchAll(/^shardyard_held_seconds_total\{database="postgres",for="(\w+)"\} (\S+)/gm)].map(([, what, seconds]) => [
        what,
        Number(seconds),
      ]),
    );

  it('pins take no part of the time for which server connections are held', async (t) => {
    const earlier = await heldSeconds();
    await pinsNothing(async () => {
      for (let round = 0; round < 3; round++)
        await Promise.all(DRIVERS.map(({ parameters = {}, steps }) => answersOf(shardyard, play(steps), { parameters })));
      // What drivers say takes too little time to be seen ten times a second: a transaction that rests must be.
      await answersOf(shardyard, async (side) => {
        await side.query('begin');
        await eventually(async () => assert.ok((await heldSeconds()).transaction! > (earlier.transaction ?? 0)));
      });
    });
    const held = await heldSeconds();
    const all = Object.values(held).reduce((sum, seconds) => sum + seconds, 0);
    const told = Object.entries(held).map(([what, seconds]) => `${seconds.toFixed(2)} s by ${what}`);
    t.diagnostic(`server connections were held for ${all.toFixed(2)} s: ${told.join(', ')}; pins: ${JSON.stringify(await pins())}`);
    assert.ok(all > 0);
    assert.equal(held.pin, pinnedAtFirst);
  });

  it("Django's cursor outside of a transaction pins until it is closed", async () => {
    const name = '"_django_curs_139725243718528_sync_1"';
    const pinnedNow = async (): Promise<number> =>
      [...(await page()).matchAll(/^shardyard_pinned_sessions\{reason="hold"\} (\d+)/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      );
    const cursor: Script = async (side) => {
      await side.query(`DECLARE ${name} NO SCROLL CURSOR WITH HOLD FOR select * from generate_series(1, 30)`);
      await side.query(`FETCH FORWARD 5 FROM ${name}`);
      if (side.client.socket.remotePort === shardyard.port) await eventually(async () => assert.ok((await heldSeconds()).pin! > 0));
      await side.query(`CLOSE ${name}`);
      await eventually(async () => assert.equal(await pinnedNow(), 0));
      await side.query('select 1');
    };
    const earlier = await pins();
    await sameAnswers(...targets(), cursor);
    assert.equal(Number((await pins()).hold ?? 0), Number(earlier.hold ?? 0) + 1);
  });

  it('pg itself, with its pool and its timeouts', async () => {
    await pinsNothing(async () => {
      const settings = { statement_timeout: 5000, lock_timeout: 3000, idle_in_transaction_session_timeout: 60_000, application_name: 'x' };
      const pool = new pg.Pool({ connectionString: shardyard.url('postgres'), max: 4, ...settings });
      const use = async (i: number): Promise<void> => {
        const client = await pool.connect();
        await client.query('begin');
        assert.deepEqual((await client.query({ name: 'n', text: 'select $1::int as n', values: [i] })).rows, [{ n: i }]);
        await client.query('commit');
        await client.query('RESET ALL');
        client.release();
      };
      await Promise.all(Array.from({ length: 12 }, (_, i) => use(i)));
      await pool.end();
    });
  });

  it('postgres.js itself, with arrays, transactions, cursors and reserved connections', async () => {
    await pinsNothing(async () => {
      for (const prepare of [true, false]) {
        const sql = postgresJs(shardyard.url('postgres'), { max: 3, prepare, onnotice: () => {}, connection: { statement_timeout: 5000 } });
        const [row] = await sql`select ${[1, 2]}::int[] as a, array['a'] as b`;
        assert.deepEqual({ ...row }, { a: [1, 2], b: ['a'] });
        await sql.begin('isolation level serializable read only', async (tx) => void (await tx.savepoint((deep) => deep`select 1`)));
        await sql`select * from generate_series(1, 50)`.cursor(20, () => {});
        const reserved = await sql.reserve();
        await reserved`select 1`;
        reserved.release();
        await sql.end();
      }
    });
  });
});
