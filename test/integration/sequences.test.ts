/** The first currval() that Shardyard sees in a database, where nothing was pinned for it: the right value or an error, never an old one. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

let postgres: Postgres;
let shardyard: Shardyard;
const connect = clientsOf(() => shardyard);
before(async () => {
  postgres = await startPostgres();
  await query(postgres, 'create sequence s');
  shardyard = await startInFront(postgres, 'default_pool_size = 2');
});
after(async () => {
  await shardyard?.stop();
  await postgres?.stop();
});

it('a number that was drawn elsewhere before is not taken for the last', async () => {
  const [a, one, other] = [await connect(), await connect(), await connect()];
  const place = async (text: string) => rows(await a.query(`select ${text}, pg_backend_pid()`))[0]!;
  const [, first] = await place("nextval('s')");
  // Somebody holds the connection that it drew on: it draws on the other.
  let holder = one;
  await holder.query('begin');
  if (rows(await holder.query('select pg_backend_pid()'))[0]?.[0] !== first) {
    await other.query('begin');
    await other.query('select 1');
    await holder.query('commit');
    holder = other;
  }
  const [last, second] = await place("nextval('s')");
  assert.notEqual(second, first);
  // And now the other way round: only the first connection is free.
  const late = holder === one ? other : one;
  await late.query('begin');
  assert.equal(rows(await late.query('select pg_backend_pid()'))[0]?.[0], second);
  await holder.query('commit');
  const answer = await a.query("select currval('s'), pg_backend_pid()");
  const [value, where] = rows(answer)[0] ?? [];
  if (value === undefined) assert.equal(errorOf(answer)?.C, '55000');
  else assert.deepEqual([value, where], [last, second]);
  await late.query('commit');
});
