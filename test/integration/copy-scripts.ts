/** Conversations with COPY that must go through exactly as with Postgres. */
import { frames } from '../support/raw-client.ts';
import { extended, run } from './script-parts.ts';
import type { Script } from './side-by-side.ts';

const { copyData, copyDone, copyFail, flush, query, sync } = frames;

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
