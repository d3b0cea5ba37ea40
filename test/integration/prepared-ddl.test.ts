/** A table changes under a prepared statement that clients share: who prepares anew must not find the old one. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, parse, sync } = frames;

describe('prepared statements and DDL', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  afterEach(() => shardyard?.stop());

  async function start(settings: string): Promise<void> {
    shardyard = await startInFront(postgres, settings);
  }

  it('a change of the table under a shared statement breaks nobody who prepares anew', async () => {
    await start('default_pool_size = 1');
    await query(postgres, 'create table changing (a int)');
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select * from changing', 'x'), bind({ statement: 'x' }), execute(), sync());
    await query(postgres, 'alter table changing add b text');
    // Postgres answers 0A000 to a here; b has never seen the table otherwise.
    assert.equal(errorOf(await say(a, bind({ statement: 'x' }), execute(), sync()))?.C, '0A000');
    const answer = await say(b, parse('select * from changing', 'y'), describeFrame('S', 'y'), bind({ statement: 'y' }), execute(), sync());
    assert.equal(errorOf(answer)?.M, undefined);
    assert.equal(answer.find(({ type }) => type === 'T')?.columns?.length, 2);
    await say(a, close('S', 'x'), sync());
    const again = await say(a, parse('select * from changing', 'x'), bind({ statement: 'x' }), execute(), sync());
    assert.equal(errorOf(again)?.M, undefined);
  });

  it('parameter types found under another table are not kept for who prepares anew', async () => {
    await start('default_pool_size = 1');
    await query(postgres, 'create table typed (a int)');
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select 1 from typed where a = $1', 'x'), describeFrame('S', 'x'), sync());
    // What Shardyard sees pass; it cannot know what is done behind its back.
    await a.query('alter table typed alter a type text');
    const answer = await say(b, parse('select 1 from typed where a = $1', 'y'), describeFrame('S', 'y'), sync());
    assert.deepEqual(answer.find(({ type }) => type === 't')?.oids, [25]);
  });
});
