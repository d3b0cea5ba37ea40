/** pg_prepared_statements has the session's own statements, by its own names, and nobody else's. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, flush, parse, sync } = frames;
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

  it('has no part in whether a statement is prepared again when its table has changed', async () => {
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
    const client = await connect();
    await query(postgres, 'create table changes (a int); insert into changes values (1)');
    const columns = (answer: readonly RawFrame[]): number | undefined => answer.find(({ type }) => type === 'T')?.columns?.length;
    const run = (...asking: readonly Buffer[]): Promise<readonly RawFrame[]> =>
      say(client, bind({ statement: 's', values: ['1'] }), ...asking, execute(), sync());
    await say(client, parse('select * from changes where a = $1', 's'), sync());
    const listed = await list(client);
    assert.equal(columns(await run(describeFrame('P'))), 1);
    await client.query('alter table changes add b int');
    assert.equal(errorOf(await run())?.C, '0A000');
    const renewed = await run(describeFrame('P'));
    assert.equal(columns(renewed), 2);
    assert.deepEqual(rows(renewed), [['1', null]]);
    assert.deepEqual(await list(client), listed);
    // The same of one that was parsed after the look.
    await say(client, close('S', 's'), parse('select a.* from changes a where a = $1', 's'), sync());
    await client.query('alter table changes add c int');
    assert.equal(columns(await say(client, describeFrame('S', 's'), sync())), 3);
    assert.deepEqual(rows(await run()), [['1', null, null]]);
    // What cannot be prepared any more stays, and is there again when it can be.
    await client.query('alter table changes rename to elsewhere');
    for (let i = 0; i < 2; i++) assert.equal(errorOf(await run(describeFrame('P')))?.C, '42P01');
    await client.query('alter table elsewhere rename to changes; alter table changes drop b');
    assert.deepEqual(rows(await run(describeFrame('P'))), [['1', null]]);
    assert.equal(((await list(client)) as unknown[]).length, 1);
    // A block that is open has failed with it.
    await client.query('alter table changes drop c; begin');
    assert.equal(errorOf(await run(describeFrame('P')))?.C, '0A000');
    await client.query('rollback; drop table changes; deallocate all');
  });

  it('has what the request itself has parsed, by its own name', () =>
    both(async (client) => {
      const answer = await say(client, parse(LIST, 'list'), parse('select 1', 'one'), bind({ statement: 'list' }), execute(), sync());
      assert.deepEqual(rows(answer), [
        ['list', LIST, 'f'],
        ['one', 'select 1', 'f'],
      ]);
      await client.query('deallocate all');
      await client.close();
    }));

  it('is the same when the request comes in parts', () =>
    both(async (client) => {
      client.send(parse(LIST, 'list'), describeFrame('S', 'list'), flush());
      await client.until('T');
      assert.deepEqual(rows(await say(client, bind({ statement: 'list' }), execute(), sync())), [['list', LIST, 'f']]);
      await client.query('deallocate all');
      client.send(parse('select 1'), bind(), execute(), flush());
      await client.until('C');
      assert.deepEqual(rows(await say(client, parse(LIST), bind(), execute(), sync())), []);
      await client.close();
    }));

  it('does not matter to statements that execute others by their names', () =>
    both(async (client) => {
      await say(client, parse('execute inner_one', 'outer_one'), execute('nowhere'), sync());
      await say(client, parse('select 7', 'inner_one'), sync());
      for (let i = 0; i < 2; i++) assert.deepEqual(rows(await client.query('execute outer_one')), [['7']]);
      await client.query('deallocate all');
      await client.close();
    }));

  it('has no part in whether SQL that comes in parts finds them', () =>
    both(async (client) => {
      client.send(parse('select $1::int + 1', 'p'), flush());
      await client.until('1');
      assert.deepEqual(rows(await say(client, parse('execute p(7)'), bind(), execute(), sync())), [['8']]);
      client.send(parse('select 9', 'q'), flush());
      await client.until('1');
      client.send(parse('execute q'), describeFrame('S'), flush());
      assert.equal((await client.until('T')).at(-1)?.columns?.length, 1);
      assert.deepEqual(rows(await say(client, bind(), execute(), sync())), [['9']]);
      client.send(flush());
      const taken = await say(client, parse('prepare q as select 1', 'q2'), bind({ statement: 'q2' }), execute(), sync());
      assert.equal(errorOf(taken)?.C, '42P05');
      client.send(parse('select 1'), flush());
      await client.until('1');
      await say(client, parse('deallocate q'), bind(), execute(), sync());
      assert.equal(errorOf(await say(client, bind({ statement: 'q' }), execute(), sync()))?.C, '26000');
      await client.query('deallocate all');
      await client.close();
    }));

  it('loses no name when what speaks of it is not reached, or cannot be', () =>
    both(async (client) => {
      client.send(parse('select 5', 'p'), bind({ statement: 'nobody' }), flush(), parse('create temp table x as execute p'), sync());
      await client.until('Z');
      assert.deepEqual(rows(await client.query('execute p')), [['5']]);
      assert.deepEqual(rows(await say(client, bind({ statement: 'p' }), execute(), sync())), [['5']]);
      await client.query('create table short_lived (a int)');
      await say(client, parse('select * from short_lived', 's'), sync());
      await client.query('alter table short_lived rename to long_gone');
      assert.equal(errorOf(await client.query('select 1; execute s'))?.C, '42P01');
      assert.equal(errorOf(await say(client, bind({ statement: 's' }), execute(), sync()))?.C, '42P01');
      await client.query('alter table long_gone rename to short_lived');
      assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), []);
      await client.query('drop table short_lived; deallocate all');
      await client.close();
    }));

  it('has a name that was given anew behind its DEALLOCATE', () =>
    both(async (client) => {
      const gives = [parse('deallocate s', 'd'), bind({ statement: 'd' }), execute(), parse('select 8', 's'), sync()];
      await say(client, parse('select 7', 's'), sync());
      for (let i = 0; i < 2; i++) {
        assert.equal(errorOf(await say(client, ...gives)), undefined);
        assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), [['8']]);
        assert.equal(errorOf(await say(client, parse('select 9', 's'), sync()))?.C, '42P05');
        await client.query('deallocate d');
      }
      await client.query('deallocate s');
      assert.equal(errorOf(await say(client, bind({ statement: 's' }), execute(), sync()))?.C, '26000');
      await say(client, parse('select 9', 's'), sync());
      assert.deepEqual(rows(await say(client, bind({ statement: 's' }), execute(), sync())), [['9']]);
      await client.query('deallocate all');
      await client.close();
    }));

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
