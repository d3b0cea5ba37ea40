/** Conversations in simple Queries that must go through exactly as with Postgres, by name. They leave nothing behind. */
import { frames } from '../support/raw-client.ts';
import { simple } from './script-parts.ts';
import type { Script } from './side-by-side.ts';

const { copyData, copyDone, copyFail, functionCall, query } = frames;

export const SIMPLE_SCRIPTS: Readonly<Record<string, Script>> = {
  'one statement': simple('select 1 as a, null as b, $$x$$::text as "C d"'),
  'several statements in one Query': simple('select 1; select 2 as b, 3; values (1), (2)', ';;select 5;; ;'),
  'an error in the middle of a Query': simple('select 1; select 1/0; select 3', 'select 4'),
  'a syntax error in the middle, which lets nothing run': simple('select 1; selec 2; select 3', 'select 4'),
  'empty queries': simple('', ' ', ';', ' ; ; ', '-- nothing', '/* nothing */;'),
  'an implicit transaction of several statements': simple(
    'create temp table t (a int); insert into t values (1); insert into t values (2); select * from t',
    'insert into t values (3); select 1/0',
    'select * from t order by a',
  ),
  'a transaction inside a Query': simple('begin; select 1; commit', 'select 1; begin; select 2', 'select 3', 'commit; select 4', 'commit'),
  'a failed transaction': simple('begin', 'select 1/0', 'select 2', '', 'commit', 'select 3'),
  savepoints: simple('begin', 'savepoint a', 'select nothing', 'rollback to a', 'select 1', 'release a', 'rollback', 'rollback'),
  'and chain': simple('begin isolation level serializable', 'commit and chain', 'show transaction_isolation', 'rollback'),
  'notices, warnings and details': simple(
    "do $$ begin raise notice 'a'; raise warning 'b' using detail = 'd', hint = 'h', errcode = '01234'; end $$",
    "do $$ begin raise exception 'x' using detail = 'd', hint = 'h', table = 't', column = 'c', schema = 's', constraint = 'k'; end $$",
    'drop table if exists nothing_like_this',
    'commit',
    'begin; begin; rollback',
  ),
  'settings, told and untold': simple(
    "set application_name = 'Me'",
    "set datestyle to german; select date '2020-01-02'",
    'begin; set local timezone = 5; show timezone',
    'rollback; show timezone',
    'set standard_conforming_strings = off',
    "select 'a\\'b;'",
    'reset all',
    'show datestyle',
    'set nothing.like = 3',
    'show nothing.like',
    'set work_mem = minus',
  ),
  'an error with a position after wide characters': simple("select 'äöü€', nothing"),
  'many columns and many rows': simple(
    `select ${Array.from({ length: 300 }, (_, i) => `${i} as c${i}`).join(', ')}`,
    'select i, repeat($$x$$, i) from generate_series(1, 3000) i',
  ),
  'a large row': simple("select repeat('0123456789', 100000), 1", "select repeat('x', 8192 * 3), repeat('y', 20), repeat('z', 70000)"),
  'a long statement': simple(
    `select length('${'x'.repeat(300_000)}')`,
    `select '${'y'.repeat(9000)}'`,
    `select ${'/* c */'.repeat(3000)} 1`,
  ),
  'notifications to itself': simple('listen a', "notify a, 'one'", "begin; notify a, 'two'; select 1", 'commit', 'unlisten a', 'notify a'),
  'COPY out': simple(
    'copy (select i, i * 2 from generate_series(1, 1000) i) to stdout',
    'copy (select 1) to stdout with (format binary)',
    'copy (select 1/0) to stdout',
    'copy (select 1) to stdout; select 2; copy (values (3)) to stdout (format csv, header)',
    'copy (select 10 / (5 - i) from generate_series(1, 9) i) to stdout',
  ),
  'SQL cursors': simple(
    'begin',
    'declare c cursor for select i from generate_series(1, 5) i',
    'fetch 2 from c',
    'move c',
    'fetch all c',
    'commit',
  ),
  'a cursor with hold': simple('declare h cursor with hold for values (1), (2)', 'fetch h', 'fetch h', 'fetch h', 'close h', 'close h'),
  "SQL's PREPARE": simple('prepare p (int) as select $1 + 1', 'execute p (1)', 'prepare p as select 2', 'deallocate p', 'execute p (2)'),
  'function calls': async (side) => {
    const found = await side.client.query(
      "select 'abs(int4)'::regprocedure::oid, 'lower(text)'::regprocedure::oid, 'int4div'::regproc::oid",
    );
    const [abs = 0, lower = 0, div = 0] = found.find(({ type }) => type === 'D')?.values?.map(Number) ?? [];
    side.send(functionCall(abs, ['-5']), functionCall(lower, ['ABC']), functionCall(lower, [null]), functionCall(div, ['1', '0']));
    await side.until('Z', 4);
    await side.query('begin');
    side.send(functionCall(div, ['1', '0']), functionCall(div, ['1', '1']), query('rollback'));
    await side.until('Z', 3);
    side.send(functionCall(999_999, []));
    await side.until('Z');
  },
  'many Queries in one write': async (side) => {
    side.send(...Array.from({ length: 200 }, (_, i) => query(i % 7 === 3 ? 'select 1/0' : `select ${i}`)));
    await side.until('Z', 200);
  },
  'COPY data of a COPY that was never asked for': async (side) => {
    side.send(copyData('x\n'), copyDone(), copyFail('no'), query('select 1'));
    await side.until('Z');
  },
};
