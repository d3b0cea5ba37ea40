/** Whatever a client says, what comes back through Shardyard is what Postgres itself says, frame by frame. */
import { after, before, describe, it } from 'node:test';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { frames } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { COPY_SCRIPTS } from './copy-scripts.ts';
import { EXTENDED_SCRIPTS } from './extended-scripts.ts';
import { type Script, sameAnswers } from './side-by-side.ts';
import { SIMPLE_SCRIPTS } from './simple-scripts.ts';
import { STATEMENT_SCRIPTS } from './statement-scripts.ts';

const VARIANTS: Readonly<Record<string, string>> = {
  'transaction mode': 'pool_mode = transaction\ndefault_pool_size = 2',
  'session mode': 'pool_mode = session',
  'one prepared statement for each server': 'pool_mode = transaction\ndefault_pool_size = 1\nmax_prepared_statements = 1',
  'the other parser, and two prepared statements': 'pool_mode = transaction\nmax_prepared_statements = 2\nsql_parser = node-sql-parser',
};

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres?.stop());

for (const [variant, settings] of Object.entries(VARIANTS)) {
  describe(`in ${variant} the answer is Postgres's`, () => {
    let shardyard: Shardyard;
    before(async () => {
      const target = `postgres = host=127.0.0.1 port=${postgres.port}`;
      shardyard = await startShardyard(`[databases]\n${target}\n[shardyard]\n${settings}\n`);
    });
    after(() => shardyard?.stop());

    const all: readonly (readonly [string, Script])[] = [SIMPLE_SCRIPTS, EXTENDED_SCRIPTS, STATEMENT_SCRIPTS, COPY_SCRIPTS].flatMap(
      (scripts) => Object.entries(scripts),
    );
    for (const [name, script] of all) it(`for ${name}`, async () => void (await sameAnswers(postgres, shardyard, script)));

    it('for the log-in, with the same parameters', async () => {
      await sameAnswers(postgres, shardyard, async ({ query }) => query('select 1'), {
        parameters: { application_name: 'Ännie', options: '-c datestyle=german -c statement_timeout=12345', timezone: 'Asia/Tokyo' },
      });
    });

    it('for a client that sends byte by byte', async () => {
      await sameAnswers(postgres, shardyard, async (side) => {
        const { bind, describe: describeFrame, execute, parse, query, sync, copyData, copyDone } = frames;
        await side.client.sendInPieces(
          1,
          query('create temp table t (a int)'),
          parse('select $1::int', 'named'),
          bind({ statement: 'named', values: ['7'] }),
          describeFrame('P'),
          execute(),
          sync(),
          query('copy t from stdin'),
          copyData('1\n2\n'),
          copyDone(),
          query('select * from t; select 1/0'),
        );
        await side.until('Z', 4);
      });
    });
  });
}
