/** A client that has described a statement reads its rows by that: a server connection that lacks the statement must not give it others. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, parse, sync } = frames;
const types = (answer: readonly RawFrame[]): string => answer.map(({ type }) => type).join('');

describe('a statement that the client has described', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  beforeEach(async () => {
    await query(postgres, 'drop table if exists t; create table t (a int, v text); insert into t values (1, $$x$$)');
    shardyard = await startInFront(postgres, 'default_pool_size = 5');
  });
  afterEach(() => shardyard?.stop());

  const prepare = (client: RawClient, text = 'select * from t where a = $1'): Promise<readonly RawFrame[]> =>
    say(client, parse(text, 's'), describeFrame('S', 's'), sync());
  const run = (client: RawClient, value = '1'): Promise<readonly RawFrame[]> =>
    say(client, bind({ statement: 's', values: [value] }), execute(), sync());
  /** Takes the server connections that there are; what comes next gets a new one. */
  async function takeServers(): Promise<() => Promise<void>> {
    const takers = [await connect(), await connect()];
    for (const taker of takers) await taker.query('begin; select 1');
    return async () => {
      for (const taker of takers) await taker.query('commit');
    };
  }
  const isStale = (answer: readonly RawFrame[]): void => {
    assert.equal(types(answer), 'EZ');
    assert.equal(errorOf(answer)?.C, '0A000');
    assert.equal(errorOf(answer)?.R, 'RevalidateCachedQuery');
  };

  it('gives the same on a connection that lacks it', async () => {
    const client = await connect();
    assert.equal(types(await prepare(client)), '1tTZ');
    const free = await takeServers();
    await client.query('alter table t add constraint c check (a > 0)');
    const other = await takeServers();
    assert.deepEqual(rows(await run(client)), [['1', 'x']]);
    assert.deepEqual(rows(await run(client)), [['1', 'x']]);
    await free();
    await other();
  });

  it('is learnt behind the settings that go in front, and where others have prepared it before', async () => {
    const [first, client] = [await connect(), await connect()];
    await prepare(first);
    await client.query("set application_name = 'second'");
    assert.equal(types(await prepare(client)), '1tTZ');
    const free = await takeServers();
    await client.query('alter table t add constraint c check (a > 0)');
    const other = await takeServers();
    assert.deepEqual(rows(await run(client)), [['1', 'x']]);
    await free();
    await other();
  });

  for (const change of ['alter table t drop column v', 'alter table t alter v type int using 5']) {
    it(`is Postgres’s error when its columns have changed: ${change}`, async () => {
      const client = await connect();
      await prepare(client);
      const free = await takeServers();
      await client.query(change);
      const other = await takeServers();
      for (let i = 0; i < 3; i++) isStale(await run(client));
      await free();
      for (let i = 0; i < 3; i++) isStale(await run(client));
      await other();
      await say(client, close('S', 's'), sync());
      assert.equal(types(await prepare(client)), '1tTZ');
      assert.equal(types(await run(client)), '2DCZ');
    });
  }

  it('keeps the types that its parameters had, as Postgres does', async () => {
    const client = await connect();
    await prepare(client, 'select 1 from t where a = $1');
    const free = await takeServers();
    await client.query('alter table t alter a type bigint');
    const other = await takeServers();
    const four = Buffer.from([0, 0, 0, 1]);
    const answer = await say(client, bind({ statement: 's', values: [four], formats: [1] }), execute(), sync());
    assert.equal(types(answer), '2DCZ');
    await free();
    await other();
  });

  it('is Postgres’s error in its place among others, and undoes them', async () => {
    const client = await connect();
    await prepare(client);
    const free = await takeServers();
    await client.query('alter table t add b int');
    const other = await takeServers();
    const answer = await say(
      client,
      parse('insert into t values (2)'),
      bind(),
      execute(),
      bind({ statement: 's', values: ['1'] }),
      execute(),
      bind(),
      execute(),
      sync(),
    );
    assert.equal(types(answer), '12CEZ');
    assert.equal(errorOf(answer)?.C, '0A000');
    assert.deepEqual(await query(postgres, 'select a from t'), [{ a: 1 }]);
    await free();
    await other();
  });

  it('is Postgres’s error about the number of values first', async () => {
    const client = await connect();
    await prepare(client);
    const free = await takeServers();
    await client.query('alter table t add b int');
    const other = await takeServers();
    isStale(await run(client));
    for (const values of [[], ['1', '2']]) {
      const error = errorOf(await say(client, bind({ statement: 's', values }), execute(), sync()));
      assert.equal(error?.C, '08P01');
      assert.equal(error?.M, `bind message supplies ${values.length} parameters, but prepared statement "s" requires 1`);
    }
    isStale(await run(client));
    await free();
    await other();
  });

  it('fails the transaction that it is run in', async () => {
    const client = await connect();
    await prepare(client);
    const free = await takeServers();
    await client.query('alter table t add b int');
    const other = await takeServers();
    await client.query('begin');
    const answer = await run(client);
    isStale(answer);
    assert.equal(answer.at(-1)?.status, 'E');
    await client.query('rollback');
    await query(postgres, 'drop table t');
    await client.query('begin');
    const gone = await run(client);
    assert.equal(errorOf(gone)?.C, '42P01');
    assert.equal(gone.at(-1)?.status, 'E');
    await client.query('rollback');
    assert.equal(errorOf(await run(client))?.C, '42P01');
    await free();
    await other();
  });

  it('is known by the columns of a portal, too', async () => {
    const client = await connect();
    await say(
      client,
      parse('select * from t where a = $1', 's'),
      bind({ statement: 's', values: ['1'] }),
      describeFrame('P'),
      execute(),
      sync(),
    );
    const free = await takeServers();
    await client.query('alter table t add b int');
    const other = await takeServers();
    isStale(await run(client));
    // Who asks for the columns in the same request is told the new ones.
    const told = await say(client, bind({ statement: 's', values: ['1'] }), describeFrame('P'), execute(), sync());
    assert.equal(types(told), '2TDCZ');
    assert.deepEqual(rows(told), [['1', 'x', null]]);
    await free();
    await other();
  });

  it('is known by the search_path under which it was described', async () => {
    await query(
      postgres,
      'drop schema if exists other cascade; create schema other; create table other.t (a int, w int); insert into other.t values (1, 7)',
    );
    const client = await connect();
    await prepare(client);
    const free = await takeServers();
    await client.query('set search_path = other');
    const other = await takeServers();
    isStale(await run(client));
    await client.query('reset search_path');
    assert.deepEqual(rows(await run(client)), [['1', 'x']]);
    await free();
    await other();
  });
});
