/** What a client asks of its transactions at its start holds for each of them as on a connection of its own, and for nobody else's. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawTarget, rawLogIn, rows, ServerRefusal } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { line, type Side, sameAnswers } from './side-by-side.ts';

const OPTIONS = [
  '-c default_transaction_isolation=serializable',
  '-c default_transaction_isolation=repeatable\\ read -c default_transaction_deferrable=on',
  '-c default_transaction_read_only=on',
  '-c default_transaction_read_only=on -c default_transaction_isolation=serializable -c default_transaction_deferrable=on',
  '-c transaction_isolation=read\\ committed',
  '-c transaction_isolation=serializable',
  '-c transaction_read_only=on',
  '-c transaction_read_only=off',
  '-c transaction_deferrable=on',
  '-c transaction_isolation=nonsense',
];
/** Refused by Postgres up to 17, and by Shardyard. */
const NEVER_TAKEN = /-c transaction_(isolation=serializable|deferrable)/;
const SHOW =
  "select current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')," +
  " current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only')";
const SAID = [
  SHOW,
  'insert into t values (1)',
  `begin; ${SHOW}`,
  'insert into t values (1)',
  'rollback',
  `begin isolation level repeatable read read write; ${SHOW}; insert into t values (1); commit`,
  'begin',
  'set transaction read write',
  SHOW,
  'commit and chain',
  SHOW,
  'rollback',
  'set default_transaction_read_only = off; reset default_transaction_isolation',
  SHOW,
  'insert into t values (1)',
  'reset all',
  SHOW,
  'begin read only',
  SHOW,
  'insert into t values (1)',
  'rollback',
  'discard all',
  SHOW,
  'set session characteristics as transaction isolation level repeatable read',
  SHOW,
];

describe('transactions of a client that has asked for something at its start', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create table t (a int)');
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  async function refusal(target: RawTarget, options: string): Promise<string | undefined> {
    try {
      const client = await rawLogIn(target, { user: 'postgres', database: 'postgres', password: 'postgres', parameters: { options } });
      await client.close();
      return undefined;
    } catch (error) {
      if (error instanceof ServerRefusal) return line(error.frame);
      throw error;
    }
  }

  for (const options of OPTIONS) {
    it(`are as Postgres makes them: ${options}`, async () => {
      const refused = await refusal(postgres, options);
      const through = await refusal(shardyard, options);
      // Postgres takes these from version 18 on; they have no effect there.
      if (refused !== undefined || !NEVER_TAKEN.test(options)) assert.equal(through, refused);
      const other = await connect();
      const plain = rows(await other.query(SHOW));
      assert.deepEqual(plain, [['read committed', 'off', 'off', 'read committed', 'off']]);
      if (through !== undefined) return;
      const script = async (side: Side): Promise<void> => {
        for (const text of SAID) {
          const idle = (await side.query(text)).at(-1)?.body.toString() === 'I';
          if (idle) assert.deepEqual(rows(await other.query(SHOW)), plain, text);
        }
      };
      await sameAnswers(postgres, shardyard, script, { parameters: { options } });
    });
  }
});
