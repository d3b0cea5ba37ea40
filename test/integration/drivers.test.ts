/** Real drivers in their usual ways: pg, postgres.js with its pipelines, and psql where there is one. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import postgresJs from 'postgres';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const psqlIsThere = spawnSync('psql', ['--version']).status === 0;

describe('drivers', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(
      postgres,
      'create table accounts (id int primary key, balance int); insert into accounts select i, 100 from generate_series(1, 50) i',
    );
    shardyard = await startInFront(postgres, 'default_pool_size = 5\nmax_client_conn = 500');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  const total = async (): Promise<number> => Number((await query<{ n: string }>(postgres, 'select sum(balance) as n from accounts'))[0]?.n);

  it('pg: a pool of 60 over 5 servers, transfers in transactions', async () => {
    const pool = new pg.Pool({ connectionString: shardyard.url('postgres'), max: 60 });
    const transfer = async (i: number): Promise<void> => {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const [from, to] = [(i % 50) + 1, ((i * 7) % 50) + 1].sort((a, b) => a - b);
        await client.query('select 1 from accounts where id in ($1, $2) order by id for update', [from, to]);
        await client.query({ name: 'move', text: 'update accounts set balance = balance + $2 where id = $1', values: [from, -1] });
        await client.query({ name: 'move', text: 'update accounts set balance = balance + $2 where id = $1', values: [to, 1] });
        await client.query(i % 10 === 0 ? 'rollback' : 'commit');
      } finally {
        client.release();
      }
    };
    await Promise.all(Array.from({ length: 400 }, (_, i) => transfer(i)));
    assert.equal(await total(), 5000);
    const { rows } = await pool.query('select count(*)::int as n from pg_stat_activity where client_addr is not null');
    assert.ok(rows[0].n <= 5);
    await pool.end();
  });

  it('pg: types, errors, notices, COPY-free streams, and cancel', async () => {
    const client = new pg.Client(shardyard.url('postgres'));
    await client.connect();
    const notices: string[] = [];
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    await client.query("do $$ begin raise notice 'hello'; end $$");
    assert.deepEqual(notices, ['hello']);
    const { rows } = await client.query('select $1::int[] as a, $2::jsonb as j, $3::timestamptz as t, $4::bytea as b', [
      [1, 2],
      { x: 'ä' },
      new Date(0),
      Buffer.from([0, 255]),
    ]);
    assert.deepEqual(rows[0], { a: [1, 2], j: { x: 'ä' }, t: new Date(0), b: Buffer.from([0, 255]) });
    await assert.rejects(client.query('select 1/0'), { code: '22012' });
    await assert.rejects(client.query({ name: 'bad', text: 'select nothing' }), { code: '42703' });
    await client.query("set application_name to 'mine'; listen x");
    const heard = once(client, 'notification');
    await client.query("select pg_notify('x', 'payload')");
    assert.equal((await heard)[0].payload, 'payload');
    await client.end();
  });

  it('postgres.js: 100 concurrent queries in pipelines, prepared and not', async () => {
    for (const prepare of [true, false]) {
      const sql = postgresJs(shardyard.url('postgres'), { max: 10, prepare, onnotice: () => {} });
      const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => sql`select ${i}::int as n, ${'x'.repeat(i)} as s`));
      for (const [i, [row]] of answers.entries()) assert.deepEqual({ ...row }, { n: i, s: 'x'.repeat(i) });
      const failures = await Promise.allSettled(
        Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? sql`select 1 / ${0}::int` : sql`select ${i}::int as n`)),
      );
      for (const [i, outcome] of failures.entries()) {
        assert.equal(outcome.status, i % 4 === 0 ? 'rejected' : 'fulfilled');
        if (outcome.status === 'fulfilled') assert.equal(outcome.value[0]?.n, i);
      }
      await sql.begin(async (tx) => {
        await tx`insert into accounts values (1000, 1)`;
        const [row] = await tx`select balance from accounts where id = 1000`;
        assert.equal(row?.balance, 1);
        await tx.savepoint(async (deep) => void (await deep`delete from accounts where id = 1000`));
      });
      assert.equal(await total(), 5000);
      await sql.end();
    }
  });

  it('postgres.js: cursors, COPY both ways, listen', async () => {
    const sql = postgresJs(shardyard.url('postgres'), { max: 4, onnotice: () => {} });
    let seen = 0;
    await sql`select * from generate_series(1, 1000) as n`.cursor(100, (batch) => {
      seen += batch.length;
    });
    assert.equal(seen, 1000);
    await sql`create table copied (a int, b text)`;
    const writable = await sql`copy copied from stdin`.writable();
    for (let i = 0; i < 1000; i++) writable.write(`${i}\t${'y'.repeat(50)}\n`);
    writable.end();
    await once(writable, 'finish');
    // The driver does not use a connection again after this.
    const out = postgresJs(shardyard.url('postgres'), { max: 1 });
    let text = '';
    for await (const chunk of await out`copy copied to stdout`.readable()) text += chunk;
    await out.end({ timeout: 0 });
    assert.equal(text.split('\n').length, 1001);
    const heard = new Promise<string>((resolve) => void sql.listen('chan', resolve).then(() => sql.notify('chan', 'hi')));
    assert.equal(await heard, 'hi');
    await sql.end();
  });

  it('psql: queries, variables, COPY, errors, describe', { skip: psqlIsThere ? false : 'psql is not installed' }, async () => {
    const psql = (input: string): Promise<{ readonly out: string; readonly status: number | null }> =>
      new Promise((resolve) => {
        const child = spawn('psql', ['-X', '-q', '-A', '-t', shardyard.url('postgres')], {
          env: { ...process.env, PGCONNECT_TIMEOUT: '10' },
        });
        let out = '';
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding('utf8').on('data', (text: string) => {
            out += text;
          });
        child.once('close', (status) => resolve({ out, status }));
        child.stdin.end(input);
      });
    const { out } = await psql(`select 1 as a \\gset
select :a + 1;
create temp table t (a int, b text);
\\copy t from stdin
1\tone
2\ttwo
\\.
select count(*) from t;
\\copy t to stdout
select 1/0;
\\set FETCH_COUNT 2
select i from generate_series(1, 5) i;
select $1::int + 2 \\bind 40 \\g
\\d accounts
`);
    for (const expected of [/^2$/m, /^1\tone$/m, /division by zero/, /^5$/m, /balance\|integer/]) assert.match(out, expected);
  });
});
