/** What RESET leads back to, and what is set after it in the same request: as on a connection of the client's own. */
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { sameAnswers } from './side-by-side.ts';

const SHOW = "select current_setting('app.a'), current_setting('work_mem'), current_setting('lock_timeout')";
const OPTIONS = { parameters: { options: '-c app.a=started -c work_mem=6MB' } };

describe('a parameter that the client has set at its start', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, "alter database postgres set app.a = 'default'");
    shardyard = await startInFront(postgres, 'default_pool_size = 2');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  const REQUESTS: Readonly<Record<string, readonly string[]>> = {
    'is reset and set': ['reset app.a', "set app.a = 'set'"],
    'is reset and set by a function': ['reset app.a', "select set_config('app.a', 'configured', false)", 'reset work_mem'],
    'is reset with all, and set': ['set lock_timeout = 70', 'reset all', "set work_mem = '7MB'", 'set lock_timeout = 80'],
    'is set and reset': ["set app.a = 'set'", "set work_mem = '7MB'", 'reset app.a'],
    'is reset, set and reset': ['reset app.a', "set app.a = 'set'", 'reset app.a'],
    'is reset, and set for the transaction': ['reset app.a', "set local app.a = 'local'"],
    'is reset in a request that fails': ["set app.a = 'set'", 'reset app.a', "set app.a = 'other'", 'select 1/0'],
  };
  for (const [name, statements] of Object.entries(REQUESTS)) {
    it(`${name}, in one Query`, async () => {
      await sameAnswers(
        postgres,
        shardyard,
        async (side) => {
          for (let i = 0; i < 2; i++) {
            await side.query(statements.join('; '));
            await side.query(SHOW);
          }
          await side.query('begin');
          // A value for the transaction alone does not survive our own change behind it.
          if (!statements.some((text) => text.startsWith('set local'))) await side.query(statements.join('; '));
          await side.query(SHOW);
          await side.query('rollback');
          await side.query(SHOW);
        },
        OPTIONS,
      );
    });

    it(`${name}, in one pipeline`, async () => {
      await sameAnswers(
        postgres,
        shardyard,
        async (side) => {
          side.send(...statements.flatMap((text) => [frames.parse(text), frames.bind(), frames.execute()]), frames.sync());
          await side.until('Z');
          await side.query(SHOW);
        },
        OPTIONS,
      );
    });
  }
});
