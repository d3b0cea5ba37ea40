/** Conversations that must go through Shardyard exactly as with Postgres, by name. They leave nothing behind on the server. */
import { frames } from '../support/raw-client.ts';
import type { Script } from './side-by-side.ts';

const { bind, close, copyData, copyDone, copyFail, describe, execute, flush, frame, functionCall, parse, query, sync } = frames;

const simple = (...texts: readonly string[]): Script => {
  return async (side) => {
    for (const text of texts) await side.query(text);
  };
};

/** Sends all in one write and notes as many answers as there are Syncs. */
const extended = (...parts: readonly Buffer[]): Script => {
  const syncs = parts.filter((part) => part[0] === 0x53).length;
  return async (side) => {
    side.send(...parts);
    await side.until('Z', syncs);
  };
};

const both = (...scripts: readonly Script[]): Script => {
  return async (side) => {
    for (const script of scripts) await script(side);
  };
};

const run = (sql: string, values: readonly (string | null)[] = []): readonly Buffer[] => [parse(sql), bind({ values }), execute()];

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

export const EXTENDED_SCRIPTS: Readonly<Record<string, Script>> = {
  'parse, bind, describe, execute': extended(parse('select $1::int + 1 as n'), bind({ values: ['4'] }), describe('P'), execute(), sync()),
  'only a Sync': extended(sync(), sync(), sync()),
  'no results': extended(parse('set work_mem = 4096'), describe('S'), bind(), describe('P'), execute(), sync()),
  'an empty statement': extended(parse(''), describe('S'), bind(), describe('P'), execute(), sync()),
  'types given and types found': extended(
    parse('select $1, $2, $3::date', '', [23, 0, 0]),
    describe('S'),
    bind({ values: ['1', 'x', null], resultFormats: [1, 0, 1] }),
    describe('P'),
    execute(),
    sync(),
  ),
  'binary parameters': extended(
    parse('select $1::int, $2::text', 's'),
    bind({ statement: 's', values: [Buffer.from([0, 0, 1, 0]), 'b'], formats: [1, 0], resultFormats: [1] }),
    execute(),
    close('S', 's'),
    sync(),
  ),
  'too few and too many parameters': extended(
    parse('select $1::int, $2::int', 'two'),
    sync(),
    bind({ statement: 'two', values: ['1'] }),
    sync(),
    bind({ statement: 'two', values: ['1', '2', '3'] }),
    sync(),
    bind({ statement: 'two', values: ['1', 'x'] }),
    sync(),
    bind({ statement: 'two', values: ['1', '2'], formats: [0, 0, 0] }),
    sync(),
    bind({ statement: 'two', values: ['1', '2'], resultFormats: [0, 0, 0] }),
    sync(),
    bind({ statement: 'two', values: ['1', '2'] }),
    execute(),
    sync(),
  ),
  'errors skip to Sync': extended(
    ...run('select 1'),
    parse('selec 2'),
    bind(),
    execute(),
    ...run('select 3'),
    sync(),
    ...run('select 4'),
    sync(),
    bind({ statement: 'unknown' }),
    describe('S', 'unknown2'),
    execute('nothing'),
    sync(),
    describe('S', 'unknown'),
    sync(),
    describe('P', 'unknown'),
    sync(),
    execute('unknown'),
    sync(),
    close('S', 'unknown'),
    close('P', 'unknown'),
    sync(),
  ),
  'a Query among skipped frames is skipped': async (side) => {
    side.send(parse('selec'), query('select 1'), functionCall(1, []), sync(), query('select 2'));
    await side.until('Z', 2);
  },
  'a runtime error after rows': extended(parse('select 10 / (3 - i) from generate_series(1, 9) i'), bind(), execute(), execute(), sync()),
  'statements before an error are rolled back with it': both(
    simple('create temp table t (a int)'),
    extended(...run('insert into t values (1)'), ...run('select 1/0'), sync(), ...run('select * from t'), sync()),
    extended(...run('insert into t values (2)'), sync(), ...run('select * from t'), sync()),
  ),
  'a transaction across Syncs': extended(
    ...run('begin'),
    sync(),
    ...run('select 1'),
    sync(),
    ...run('select 1/0'),
    sync(),
    ...run('select 2'),
    sync(),
    ...run('rollback'),
    sync(),
  ),
  'begin and commit inside one pipeline': extended(...run('begin'), ...run('select 1'), ...run('commit'), ...run('select 2'), sync()),
  'the unnamed statement across Syncs': extended(
    parse('select $1::text as first'),
    sync(),
    bind({ values: ['a'] }),
    execute(),
    sync(),
    bind({ values: ['b'] }),
    describe('S'),
    execute(),
    sync(),
  ),
  'the unnamed statement is gone after a Query': async (side) => {
    side.send(parse('select 1'), sync(), query('select 2'), bind(), execute(), sync(), describe('S'), sync());
    await side.until('Z', 4);
  },
  'the unnamed statement after its Close, after an error, after a failing Parse': both(
    extended(parse('select 1'), close('S'), bind(), sync()),
    extended(
      parse('select 1/0'),
      sync(),
      bind(),
      execute(),
      sync(),
      bind(),
      execute(),
      sync(),
      parse('selec'),
      sync(),
      bind(),
      execute(),
      sync(),
    ),
    extended(parse('select 2'), parse('select 3'), bind(), execute(), sync()),
  ),
  'the unnamed portal lives only in its transaction': both(
    extended(parse('values (1), (2), (3)'), bind(), execute('', 1), sync(), execute('', 1), sync()),
    extended(
      ...run('begin'),
      bind(),
      sync(),
      parse('values (1), (2), (3)'),
      bind(),
      execute('', 1),
      sync(),
      execute('', 1),
      sync(),
      execute(),
      sync(),
    ),
    extended(...run('commit'), execute(), sync()),
  ),
  'portals with row limits': extended(
    parse('select i from generate_series(1, 5) i', 's'),
    ...run('begin'),
    bind({ portal: 'p', statement: 's' }),
    bind({ portal: 'q', statement: 's' }),
    execute('p', 2),
    execute('q', 1),
    describe('P', 'p'),
    sync(),
    execute('p', 2),
    execute('q', 3),
    sync(),
    execute('p', 2),
    execute('p', 2),
    close('P', 'q'),
    execute('q'),
    sync(),
    ...run('rollback'),
    close('S', 's'),
    sync(),
  ),
  'a portal name in use': extended(
    ...run('begin'),
    parse('select 1', 's'),
    bind({ portal: 'p', statement: 's' }),
    bind({ portal: 'p', statement: 's' }),
    sync(),
    ...run('rollback'),
    sync(),
  ),
  'a portal and a cursor are one thing': both(
    simple('begin', 'declare c cursor for values (1), (2), (3)'),
    extended(execute('c', 2), describe('P', 'c'), execute('c'), sync()),
    extended(parse('values (7), (8)'), bind({ portal: 'p' }), execute('p', 1), sync()),
    simple('fetch p', 'rollback'),
  ),
  'named statements': extended(
    parse('select 1', 'a'),
    parse('select 2', 'b'),
    sync(),
    parse('select 3', 'a'),
    sync(),
    bind({ statement: 'a' }),
    execute(),
    bind({ statement: 'b' }),
    execute(),
    sync(),
    close('S', 'a'),
    bind({ statement: 'a' }),
    sync(),
    parse('select 3', 'a'),
    bind({ statement: 'a' }),
    execute(),
    describe('S', 'a'),
    sync(),
    parse('selec', 'a'),
    sync(),
    parse('selec', 'c'),
    sync(),
    describe('S', 'c'),
    sync(),
  ),
  'a duplicate inside one pipeline': extended(
    parse('select 1', 'd'),
    parse('select 1', 'd'),
    bind({ statement: 'd' }),
    sync(),
    bind({ statement: 'd' }),
    execute(),
    sync(),
  ),
  'a statement parsed before an error stays': extended(
    parse('select 1', 'e'),
    ...run('select 1/0'),
    sync(),
    bind({ statement: 'e' }),
    execute(),
    sync(),
  ),
  'a statement parsed after an error does not come to be': extended(
    ...run('select 1/0'),
    parse('select 1', 'e'),
    sync(),
    bind({ statement: 'e' }),
    execute(),
    sync(),
  ),
  'a Close after an error does not happen': extended(
    parse('select 1', 'e'),
    sync(),
    ...run('select 1/0'),
    close('S', 'e'),
    sync(),
    bind({ statement: 'e' }),
    execute(),
    sync(),
  ),
  'statements survive rollback': extended(
    ...run('begin'),
    parse('select 1', 'e'),
    ...run('rollback'),
    bind({ statement: 'e' }),
    execute(),
    sync(),
  ),
  'odd statement names': extended(
    ...[
      '"',
      "'",
      'a b',
      'ä€',
      '\\',
      ';--',
      'shardyard_1',
      'shardyard_2',
      'PGBOUNCER_1',
      'x'.repeat(63),
      'y'.repeat(64),
      'y'.repeat(65),
      'z'.repeat(3000),
    ].flatMap((name) => [
      parse('select 1', name),
      bind({ statement: name }),
      execute(),
      sync(),
      parse('select 2', name),
      sync(),
      close('S', name),
      describe('S', name),
      sync(),
    ]),
  ),
  'Flush in odd places': async (side) => {
    side.send(flush(), parse('select 1'), flush());
    await side.until('1');
    side.send(flush(), bind(), flush(), flush(), describe('P'));
    await side.until('2');
    side.send(flush());
    await side.until('T');
    side.send(execute(), flush());
    await side.until('C');
    side.send(flush(), sync(), flush(), query('select 2'), flush(), sync());
    await side.until('Z', 3);
    side.send(parse('selec'), flush());
    await side.until('E');
    side.send(parse('select 1'), flush(), sync(), flush());
    await side.until('Z');
  },
  'Describe with Flush, then Bind, as drivers do': async (side) => {
    side.send(parse('select $1::int8 + 1', 'drv'), describe('S', 'drv'), flush());
    await side.until('T');
    side.send(bind({ statement: 'drv', values: ['4'] }), execute(), close('S', 'drv'), sync());
    await side.until('Z');
    side.send(
      parse('select $1::int8 + 2', 'drv'),
      describe('S', 'drv'),
      sync(),
      bind({ statement: 'drv', values: ['4'] }),
      execute(),
      sync(),
    );
    await side.until('Z', 2);
  },
  'several hundred statements before one Sync': extended(
    ...Array.from({ length: 400 }, (_, i) => [
      parse('select $1::int', `p${i % 9}x${i}`),
      bind({ statement: `p${i % 9}x${i}`, values: [String(i)] }),
      execute(),
    ]).flat(),
    sync(),
  ),
  'several hundred Syncs in one write': extended(
    ...Array.from({ length: 300 }, (_, i) => [...run('select $1::int + 0', [String(i)]), sync()]).flat(),
  ),
  'a pipeline larger than any buffer': extended(
    ...Array.from({ length: 40 }, (_, i) => run('select length($1), $2::int', ['v'.repeat(20_000 + i), String(i)])).flat(),
    sync(),
  ),
  'large parameters': extended(
    parse('select length($1), md5($1)', 'big'),
    bind({ statement: 'big', values: ['z'.repeat(3_000_000)] }),
    describe('P'),
    execute(),
    sync(),
    bind({ statement: 'big', values: ['z'.repeat(9000)] }),
    execute(),
    close('S', 'big'),
    sync(),
    parse('select length($1)'),
    bind({ values: ['z'.repeat(300_000)] }),
    execute(),
    bind({ values: ['y'.repeat(300_000)] }),
    execute(),
    sync(),
    bind({ statement: 'missing', values: ['y'.repeat(300_000)] }),
    execute(),
    sync(),
  ),
  'DEALLOCATE ALL and DISCARD ALL take statements away': both(
    extended(parse('select 1', 'a'), parse('select 2', 'b'), sync()),
    simple('deallocate all'),
    extended(bind({ statement: 'a' }), sync(), parse('select 3', 'a'), bind({ statement: 'a' }), execute(), sync()),
    simple('discard all'),
    extended(bind({ statement: 'a' }), sync(), describe('S', 'b'), sync(), parse('select 4', 'a'), sync()),
    extended(...run('deallocate all'), sync(), bind({ statement: 'a' }), sync()),
    simple('select 1', 'begin; deallocate all; rollback'),
  ),
  'DEALLOCATE of one protocol statement': both(
    extended(parse('select 1', 'a'), parse('select 2', 'b'), sync()),
    simple('deallocate a'),
    extended(bind({ statement: 'a' }), sync(), bind({ statement: 'b' }), execute(), sync()),
    simple('execute b', 'deallocate prepare b', 'execute b'),
  ),
  'statements of PREPARE by the protocol': both(
    simple('prepare sqlp as select 42'),
    extended(
      describe('S', 'sqlp'),
      bind({ statement: 'sqlp' }),
      execute(),
      sync(),
      parse('select 1', 'sqlp'),
      sync(),
      close('S', 'sqlp'),
      bind({ statement: 'sqlp' }),
      sync(),
    ),
  ),
  'several commands in one Parse': extended(parse('select 1; select 2'), sync(), parse('select 1;'), bind(), execute(), sync()),
  'a notice between the answers': extended(...run("do $$ begin raise notice 'n'; end $$"), ...run('select 1'), sync()),
  'a parameter changed between the answers': extended(
    ...run("set application_name = 'x'"),
    ...run('select 1'),
    parse('select 1', 'm'),
    ...run("set application_name = 'y'"),
    sync(),
  ),
  'utility statements with and without results': extended(
    ...run('show server_version'),
    parse('explain select 1'),
    describe('S'),
    bind(),
    execute(),
    ...run('begin'),
    ...run('savepoint s'),
    ...run('rollback to s'),
    ...run('commit'),
    sync(),
  ),
  'vacuum and its like in a pipeline': extended(...run('checkpoint'), sync(), ...run('select 1'), ...run('vacuum pg_namespace'), sync()),
  'broken messages': both(
    extended(frame('P', 'no zero'), sync()),
    extended(frame('B', '\0'), sync()),
    extended(frame('D', 'Xname\0'), sync()),
    extended(frame('D', ''), sync()),
    extended(frame('C', 'Xname\0'), sync()),
    extended(frame('E', '\0'), sync()),
    extended(frame('E', '\0\0\0\0\0more'), sync()),
    extended(frame('P', 's\0select 1\0\0\0more'), sync()),
    extended(frame('P', 's\0select 1\0\0\x05\0\0'), sync()),
    extended(frame('B', Buffer.concat([Buffer.from('\0\0\0\0\0\x01'), Buffer.from([0, 0, 0, 99]), Buffer.from('ab')])), sync()),
    extended(frame('S', 'x')),
    extended(frame('H', 'x'), sync()),
    simple('select 1'),
  ),
  'a Query without its zero, with two, with nothing': async (side) => {
    side.send(frame('Q', 'select 1'));
    await side.until('Z');
    side.send(frame('Q', 'select 1\0select 2\0'));
    await side.until('Z');
    side.send(frame('Q', ''));
    await side.until('Z');
    await side.query('select 3');
  },
  'text that is not UTF-8': async (side) => {
    side.send(frame('Q', Buffer.from("select '\xff\xfe'\0", 'latin1')));
    await side.until('Z');
    side.send(frame('P', Buffer.from("\0select '\xc3'\0\0\0", 'latin1')), sync());
    await side.until('Z');
    side.send(parse('select $1::text'), bind({ values: [Buffer.from([0xff])] }), execute(), sync());
    await side.until('Z');
  },
};

export const COPY_SCRIPTS: Readonly<Record<string, Script>> = {
  'COPY in by Query': async (side) => {
    await side.query('create temp table t (a int, b text)');
    side.send(query('copy t from stdin'));
    await side.until('G');
    side.send(copyData('1\tone\n2\t'), copyData('two\n'), copyData(''), copyDone());
    await side.until('Z');
    await side.query('select * from t');
  },
  'COPY in, all in one write, with more behind': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(query('copy t from stdin; select count(*) from t'), copyData('1\n2\n'), copyDone(), query('select sum(a) from t'));
    await side.until('Z', 2);
  },
  'two COPYs in one Query': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(query('copy t from stdin; copy t from stdin; copy t to stdout'), copyData('1\n'), copyDone(), copyData('2\n'), copyDone());
    await side.until('Z');
  },
  CopyFail: async (side) => {
    await side.query('create temp table t (a int)');
    side.send(query('copy t from stdin'), copyData('1\n'), copyFail('because of ä'), query('select * from t'));
    await side.until('Z', 2);
    await side.query('begin');
    side.send(query('copy t from stdin'), copyFail('no'), query('select 1'), query('rollback'));
    await side.until('Z', 3);
  },
  'an error in the middle of the data': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(query('copy t from stdin'));
    await side.until('G');
    side.send(copyData('1\nx\n'));
    await side.until('E');
    await side.until('Z');
    // What comes late is passed over.
    side.send(copyData('2\n'), copyDone(), query('select * from t'));
    await side.until('Z');
  },
  'an error, with all the data in one write': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(
      query('copy t from stdin'),
      copyData('1\nx\n'),
      ...Array.from({ length: 50 }, () => copyData('2\n')),
      copyDone(),
      query('select * from t'),
    );
    await side.until('Z', 2);
  },
  'other messages in the middle of COPY': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(query('copy t from stdin'), copyData('1\n'), sync(), flush(), copyData('2\n'), copyDone(), query('select * from t'));
    await side.until('Z', 2);
    side.send(query('copy t from stdin'), copyData('1\n'), query('select 5'));
    await side.untilEnd();
  },
  'COPY in by the extended protocol': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(...run('copy t from stdin'), flush());
    await side.until('G');
    side.send(copyData('1\n'), copyDone(), sync());
    await side.until('Z');
    await side.query('select * from t');
  },
  'COPY in with the Sync before the data, as libpq has it': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(...run('copy t from stdin'), sync());
    await side.until('G');
    side.send(copyData('1\n'), copyDone(), sync());
    await side.until('Z');
    side.send(...run('copy t from stdin'), sync(), copyData('2\n'), copyDone(), sync(), ...run('select * from t'), sync());
    await side.until('Z', 2);
  },
  'COPY in that fails, by the extended protocol': async (side) => {
    await side.query('create temp table t (a int)');
    side.send(...run('copy t from stdin'), sync());
    await side.until('G');
    side.send(copyData('x\n'), copyData('y\n'), copyDone(), sync());
    await side.until('Z');
    side.send(...run('copy t from stdin'), sync());
    await side.until('G');
    side.send(copyFail('enough'), sync());
    await side.until('Z');
    await side.query('select * from t');
    side.send(...run('copy nothing from stdin'), sync(), query('select 1'));
    await side.until('Z', 2);
  },
  'COPY out by the extended protocol': extended(
    ...run('copy (select i from generate_series(1, 50) i) to stdout'),
    ...run('select 1'),
    sync(),
    ...run('copy (select 10 / (5 - i) from generate_series(1, 9) i) to stdout'),
    ...run('select 1'),
    sync(),
  ),
  'COPY inside a transaction with statements around it': async (side) => {
    await side.query('begin; create temp table t (a int) on commit drop');
    side.send(query('copy t from stdin (format csv)'), copyData('1\n'), copyDone(), query('copy t to stdout'), query('commit'));
    await side.until('Z', 3);
  },
  'much data, in pieces that do not fit lines': async (side) => {
    await side.query('create temp table t (a int, b text)');
    const data = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `${i}\t${'x'.repeat(i % 90)}\n`).join(''));
    const pieces = Array.from({ length: Math.ceil(data.length / 7777) }, (_, i) => copyData(data.subarray(i * 7777, (i + 1) * 7777)));
    side.send(query('copy t from stdin'), ...pieces, copyDone(), query('select count(*), sum(a), sum(length(b)) from t'));
    await side.until('Z', 2);
    side.send(query('copy t from stdin'), copyData(data), copyDone(), query('select count(*) from t'));
    await side.until('Z', 2);
    await side.query('copy t to stdout');
  },
};
