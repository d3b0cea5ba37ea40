/** A table changes under a statement that a client has prepared: where the client cannot be misled it never learns of it, elsewhere it gets Postgres's error. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import pg from 'pg';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, flush, parse, sync } = frames;
const types = (answer: readonly RawFrame[]): string => answer.map(({ type }) => type).join('');
const names = (answer: readonly RawFrame[]): readonly string[] => answer.flatMap(({ columns }) => columns ?? []).map(({ name }) => name);

/** Who changes the table. */
type Changer = 'the same session' | 'another session' | 'somebody behind our back';
const CHANGERS: readonly Changer[] = ['the same session', 'another session', 'somebody behind our back'];

describe('a statement whose result has changed', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  const direct = clientsOf(() => postgres);
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  beforeEach(() => query(postgres, 'drop table if exists t; create table t (a int, v text); insert into t values (1, $$x$$)'));
  afterEach(() => shardyard?.stop());

  async function start(settings = 'default_pool_size = 1'): Promise<void> {
    shardyard = await startInFront(postgres, settings);
  }

  async function change(who: Changer, client: RawClient, sql = 'alter table t add column b int default 7'): Promise<void> {
    if (who === 'somebody behind our back') await query(postgres, sql);
    else await (who === 'the same session' ? client : await connect()).query(sql);
  }

  /** As libpq and node-postgres run what they have prepared. */
  const run = (client: RawClient, values: readonly string[] = [], limit = 0): Promise<readonly RawFrame[]> =>
    say(client, bind({ statement: 's', values }), describeFrame('P'), execute('', limit), sync());
  const isStale = (answer: readonly RawFrame[], kind = 'EZ'): void => {
    assert.equal(types(answer), kind);
    assert.equal(errorOf(answer)?.C, '0A000');
    assert.equal(errorOf(answer)?.R, 'RevalidateCachedQuery');
  };

  const every = CHANGERS.map((who) => [who, 'default_pool_size = 1'] as const);
  const otherwise = ['default_pool_size = 3', 'pool_mode = session', 'pipeline = off', 'max_prepared_statements = 1'];
  for (const [who, settings] of [...every, ...otherwise.map((settings) => [CHANGERS[2]!, settings] as const)]) {
    it(`is prepared again when ${who} has changed the table (${settings})`, async () => {
      await start(settings);
      const client = await connect();
      await say(client, parse('select * from t where a = $1', 's'), sync());
      for (let i = 0; i < 4; i++) assert.deepEqual(names(await run(client, ['1'])), ['a', 'v']);
      await change(who, client);
      for (let i = 0; i < 4; i++) {
        const answer = await run(client, ['1']);
        assert.equal(types(answer), '2TDCZ');
        assert.deepEqual([names(answer), rows(answer)], [['a', 'v', 'b'], [['1', 'x', '7']]]);
      }
      await change(who, client, 'alter table t drop column v');
      assert.deepEqual(names(await run(client, ['1'])), ['a', 'b']);
    });

    it(`writes once when ${who} has changed the table (${settings})`, async () => {
      await start(settings);
      const client = await connect();
      await say(client, parse('insert into t (a) values ($1) returning *', 's', [23]), sync());
      assert.deepEqual(rows(await run(client, ['2'])), [['2', null]]);
      await change(who, client);
      assert.deepEqual(rows(await run(client, ['3'])), [['3', null, '7']]);
      assert.deepEqual(rows(await run(client, ['4'])), [['4', null, '7']]);
      assert.deepEqual(await query(postgres, 'select a from t order by a'), [{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }]);
    });
  }

  it('is prepared again for each client that has it, once on the server', async () => {
    await start();
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect()));
    for (const client of clients) {
      await say(client, parse('select * from t', 's'), sync());
      await run(client);
    }
    await change('somebody behind our back', clients[0]!);
    for (const client of clients) assert.deepEqual(rows(await run(client)), [['1', 'x', '7']]);
    const listed = await clients[0]!.query("select count(*) from pg_prepared_statements where statement = 'select * from t'");
    assert.ok(Number(rows(listed)[0]?.[0]) <= 2);
  });

  it('tells of its new columns when the statement is described', async () => {
    await start();
    const client = await connect();
    await say(client, parse('select * from t where a = $1', 's'), describeFrame('S', 's'), sync());
    await change('somebody behind our back', client);
    assert.deepEqual(names(await say(client, describeFrame('S', 's'), sync())), ['a', 'v', 'b']);
    // What it was told holds for what it runs without asking again.
    const answer = await say(client, bind({ statement: 's', values: ['1'] }), execute(), sync());
    assert.deepEqual(rows(answer), [['1', 'x', '7']]);
  });

  it('does not concern who parses the text now, although servers have it from before', async () => {
    await start();
    const [a, b] = [await connect(), await connect()];
    await say(a, parse('select * from t', 's'), bind({ statement: 's' }), execute(), sync());
    await change('somebody behind our back', a);
    const answer = await say(b, parse('select * from t', 'mine'), bind({ statement: 'mine' }), execute(), sync());
    assert.equal(types(answer), '12DCZ');
    assert.deepEqual(rows(answer), [['1', 'x', '7']]);
    await query(postgres, 'alter table t add column c int');
    const described = await say(b, close('S', 'mine'), sync(), parse('select * from t', 'mine'), describeFrame('S', 'mine'), sync());
    assert.equal(types(described), '3Z');
    assert.equal(types(await b.until('Z')), '1tTZ');
  });

  it('may have a portal with a name, a row limit, a large value', async () => {
    await start();
    const client = await connect();
    await say(client, parse('select * from t where a = $1 or v = $2', 's'), sync());
    const large = 'x'.repeat(30_000);
    const ask = (): Promise<readonly RawFrame[]> =>
      say(client, bind({ portal: 'p', statement: 's', values: ['1', large] }), describeFrame('P', 'p'), execute('p', 1), sync());
    assert.equal(types(await ask()), '2TDsZ');
    await change('somebody behind our back', client);
    const answer = await ask();
    assert.equal(types(answer), '2TDsZ');
    assert.deepEqual(rows(answer), [['1', 'x', '7']]);
  });

  it('may have binary values where the client has declared their types, and one format for all columns', async () => {
    await start();
    const client = await connect();
    await say(client, parse('select * from t where a = $1', 's', [23]), sync());
    const one = Buffer.from([0, 0, 0, 1]);
    const ask = (): Promise<readonly RawFrame[]> =>
      say(client, bind({ statement: 's', values: [one], formats: [1], resultFormats: [1] }), describeFrame('P'), execute(), sync());
    await ask();
    await change('somebody behind our back', client);
    const answer = await ask();
    assert.deepEqual(answer.find(({ type }) => type === 'D')?.rawValues, [one, Buffer.from('x'), Buffer.from([0, 0, 0, 7])]);
  });

  it('that the new columns do not suit fails as it would directly, and works when they suit again', async () => {
    await start();
    const client = await connect();
    await say(client, parse('select * from t where a = 1', 's'), sync());
    await run(client);
    await query(postgres, 'alter table t rename column a to z');
    assert.equal(errorOf(await run(client))?.C, '42703');
    await query(postgres, 'alter table t rename column z to a; alter table t add column b int default 7');
    assert.deepEqual(rows(await run(client)), [['1', 'x', '7']]);
  });

  describe('is Postgres’s error', () => {
    /** The same on a connection of its own and through Shardyard. */
    async function both(scene: (client: RawClient) => Promise<void>): Promise<void> {
      await start();
      await scene(await direct());
      await query(postgres, 'drop table t; create table t (a int, v text); insert into t values (1, $$x$$)');
      await scene(await connect());
    }
    const alter = (): Promise<unknown> => query(postgres, 'alter table t add column b int default 7');

    it('to who does not ask for the columns', () =>
      both(async (client) => {
        await say(client, parse('select * from t', 's'), describeFrame('S', 's'), sync());
        await alter();
        for (let i = 0; i < 3; i++) isStale(await say(client, bind({ statement: 's' }), execute(), sync()));
      }));

    it('in a transaction, which fails with it', () =>
      both(async (client) => {
        await say(client, parse('select * from t', 's'), sync());
        await run(client);
        await alter();
        await client.query('begin');
        const answer = await run(client);
        isStale(answer);
        assert.equal(answer.at(-1)?.status, 'E');
        await client.query('rollback');
      }));

    it('to who has bound binary values without having declared their types', () =>
      both(async (client) => {
        await say(client, parse('select * from t where a = $1', 's'), sync());
        await alter();
        const bound = bind({ statement: 's', values: [Buffer.from([0, 0, 0, 1])], formats: [1] });
        isStale(await say(client, bound, describeFrame('P'), execute(), sync()));
      }));

    it('to who gives a format for each column', () =>
      both(async (client) => {
        await say(client, parse('select * from t', 's'), sync());
        await alter();
        isStale(await say(client, bind({ statement: 's', resultFormats: [0, 0] }), describeFrame('P'), execute(), sync()));
      }));

    it('behind another statement of the same request', () =>
      both(async (client) => {
        await say(client, parse('select * from t', 's'), sync());
        await say(client, parse('insert into t (a) values (5)', 'i'), sync());
        await alter();
        const answer = await say(
          client,
          bind({ statement: 'i' }),
          execute(),
          bind({ statement: 's' }),
          describeFrame('P'),
          execute(),
          sync(),
        );
        isStale(answer, '2CEZ');
        assert.deepEqual(await query(postgres, 'select a from t'), [{ a: 1 }], 'the insert is undone');
      }));

    it('where the request comes in parts', () =>
      both(async (client) => {
        await say(client, parse('select * from t', 's'), sync());
        await alter();
        isStale(await say(client, bind({ statement: 's' }), flush(), describeFrame('P'), execute(), sync()));
      }));

    it('where it is of something else with the same SQLSTATE', () =>
      both(async (client) => {
        const raise =
          "create or replace function pg_temp.f() returns int language plpgsql as $$begin raise '%', 'cached plan must not change result type' using errcode = '0A000'; end$$";
        await client.query(raise);
        await say(client, parse('select pg_temp.f()', 's'), sync());
        const answer = await run(client);
        assert.equal(errorOf(answer)?.C, '0A000');
        assert.equal(types(answer), '2TEZ');
      }));
  });

  describe('is not misread on a server that does not have it', () => {
    /** Somebody changes the table; then all servers are new. */
    async function elsewhere(sql: string): Promise<void> {
      await (await connect()).query(sql);
      const console = await connect({ database: 'shardyard' });
      for (const command of ['RECONNECT', 'WAIT_CLOSE']) await console.query(command);
    }
    const blind = (
      client: RawClient,
      values: readonly (string | Buffer)[] = [],
      formats: readonly number[] = [],
    ): Promise<readonly RawFrame[]> => say(client, bind({ statement: 's', values, formats }), execute(), sync());

    it('by who does not ask for its columns again', async () => {
      await start('default_pool_size = 2');
      const client = await connect();
      await say(client, parse('select * from t', 's'), describeFrame('S', 's'), sync());
      await elsewhere('alter table t add column b int default 7');
      for (let i = 0; i < 3; i++) isStale(await blind(client));
      assert.deepEqual(rows(await run(client)), [['1', 'x', '7']], 'who asks gets them');
      assert.deepEqual(rows(await blind(client)), [['1', 'x', '7']], 'and knows them then');
    });

    it('and fails in its place, in a transaction too', async () => {
      await start('default_pool_size = 3');
      const client = await connect();
      await say(client, parse('select * from t', 's'), describeFrame('S', 's'), parse('insert into t (a) values (5)', 'i'), sync());
      await elsewhere('alter table t add column b int default 7');
      const answer = await say(
        client,
        bind({ statement: 'i' }),
        execute(),
        bind({ statement: 's' }),
        describeFrame('P'),
        execute(),
        sync(),
      );
      isStale(answer, '2CEZ');
      assert.deepEqual(await query(postgres, 'select a from t'), [{ a: 1 }]);
      await client.query('begin');
      const failed = await run(client);
      isStale(failed);
      assert.equal(failed.at(-1)?.status, 'E');
      await client.query('rollback');
      assert.deepEqual(rows(await run(client)), [['1', 'x', '7']]);
    });

    it('where its columns have stayed, whatever else has changed', async () => {
      await start('default_pool_size = 2');
      const client = await connect();
      await say(client, parse('select a, v from t where a = $1', 's'), sync());
      await elsewhere('alter table t add column b int default 7');
      assert.deepEqual(rows(await blind(client, ['1'])), [['1', 'x']]);
      await client.query('begin');
      assert.deepEqual(rows(await blind(client, ['1'])), [['1', 'x']]);
      await client.query('commit');
    });

    it('nor are its values, whose types are those that it was described with', async () => {
      await start('default_pool_size = 2');
      const client = await connect();
      await say(client, parse('insert into t (a) values ($1)', 's'), describeFrame('S', 's'), sync());
      await elsewhere('alter table t alter column a type bigint');
      const answer = await blind(client, [Buffer.from([0, 0, 1, 0])], [1]);
      assert.equal(types(answer), '2CZ');
      assert.deepEqual(await query(postgres, 'select a from t order by a'), [{ a: '1' }, { a: '256' }]);
    });

    it('and gives Postgres’s error where the table is gone', async () => {
      await start('default_pool_size = 2');
      const client = await connect();
      await say(client, parse('select * from t', 's'), sync());
      await elsewhere('drop table t');
      for (let i = 0; i < 2; i++) {
        const answer = await blind(client);
        assert.deepEqual([types(answer), errorOf(answer)?.C], ['EZ', '42P01']);
      }
    });

    it('by who looks names up in another place', async () => {
      await start('default_pool_size = 2');
      await query(
        postgres,
        'drop schema if exists other cascade; create schema other; create table other.t (z text); insert into other.t values ($$o$$)',
      );
      const [a, b] = [await connect(), await connect()];
      await b.query('set search_path = other');
      for (let i = 0; i < 4; i++)
        for (const client of [a, b]) {
          await say(client, parse('select * from t', 's'), sync());
          assert.deepEqual(rows(await blind(client)), [client === a ? ['1', 'x'] : ['o']]);
          await say(client, close('S', 's'), sync());
        }
      await say(a, parse('select * from t', 's'), describeFrame('S', 's'), sync());
      await a.query('set search_path = other');
      isStale(await blind(a));
      assert.deepEqual(rows(await run(a)), [['o']]);
    });
  });

  it('is nothing that node-postgres hears of', async () => {
    await start('default_pool_size = 3');
    const client = new pg.Client(shardyard.url('postgres'));
    await client.connect();
    const ask = async (): Promise<unknown> =>
      (await client.query({ name: 'all of t', text: 'select * from t where a = $1', values: [1] })).rows;
    for (let i = 0; i < 3; i++) assert.deepEqual(await ask(), [{ a: 1, v: 'x' }]);
    await query(postgres, 'alter table t add column b int default 7');
    for (let i = 0; i < 3; i++) assert.deepEqual(await ask(), [{ a: 1, v: 'x', b: 7 }]);
    await client.end();
  });
});
