/**
 * What is set, or reset, and then committed, chained, undone by a savepoint or by an error: the session has it as on a connection of its own, and no
 * other session ever has it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawClient, type RawTarget, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

/** Queries one after another. The first sets or begins. */
const SCENES: readonly (readonly string[])[] = [
  ["set role ann; set work_mem = '7MB'", 'begin', 'savepoint a', 'reset role; reset work_mem', 'rollback to a', 'commit'],
  ["set role ann; set work_mem = '7MB'", 'begin', 'reset role; reset work_mem', 'rollback and chain', 'commit'],
  ["set role ann; set work_mem = '7MB'", 'begin', 'reset role; reset work_mem', 'rollback; begin', 'commit'],
  ["set role ann; set work_mem = '7MB'; set app.a = 'x'", 'reset role; reset work_mem; reset app.a; select 1/0'],
  ["set role ann; set work_mem = '7MB'; set app.a = 'x'", 'reset all; select 1/0'],
  ["set role ann; set work_mem = '7MB'", 'reset all; rollback'],
  ["set role ann; set work_mem = '7MB'", 'begin; reset all; savepoint a; select 1/0', 'rollback', 'select 1'],
  ["set role ann; set work_mem = '7MB'; set app.a = 'x'", 'begin; savepoint a; reset all; select 1/0', 'rollback to a', 'commit'],
  ["set work_mem = '7MB'; set app.a = 'x'", 'begin; reset work_mem; reset app.a; savepoint a; select 1/0', 'rollback to a', 'commit'],
  ["set work_mem = '7MB'", 'reset work_mem; commit; select 1/0'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'rollback'],
  ["begin; set role ann; set work_mem = '7MB'; commit; rollback"],
  ["begin; set role ann; set work_mem = '7MB'; commit and chain; reset role; reset work_mem; rollback"],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'reset all', 'rollback'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'reset all', 'rollback and chain', 'commit'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'reset all', 'commit'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'reset all', 'commit and chain', 'rollback'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'reset all', 'select 1/0'],
  ["begin; set role ann; set work_mem = '7MB'", 'commit and chain', 'select 1/0', 'rollback and chain', 'rollback'],
  ["begin; set role ann; set work_mem = '7MB'; select 1/0", 'commit'],
  ["set work_mem = '7MB'; commit; rollback"],
];

const SHOW =
  "select current_user, current_setting('work_mem'), current_setting('lock_timeout'), nullif(current_setting('app.a', true), '')";

for (const [kind, parameters] of Object.entries({
  'nothing at its start': {},
  'parameters at its start': { options: '-c work_mem=9MB -c lock_timeout=99' },
})) {
  describe(`a session with ${kind}`, () => {
    let postgres: Postgres;
    let shardyard: Shardyard;
    before(async () => {
      postgres = await startPostgres();
      await query(postgres, 'create role ann');
      shardyard = await startInFront(postgres, 'default_pool_size = 1');
    });
    after(async () => {
      await shardyard?.stop();
      await postgres?.stop();
    });

    async function session<T>(
      target: RawTarget,
      own: Readonly<Record<string, string>>,
      work: (client: RawClient) => Promise<T>,
    ): Promise<T> {
      const client = await rawLogIn(target, { user: 'postgres', database: 'postgres', password: 'postgres', parameters: own });
      try {
        return await work(client);
      } finally {
        await client.close();
      }
    }

    for (const scene of SCENES) {
      it(`says ${scene.join(' / ')}`, async () => {
        const play = async (client: RawClient): Promise<unknown> => {
          for (const sql of scene) await client.query(sql);
          const own = rows(await client.query(SHOW));
          await client.query('rollback');
          return [own, rows(await client.query(SHOW))];
        };
        const fresh = (): Promise<unknown> => session(shardyard, {}, async (client) => rows(await client.query(SHOW)));
        assert.deepEqual(await session(shardyard, parameters, play), await session(postgres, parameters, play));
        assert.deepEqual(await fresh(), [['postgres', '4MB', '0', null]]);
        // It goes where it is, perhaps in a transaction.
        await session(shardyard, parameters, async (client) => {
          for (const sql of scene) await client.query(sql);
        });
        assert.deepEqual(await fresh(), [['postgres', '4MB', '0', null]]);
      });
    }
  });
}
