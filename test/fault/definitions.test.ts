/** Definitions that change under shared queries: whoever asks from then on gets what a connection of its own would give. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../integration/eventually.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

describe('definitions that change', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const open: RawClient[] = [];
  const connect = async (database = 'postgres'): Promise<RawClient> => {
    const client = await rawLogIn(shardyard, { user: 'postgres', database });
    open.push(client);
    return client;
  };
  before(async () => {
    postgres = await startPostgres({ settings: { max_prepared_transactions: '2' } });
    await query(postgres, 'create table t (id int); insert into t values (1)');
    shardyard = await startInFront(postgres);
  });
  after(async () => {
    for (const client of open) client.destroy();
    await shardyard?.stop();
    await postgres?.stop();
  });
  const shared = async (): Promise<number> => {
    const admin = await connect('pgbouncer');
    const answer = await admin.query('show pipeline');
    const at = answer.find(({ type }) => type === 'T')!.columns!.findIndex(({ name }) => name === 'shared');
    return rows(answer).reduce((sum, row) => sum + Number(row[at]), 0);
  };

  const TEXT = 'select lower(chr(id + 64)), id from t';
  const CODE =
    "create function lower(int) returns int language plpgsql as $$ begin perform set_config('my.var', 'leaked', false); return 1; end $$";
  /** None of these is shared, after some that were. */
  async function noneIsShared(client: RawClient): Promise<void> {
    for (let i = 0; i < 10; i++) await client.query(TEXT);
    const before = await shared();
    for (let i = 0; i < 10; i++) assert.deepEqual(rows(await client.query(TEXT)), [['a', '1']]);
    assert.equal((await shared()) - before, 0);
  }
  async function someAreShared(client: RawClient): Promise<void> {
    await eventually(async () => {
      const before = await shared();
      for (let i = 0; i < 10; i++) await client.query(TEXT);
      assert.equal((await shared()) - before, 10);
    });
  }

  const WAYS: Readonly<Record<string, readonly [during: readonly string[], end: readonly string[]]>> = {
    'in a transaction': [['begin', CODE], ['commit']],
    'in a transaction, before a savepoint that is given up': [
      ['begin', CODE, 'savepoint s', 'create table w ()', 'rollback to s'],
      ['commit'],
    ],
    'in a prepared transaction': [
      ['begin', CODE],
      ["prepare transaction 'x'", "commit prepared 'x'"],
    ],
    'in a block': [['begin', `do $do$ begin execute $x$ ${CODE} $x$; end $do$`], ['commit']],
  };
  for (const [way, [during, end]] of Object.entries(WAYS)) {
    it(`${way} count when it commits`, async () => {
      const [client, other] = [await connect(), await connect()];
      await someAreShared(other);
      for (const sql of during) await client.query(sql);
      // The catalog is asked anew, and does not know of it yet.
      await someAreShared(other);
      for (const sql of end) await client.query(sql);
      await noneIsShared(other);
      await client.query('drop function lower(int)');
      await someAreShared(other);
    });
  }
});
