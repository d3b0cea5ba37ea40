import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import pg from 'pg';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

let postgres: Postgres;
let shardyard: Shardyard;

before(async () => {
  postgres = await startPostgres();
  const target = `postgres = host=127.0.0.1 port=${postgres.port}`;
  shardyard = await startShardyard(`[databases]\n${target}\n[shardyard]\npool_mode = transaction\ndefault_pool_size = 2\n`);
});
after(async () => {
  await shardyard?.stop();
  await postgres?.stop();
});

async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(shardyard.url('postgres', 'postgres'));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const workMem = async (client: pg.Client): Promise<unknown> => (await client.query('show work_mem')).rows[0].work_mem;

it('a new session finds the defaults that ALTER ROLE and ALTER DATABASE have set, on whichever connection', async () => {
  await connected(async (client) => {
    assert.notEqual(await workMem(client), '77MB');
    await client.query("alter role postgres set work_mem = '77MB'");
  });
  for (let i = 0; i < 4; i++) assert.equal(await connected(workMem), '77MB');
  await connected((client) => client.query('alter role postgres reset work_mem'));
  await connected((client) => client.query("alter database postgres set work_mem = '78MB'"));
  for (let i = 0; i < 4; i++) assert.equal(await connected(workMem), '78MB');
});

it('a setting follows its session over a pool of two, and reaches no other', async () => {
  const clients = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      const client = new pg.Client(shardyard.url('postgres', 'postgres'));
      await client.connect();
      await client.query(`set app.tenant = 'tenant ${i}'; set search_path = 's${i}'`);
      return client;
    }),
  );
  const seen = await Promise.all(
    clients.flatMap((client, i) =>
      Array.from({ length: 20 }, async () => {
        const { rows } = await client.query("select current_setting('app.tenant') as tenant, current_setting('search_path') as path");
        return rows[0].tenant === `tenant ${i}` && rows[0].path === `s${i}`;
      }),
    ),
  );
  assert.ok(seen.every((right) => right));
  await Promise.all(clients.map((client) => client.end()));
  const left = await connected(
    async (client) => (await client.query("select current_setting('app.tenant', true) as tenant")).rows[0].tenant,
  );
  assert.ok(left === null || left === '');
});

it('a pin ends with the state that caused it', async () => {
  const admin = new pg.Client(shardyard.url('pgbouncer', 'postgres'));
  await admin.connect();
  const pins = async (): Promise<string[]> => (await admin.query('show pins')).rows.map((row) => row.reason);
  await connected(async (client) => {
    await client.query('select pg_advisory_lock(7)');
    assert.deepEqual(await pins(), ['advisory']);
    await client.query('select pg_advisory_unlock(7)');
    assert.deepEqual(await pins(), []);
    await client.query('create temp table basket (i int)');
    assert.deepEqual(await pins(), ['temp']);
    await client.query('drop table basket');
    assert.deepEqual(await pins(), []);
    await client.query('listen news');
    assert.deepEqual(await pins(), ['listen']);
    await client.query('unlisten news');
    assert.deepEqual(await pins(), []);
    await client.query('select pg_try_advisory_xact_lock(8)');
    await client.query("set time zone 'Asia/Tokyo'");
    assert.deepEqual(await pins(), []);
  });
  await admin.end();
});
