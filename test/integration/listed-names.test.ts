/** pg_prepared_statements has the session's own statements, by its own names, and nobody else's. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, execute, parse, sync } = frames;
const LIST = 'select name, statement, from_sql from pg_prepared_statements order by name';

describe('the list of prepared statements', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  const direct = clientsOf(() => postgres);
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  afterEach(() => shardyard?.stop());
  const list = async (client: RawClient): Promise<unknown> => rows(await client.query(LIST));

  /** The same on a connection of its own and behind Shardyard, where others have prepared the same. */
  async function both(scene: (client: RawClient) => Promise<void>): Promise<void> {
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
    await scene(await direct());
    const other = await connect();
    await say(other, parse('select 42', 'theirs'), parse('select 43', 's'), sync());
    await other.query('prepare mine as select 44');
    await scene(await connect());
    assert.deepEqual(rows(await say(other, bind({ statement: 's' }), execute(), sync())), [['43']]);
  }

  it('is empty when nothing was prepared', () =>
    both(async (client) => {
      assert.deepEqual(await list(client), []);
      await client.close();
    }));

  it('has what was parsed until it is closed', () =>
    both(async (client) => {
      await say(client, parse('select 42', 's'), sync());
      await say(client, parse('select 42', 't'), sync());
      assert.deepEqual(await list(client), [
        ['s', 'select 42', 'f'],
        ['t', 'select 42', 'f'],
      ]);
      assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), [['42']]);
      await say(client, close('S', 's'), sync());
      assert.deepEqual(await list(client), [['t', 'select 42', 'f']]);
      assert.equal(errorOf(await say(client, bind({ statement: 's' }), execute(), sync()))?.C, '26000');
      await say(client, parse('select 45', 's'), sync());
      assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), [['45']]);
      assert.deepEqual(await list(client), [
        ['s', 'select 45', 'f'],
        ['t', 'select 42', 'f'],
      ]);
      await client.query('deallocate t');
      assert.deepEqual(await list(client), [['s', 'select 45', 'f']]);
      await client.query('deallocate all');
      assert.deepEqual(await list(client), []);
      await say(client, parse('select 46', 's'), sync());
      assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), [['46']]);
      await client.close();
    }));

  it('has both kinds, also in a transaction and by the extended protocol', () =>
    both(async (client) => {
      await client.query('prepare p as select 1');
      await say(client, parse('select 2', 's'), sync());
      await client.query('begin');
      await say(client, parse(LIST, 'list'), sync());
      const answer = await say(client, bind({ statement: 'list' }), execute(), sync());
      assert.deepEqual(rows(answer), [
        ['list', LIST, 'f'],
        ['p', 'prepare p as select 1', 't'],
        ['s', 'select 2', 'f'],
      ]);
      await client.query('commit');
      await client.query('deallocate all');
      await client.close();
    }));

  it('does not make the session keep its server when there is nothing of its own', async () => {
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
    const client = await connect();
    await client.query(LIST);
    const other = await connect();
    assert.deepEqual(rows(await other.query('select 1')), [['1']]);
    await say(other, parse('select 2', 's'), sync());
    await other.query(LIST);
    await other.close();
    assert.deepEqual(rows(await client.query(LIST)), []);
  });

  it('leaves out what cannot be prepared any more', async () => {
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
    const client = await connect();
    await query(postgres, 'create table gone (a int)');
    await say(client, parse('select * from gone', 's'), parse('select 1', 't'), sync());
    await query(postgres, 'drop table gone');
    assert.deepEqual(await list(client), [['t', 'select 1', 'f']]);
    assert.equal(errorOf(await say(client, bind({ statement: 's' }), execute(), sync()))?.C, '42P01');
    assert.deepEqual(rows(await say(client, bind({ statement: 't' }), execute(), sync())), [['1']]);
  });
});
