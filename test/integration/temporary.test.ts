/** Temporary tables: those who have none notice nothing, and who has one reads it, by whatever statement, prepared before or after. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';
import { type Script, type Side, sameAnswers } from './side-by-side.ts';

const { bind, close, describe: describeFrame, execute, parse, sync } = frames;

/** As drivers ask without a name: parsed, described, bound and run in one write. */
async function unnamed(side: Side, sql: string, ...values: readonly (string | null)[]): Promise<void> {
  side.send(parse(sql), describeFrame('S'), bind({ values }), execute(), sync());
  await side.until('Z');
}
async function prepare(side: Side, name: string, sql: string): Promise<void> {
  side.send(parse(sql, name), describeFrame('S', name), sync());
  await side.until('Z');
}
/** Without Describe: who asks for the columns again is not told that they have changed, as Postgres would. */
async function run(side: Side, name: string, ...values: readonly (string | null)[]): Promise<void> {
  side.send(bind({ statement: name, values }), execute(), sync());
  await side.until('Z');
}

const READ = 'select * from t order by a';
const INSERT = 'insert into t values ($1)';
const UPDATE = 'update t set a = $1 where a = $2';
const DELETE = 'delete from t where a = $1';
const CHANGES: readonly (readonly [string, ...string[]])[] = [
  [INSERT, '5'],
  [UPDATE, '6', '5'],
  [DELETE, '6'],
];

/** All that can be said of `t`, by each way of saying it. */
async function useAll(side: Side): Promise<void> {
  await side.query(READ);
  for (let i = 0; i < 2; i++) {
    await unnamed(side, READ);
    for (const [sql, ...values] of CHANGES) await unnamed(side, sql, ...values);
  }
}

const MAKE: Readonly<Record<string, string>> = {
  'of the same columns': 'create temp table t (a int)',
  'of another type': 'create temp table t (a text)',
  'of other columns': 'create temp table t (a text, b text default $$x$$)',
  'by INTO': "select '41'::text as a into temp t",
  'by AS': 'create temp table t as select 41 as a',
  'by its schema': 'create table pg_temp.t (a text)',
  'a view': 'create temp view t as select 41 as a',
};

const SCRIPTS: Readonly<Record<string, Script>> = {};
const scripts: Record<string, Script> = SCRIPTS;
for (const [what, make] of Object.entries(MAKE)) {
  scripts[`a temporary table ${what} stands before a table, and goes`] = async (side) => {
    await useAll(side);
    await prepare(side, 'reads', READ);
    await prepare(side, 'inserts', INSERT);
    await side.query(make);
    await run(side, 'reads');
    await run(side, 'inserts', '7');
    await prepare(side, 'reads2', READ);
    await prepare(side, 'inserts2', INSERT);
    await run(side, 'inserts2', '8');
    await run(side, 'reads2');
    await useAll(side);
    await side.query(`drop ${what === 'a view' ? 'view' : 'table'} t`);
    await useAll(side);
    await run(side, 'reads');
    await run(side, 'inserts', '9');
    await side.query('delete from t where a = 9');
  };
}
scripts['a second temporary table, of a name that was read before'] = async (side) => {
  await side.query('create temp table first (a int)');
  await useAll(side);
  await prepare(side, 'before', READ);
  await side.query('create temp table t (a text)');
  await useAll(side);
  await run(side, 'before');
};
for (const end of ['commit', 'rollback']) {
  scripts[`made and dropped in transactions that end by ${end}`] = async (side) => {
    await useAll(side);
    for (const how of ['(a text)', '(a int, b int)']) {
      await side.query('begin');
      await side.query(`create temp table t ${how} on commit drop`);
      await useAll(side);
      await side.query(end);
      await useAll(side);
    }
    await side.query('create temp table other (a int)');
    await side.query('begin');
    await side.query('savepoint s');
    await side.query('create temp table t (a text)');
    await useAll(side);
    await side.query('rollback to s');
    await useAll(side);
    await side.query('create temp table t (a int)');
    await useAll(side);
    await side.query('drop table t');
    await useAll(side);
    await side.query(end);
    await useAll(side);
  };
}
scripts['made and read in one write'] = async (side) => {
  await useAll(side);
  side.send(
    ...['create temp table t (a text)', INSERT, READ].flatMap((sql) => [
      parse(sql),
      bind({ values: sql === INSERT ? ['x'] : [] }),
      describeFrame('P'),
      execute(),
    ]),
    sync(),
  );
  await side.until('Z');
  side.send(
    ...['drop table t', 'create temp table t (a int, b int)', READ].flatMap((sql) => [
      parse(sql, 'n'),
      bind({ statement: 'n' }),
      describeFrame('P'),
      execute(),
      close('S', 'n'),
    ]),
    sync(),
  );
  await side.until('Z');
};
scripts['made and read in one write, with a Sync between'] = async (side) => {
  await useAll(side);
  side.send(
    ...['create temp table t (a text)', INSERT, READ].flatMap((sql) => [
      parse(sql),
      bind({ values: sql === INSERT ? ['x'] : [] }),
      describeFrame('P'),
      execute(),
      sync(),
    ]),
  );
  await side.until('Z', 3);
};
scripts['made by a function'] = async (side) => {
  await useAll(side);
  await side.query('begin');
  await side.query("select makes('first')");
  await useAll(side);
  await side.query("select makes('t')");
  await useAll(side);
  await side.query('commit');
  await useAll(side);
};

const REMADE = 'create table public.other_t (a int)';

describe('temporary tables', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres({ settings: { log_statement: 'all' } });
    await query(postgres, 'create table t (a int); insert into t values (1); create table other_t (a int)');
    await query(
      postgres,
      `create function makes(name text) returns void language plpgsql as $$ begin execute format('create temp table %I (a text)', name); end $$`,
    );
    await query(postgres, 'create function runs(what text) returns void language plpgsql as $$ begin execute what; end $$');
    await query(
      postgres,
      `create function passes() returns void language plpgsql as $$ begin execute 'create temp table gone (a int) on commit drop'; end $$`,
    );
    shardyard = await startInFront(postgres, 'default_pool_size = 2\nauto_prepare = on\nadmin_users = postgres', { metrics: true });
    for (let i = 0; i < 3; i++) await sameAnswers(postgres, shardyard, useAll);
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  for (const [name, script] of Object.entries(SCRIPTS)) it(name, () => sameAnswers(postgres, shardyard, script).then(() => {}));

  it('leave no temporary schema for others to see', async () => {
    const script: Script = async (side) => {
      for (const text of ['drop table pg_temp.nobody', 'select pg_temp.nobody()', 'select pg_my_temp_schema() <> 0, current_schemas(true)'])
        await side.query(text);
      await unnamed(side, 'drop function pg_temp.nobody()');
      await side.query('create temp table mine (a int)');
      for (const text of ['drop table pg_temp.nobody', 'select pg_my_temp_schema() <> 0, array_length(current_schemas(true), 1)'])
        await side.query(text);
    };
    for (let i = 0; i < 2; i++) {
      const makers = [await connect(), await connect()];
      for (const maker of makers) await maker.query('begin; select passes()');
      for (const maker of makers) await maker.query('commit');
      // Where it is, the temporary schema is there.
      for (const maker of makers) assert.equal(errorOf(await maker.query('drop table pg_temp.nobody'))?.C, '42P01');
      await sameAnswers(postgres, shardyard, script);
    }
  });

  /** Names on servers under which this text is run now. */
  async function sharedNames(text: string): Promise<string[]> {
    const client = await connect();
    const from = postgres.log().length;
    for (let i = 0; i < 3; i++) await say(client, parse(text, 'n'), bind({ statement: 'n' }), execute(), close('S', 'n'), sync());
    await client.close();
    const ran = new RegExp(`execute (shardyard_\\d+)[^:]*: ${text}\\n`, 'g');
    return await eventually(() => {
      const names = [...postgres.log().slice(from).matchAll(ran)].map(([, name]) => name!);
      assert.equal(names.length, 3);
      return [...new Set(names)];
    });
  }

  /** One that nobody has prepared before. */
  const newText = (): string => {
    texts += 1;
    return `select ${texts}`;
  };
  let texts = 100;

  const QUIET: Readonly<Record<string, readonly string[]>> = {
    'made and dropped': ['create temp table own (a int)', 'drop table own'],
    'made, used and dropped': [
      'create temp table own (a int)',
      'insert into own values (1)',
      'select * from own, t',
      'truncate own',
      'drop table own',
    ],
    'with an index': ['create temp table own (a int)', 'create index on own (a)'],
    'with an index, and dropped': ['create temp table own (a int)', 'create index on own (a)', 'drop table own'],
    'of a transaction': ['begin; create temp table own (a int) on commit drop', 'insert into own values (1)', 'commit'],
    'made and dropped in one': ['begin', 'create temp table own (a int)', 'drop table own', 'commit'],
    'views and sequences': ['create temp view own as select 1', 'create temp sequence own2', 'drop view own'],
    'by INTO and AS': ['select 1 as a into temp own', 'drop table own', 'create temp table own as select 1', 'drop table if exists own'],
    'by their schema': ['create table pg_temp.own (a int)'],
    'two at once': ['create temp table own (a int); create temp table own2 (a int); drop table own, own2'],
  };
  for (const [what, said] of Object.entries(QUIET)) {
    it(`others keep their statements: ${what}`, async () => {
      const [client, text] = [await connect(), newText()];
      const before = await sharedNames(text);
      for (const each of said) assert.equal(errorOf(await client.query(each))?.M, undefined, each);
      await client.close();
      assert.deepEqual(await sharedNames(text), before);
    });
  }

  /** What is said before, what changes more than the session's own, and what puts that right. */
  const LOUD: Readonly<Record<string, readonly [readonly string[], string, readonly string[]]>> = {
    'a table that was there': [['create table lasting (a int)'], 'drop table lasting', []],
    'one of the same name, by its schema': [['create temp table other_t (a int)'], 'drop table public.other_t', [REMADE]],
    'one of the same name, after the temporary one': [
      ['create temp table other_t (a int)', 'drop table other_t'],
      'drop table other_t',
      [REMADE],
    ],
    'one whose temporary one went with its transaction': [
      ['begin; create temp table other_t (a int) on commit drop; commit'],
      'drop table other_t',
      [REMADE],
    ],
    'one whose temporary one went with its statement': [
      ['create temp table other_t (a int) on commit drop'],
      'drop table other_t',
      [REMADE],
    ],
    'one whose temporary one was rolled back': [
      ['begin', 'savepoint s', 'create temp table other_t (a int)', 'rollback to s'],
      'drop table other_t',
      ['commit', REMADE],
    ],
    'one whose temporary one failed with what followed': [
      ['create temp table other_t (a int); select 1/0'],
      'drop table other_t',
      [REMADE],
    ],
    'one whose temporary one a function took away': [
      ['create temp table other_t (a int)', "select runs('drop table other_t')"],
      'drop table other_t',
      [REMADE],
    ],
    'one that stands before the temporary one': [
      ['create temp table other_t (a int)', 'set search_path = public, pg_temp'],
      'drop table other_t',
      [REMADE],
    ],
    'what hangs on the temporary one': [['create temp table own (a int)'], 'drop table own cascade', []],
    'an index of a table that was there': [[], 'create index on other_t (a)', []],
    'a table beside the temporary one': [['create temp table own (a int)'], 'create table public.own (a int)', ['drop table public.own']],
    'a function that keeps out of the temporary schema': [
      [],
      "create function public.safe() returns int language sql set search_path = pg_catalog, pg_temp as 'select 1'",
      ['drop function public.safe'],
    ],
  };
  for (const [what, [first, loud, last]] of Object.entries(LOUD)) {
    it(`others prepare anew: ${what}`, async () => {
      const client = await connect();
      for (const text of first) await client.query(text);
      const text = newText();
      const before = await sharedNames(text);
      assert.equal(errorOf(await client.query(loud))?.M, undefined);
      assert.notDeepEqual(await sharedNames(text), before);
      for (const each of last) assert.equal(errorOf(await client.query(each))?.M, undefined, each);
      await client.close();
    });
  }
});
