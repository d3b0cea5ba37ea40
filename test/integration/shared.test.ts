/**
 * Shared queries, reply by reply, against Postgres itself: each read in every form of the protocol, so often that it runs alone, among others,
 * and prepared. Postgres is the oracle.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { type Script, type Side, sameAnswers } from './side-by-side.ts';

const { bind, close, describe: describeFrame, execute, flush, parse, sync, terminate } = frames;
const RUNS = 4;

type Read = readonly [sql: string, ...values: readonly (string | null)[]];
const READS: readonly Read[] = [
  ['select 1'],
  ['select $1::int', '7'],
  ['select $1::int', 'seven'],
  ['select $1::int', null],
  ['select 1 / $1::int', '0'],
  ['select 1/0'],
  ['select v from t where id = $1', '3'],
  ['select v from t where id = $1', '12345'],
  ['select v from t where id = $1', 'x'],
  ['select v from t where id = $1 or id = $2', '1', '2'],
  ['select v from t where id = $1', '1', '2'],
  ['select v from t where id = $1 and v = $2', '1'],
  ['select v from t where id = 3'],
  ["select v from t where v = 'five'"],
  ['select * from t order by id limit 5'],
  ['select * from t order by id limit $1', '3'],
  ['select * from missing'],
  ['select missing from t'],
  ['select v from t where id = v'],
  ['select from t where false'],
  ['table t order by id'],
  ['values (1, $1), (2, null)', 'x'],
  ['select sum(id), count(*), avg(id) from t'],
  ["select '2020-01-01'::date + 1, '1 day 2 hours'::interval, '2020-01-01 10:00'::timestamptz"],
  ["select $1::timestamptz, to_char('2020-02-03'::date, 'DD.MM.YYYY')", '2020-06-01 12:00'],
  ["select '1/2/2020'::date"],
  ["select '\\x01'::bytea, 1.5::float8, 1e100::numeric, true, null"],
  ["select array[1,2,3], row(1, 'x'), '{\"a\": 1}'::jsonb -> 'a', 'x'::char(3)"],
  ["select 'ä€😀', length('ä€😀'), upper('ß')"],
  ['select 1 as "", 2 as "ä", 3 as aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ['with recursive r(n) as (select 1 union all select n + 1 from r where n < 9) select sum(n) from r'],
  ['select t.v, u.w from t join u using (id) where t.id < $1 order by 1', '4'],
  ['select (select v from t where id = u.id) from u order by id'],
  ['select x from generate_series(1, $1) x where x % 2 = 0', '9'],
  ["select repeat('x', 40000)"],
  ["select repeat('x', $1::int)", '100000'],
  ['select id, repeat(v, 20) from t order by id'],
  ['select current_user, session_user, current_schema, current_database()'],
  ['/* a comment */ select 5 -- and more'],
  ['select 6;'],
  ["select 't'::regclass, 'int4'::regtype"],
  ["select 'missing'::regclass"],
  ['select $1', 'unknown'],
  ["select $1 || 'x'", 'y'],
  ['select $2::text, $1::int', '1', 'two'],
  ["select e'a\\tb', U&'\\0061', $$dollar$$"],
  ['select * from only t where id between 2 and 3 order by id'],
  ["select xmlelement(name a, 'b'), '<a/>'::xml"],
  ["select to_tsvector('english', 'cats and dogs') @@ 'cat'::tsquery"],
  ['select 1 where exists (select from t)'],
  ['select distinct on (id % 2) id from t order by id % 2, id'],
  ['select id, rank() over (order by v) from t order by id'],
  ['select json_value(\'{"a": "x"}\', \'$.a\' returning int error on error)'],
  ['select 9223372036854775807 + 1'],
  ["select ('x' || id)::int from t"],
  ['select sqrt(-1)'],
  ['select lower(v), id from t where v like $1 order by id', '%e'],
];

const text = ([sql, ...values]: Read): string =>
  values.reduce<string>((sofar, value, i) => sofar.replaceAll(`$${i + 1}`, value === null ? 'null' : `'${value}'`), sql);
const times = async (side: Side, count: number, until: number, ...parts: readonly Buffer[]): Promise<void> => {
  for (let i = 0; i < count; i++) {
    side.send(...parts);
    await side.until('Z', until);
  }
};

const FORMS: Readonly<Record<string, (read: Read) => Script>> = {
  'as Query': (read) => (side) => times(side, RUNS, 1, frames.query(text(read))),
  'without a name':
    ([sql, ...values]) =>
    (side) =>
      times(side, RUNS, 1, parse(sql), bind({ values }), execute(), sync()),
  'without a name, described':
    ([sql, ...values]) =>
    (side) =>
      times(side, RUNS, 1, parse(sql), bind({ values }), describeFrame('P'), execute(), sync()),
  'without a name, all described, in binary':
    ([sql, ...values]) =>
    (side) =>
      times(side, RUNS, 1, parse(sql), describeFrame('S'), bind({ values, resultFormats: [1] }), describeFrame('P'), execute(), sync()),
  'without a name, parsed before':
    ([sql, ...values]) =>
    async (side) => {
      await times(side, 1, 1, parse(sql), sync());
      await times(side, RUNS, 1, bind({ values }), describeFrame('P'), execute(), sync());
      await times(side, 1, 1, describeFrame('S'), sync());
    },
  'with types':
    ([sql, ...values]) =>
    (side) =>
      times(
        side,
        RUNS,
        1,
        parse(
          sql,
          '',
          values.map(() => 25),
        ),
        bind({ values }),
        execute(),
        sync(),
      ),
  'with a name':
    ([sql, ...values]) =>
    async (side) => {
      await times(side, 1, 1, parse(sql, 'mine'), sync());
      await times(side, RUNS, 1, bind({ statement: 'mine', values }), execute(), sync());
      await times(side, 2, 1, describeFrame('S', 'mine'), bind({ statement: 'mine', values }), describeFrame('P'), execute(), sync());
      await times(side, 2, 1, close('S', 'mine'), sync());
      await times(side, 1, 1, bind({ statement: 'mine', values }), execute(), sync());
    },
  'with a name, all at once':
    ([sql, ...values]) =>
    async (side) => {
      await times(side, 1, 1, parse(sql, 'mine'), bind({ statement: 'mine', values }), execute(), sync());
      await times(side, RUNS, 1, parse(sql, 'mine'), bind({ statement: 'mine', values }), execute(), sync());
      await times(side, 1, 1, close('S', 'mine'), sync());
    },
  'in one write with others':
    ([sql, ...values]) =>
    (side) =>
      times(side, 2, 6, ...[1, 2].flatMap(() => [parse(sql), bind({ values }), execute(), sync(), frames.query('select 0'), sync()])),
  'with a limit, and without':
    ([sql, ...values]) =>
    async (side) => {
      for (let i = 0; i < 2; i++) {
        await times(side, 2, 1, parse(sql), bind({ values }), execute(), sync());
        await times(side, 1, 1, parse(sql), bind({ values }), execute('', 2), execute('', 2), sync());
        await times(side, 1, 1, parse(sql), bind({ values, portal: 'p' }), execute('p'), sync());
        await times(side, 1, 1, parse(sql), bind({ values }), execute(), execute(), sync());
        await times(side, 1, 1, parse(sql), bind({ values }), describeFrame('P'), close('P'), sync());
        await times(side, 1, 1, parse(sql), bind({ values }), execute(), close('S'), sync());
      }
    },
  'with Flush':
    ([sql, ...values]) =>
    async (side) => {
      for (let i = 0; i < 2; i++) {
        await times(side, 2, 1, parse(sql), bind({ values }), execute(), sync());
        await times(side, 1, 1, parse(sql), flush(), bind({ values }), flush(), execute(), flush(), sync());
      }
    },
  'described only':
    ([sql]) =>
    async (side) => {
      for (let i = 0; i < 2; i++) {
        await times(side, 1, 1, frames.query('select 1'));
        await times(side, 1, 1, parse(sql), describeFrame('S'), sync());
      }
    },
  'under two names':
    ([sql, ...values]) =>
    async (side) => {
      await times(side, 1, 1, parse(sql, 'mine'), sync());
      await times(side, 2, 1, parse(sql), bind({ statement: 'mine', values }), execute(), sync());
      await times(side, 2, 1, bind({ statement: 'mine', values }), describeFrame('S'), execute(), sync());
      await times(side, 1, 1, close('S', 'mine'), sync());
    },
  'with Terminate behind it':
    ([sql, ...values]) =>
    async (side) => {
      await times(side, 2, 1, parse(sql), bind({ values }), execute(), sync());
      side.send(parse(sql), bind({ values }), execute(), sync(), terminate());
      await side.untilEnd();
    },
};

/** Their requests are of another form. */
const NEVER_SHARED: ReadonlySet<string> = new Set(['described only', 'with a name, all at once', 'under two names']);

for (const [what, settings] of Object.entries({
  'prepared on their own': '',
  'not prepared on their own': 'auto_prepare = off',
  'with room for one statement': 'max_prepared_statements = 1',
  'on one connection': 'default_pool_size = 1\npipeline_width = 1\npipeline_depth = 2',
})) {
  describe(`shared queries answer as Postgres does, ${what}`, () => {
    let postgres: Postgres;
    let shardyard: Shardyard;
    before(async () => {
      postgres = await startPostgres();
      await query(
        postgres,
        "create table t (id int primary key, v text); insert into t select i, (array['one','two','three','four','five'])[i] from generate_series(1, 5) i",
      );
      await query(postgres, "create table u (id int, w text); insert into u values (1, 'a'), (3, 'c'); analyze");
      shardyard = await startInFront(postgres, settings);
    });
    after(async () => {
      await shardyard?.stop();
      await postgres?.stop();
    });
    const shared = async (): Promise<number> => {
      const admin = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer' });
      const answer = await admin.query('show pipeline');
      admin.destroy();
      const at = answer.find(({ type }) => type === 'T')!.columns!.findIndex(({ name }) => name === 'shared');
      return rows(answer).reduce((sum, row) => sum + Number(row[at]), 0);
    };
    // All forms where statements are prepared; elsewhere those that differ.
    const forms = Object.entries(FORMS).filter(([form]) => settings === '' || /without a name$|parsed before|with a name$/.test(form));
    for (const [form, script] of forms) {
      it(form, async () => {
        const before = await shared();
        const all: Script = async (side) => {
          for (const read of READS) if (!side.client.ended) await script(read)(side);
        };
        const options = { parameters: { TimeZone: 'Asia/Tokyo', DateStyle: 'ISO, DMY' } };
        if (form.includes('Terminate')) for (const read of READS.slice(0, 8)) await sameAnswers(postgres, shardyard, script(read), options);
        else await sameAnswers(postgres, shardyard, all, options);
        assert.ok((await shared()) > before || NEVER_SHARED.has(form), 'some were shared');
      });
    }
  });
}
