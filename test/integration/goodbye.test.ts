/** Clients that go in the middle of a pipeline take their server connection along, and nobody else. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { frames, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, execute, flush, parse, query, sync, terminate } = frames;
let postgres: Postgres;
let shardyard: Shardyard;
const connect = clientsOf(() => shardyard);
before(async () => {
  postgres = await startPostgres();
  shardyard = await startInFront(postgres, 'default_pool_size = 3');
});
after(async () => {
  await shardyard?.stop();
  await postgres?.stop();
});

const pipelines: Readonly<Record<string, readonly Buffer[]>> = {
  'without Sync': [parse('select 1', 's'), bind({ statement: 's' }), execute()],
  'behind a Flush': [parse('select 1', 's'), bind({ statement: 's' }), execute(), flush()],
  'with an error': [parse('select 1/0', 's'), bind({ statement: 's' }), execute()],
  'with many rows': [parse('select generate_series(1, 20000)', 's'), bind({ statement: 's' }), execute()],
  'that has a Query': [parse('select 1', 's'), bind({ statement: 's' }), execute(), query('select 2')],
  'with a Sync in it': [parse('select 1', 's'), sync(), bind({ statement: 's' }), execute()],
};

for (const [name, pipeline] of Object.entries(pipelines)) {
  it(`a goodbye in a pipeline ${name}`, async () => {
    const other = await connect();
    for (let i = 0; i < 5; i++) {
      const client = await connect();
      client.send(...pipeline, terminate());
      await client.untilEnd();
      const late = await connect();
      late.send(...pipeline);
      late.send(terminate());
      await late.untilEnd();
    }
    assert.deepEqual(rows(await other.query('select 42')), [['42']]);
  });
}
