/** Conversations in the extended protocol that must go through exactly as with Postgres: errors, portals, pipelines, broken messages. */
import { frames } from '../support/raw-client.ts';
import { both, extended, run, simple } from './script-parts.ts';
import type { Script } from './side-by-side.ts';

const { bind, close, describe, execute, flush, frame, functionCall, parse, query, sync, terminate } = frames;

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
  'an error that comes although no Sync and no Flush was sent': both(
    async (side) => {
      side.send(parse('selec'));
      await side.until('E');
      side.send(sync());
      await side.until('Z');
    },
    async (side) => {
      side.send(
        ...run('select 1'),
        parse('select 1/$1::int', 'by'),
        bind({ statement: 'by', values: ['0'] }),
        execute(),
        ...run('select 2'),
      );
      await side.until('E');
      side.send(...run('select 3'), sync());
      await side.until('Z');
    },
    async (side) => {
      side.send(...run('select 1'), flush());
      await side.until('C');
      side.send(...run('select 1/0'));
      await side.until('E');
      side.send(sync());
      await side.until('Z');
    },
  ),
  'Terminate in a pipeline without Sync': async (side) => {
    side.send(parse('select 1', 's'), describe('S', 's'), flush());
    await side.until('T');
    side.send(terminate());
    await side.untilEnd();
  },
  'Terminate behind an error in a pipeline without Sync': async (side) => {
    side.send(parse('selec'), flush());
    await side.until('E');
    side.send(parse('select 1'), terminate());
    await side.untilEnd();
  },
  'EXECUTE of a statement of the protocol, only parsed and described': extended(
    parse('select 1 as one', 'named'),
    sync(),
    parse('execute named', 'e'),
    describe('S', 'e'),
    sync(),
    parse('execute nobody', 'f'),
    describe('S', 'f'),
    sync(),
  ),
  'a text that is prepared once more when its names are looked for elsewhere': async (side) => {
    const { query: say } = side;
    const prepare = async (name: string): Promise<void> => {
      side.send(parse('select * from sp', name), describe('S', name), bind({ statement: name }), execute(), sync());
      await side.until('Z');
    };
    await say('create schema one_way; create schema other_way; create table one_way.sp (a int); create table other_way.sp (a text)');
    await say('set search_path to one_way');
    await prepare('outside');
    await say('set search_path to other_way');
    await say('begin');
    await prepare('in transaction');
    await say('set search_path to one_way');
    await prepare('changed in transaction');
    await say('rollback');
    await say('begin');
    await prepare('rolled back');
    await say('reset search_path');
    await prepare('nowhere');
    await say('rollback');
    await say('drop schema one_way, other_way cascade; reset search_path');
  },
};
