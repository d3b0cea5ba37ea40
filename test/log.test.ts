import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectionPrefix, createLog, type LogOptions, localTime, type RootLog, silentLog } from '../src/log.ts';

const NOON = new Date(2026, 0, 2, 12, 4, 5, 67);

function memoryLog(options: LogOptions = {}): { log: RootLog; lines: string[] } {
  const lines: string[] = [];
  const log = createLog(options, { stderr: (line) => lines.push(line), now: () => NOON, pid: 42 });
  return { log, lines };
}

function inFolder(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'shardyard log '));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a line has the shape that PgBouncer gives it', () => {
  const { log, lines } = memoryLog();
  log.log('process up');
  assert.match(lines[0] ?? '', /^2026-01-02 12:04:05\.067 ([A-Z]+|[+-]\d\d(\d\d)?) \[42\] LOG process up\n$/);
});

test('each level says its name', () => {
  const { log, lines } = memoryLog({ verbose: 2 });
  for (const level of ['fatal', 'error', 'warning', 'log', 'debug', 'noise'] as const) log[level]('x');
  assert.deepEqual(
    lines.map((line) => line.split('] ')[1]),
    ['FATAL x\n', 'ERROR x\n', 'WARNING x\n', 'LOG x\n', 'DEBUG x\n', 'NOISE x\n'],
  );
});

test('DEBUG needs verbose 1 and NOISE verbose 2, also in logs made before', () => {
  const { log, lines } = memoryLog();
  const client = log.of(() => 'C-0x1: ');
  const both = (): number => {
    client.debug('d');
    client.noise('n');
    return lines.length;
  };
  assert.equal(both(), 0);
  log.configure({ verbose: 1 });
  assert.equal(both(), 1);
  log.configure({ verbose: 2 });
  assert.equal(both(), 3);
  assert.equal(log.verbose, 2);
  assert.equal(client.verbose, 2);
});

test('the text of a line that is not shown is never made', () => {
  const { log, lines } = memoryLog();
  log.debug(() => assert.fail('made'));
  log.noise(() => assert.fail('made'));
  log.log(() => 'made');
  assert.equal(lines.length, 1);
});

test('a prefix is asked for anew for each line', () => {
  const { log, lines } = memoryLog();
  let database: string | undefined;
  const client = log.of(() => connectionPrefix({ kind: 'C', id: 31, database, user: 'bob', host: '10.0.0.1', port: 5000 }));
  client.log('hello');
  database = 'shop';
  client.of(() => 'more: ').log('bye');
  assert.deepEqual(
    lines.map((line) => line.slice(line.indexOf('LOG '))),
    ['LOG C-0x1f: (nodb)/bob@10.0.0.1:5000 hello\n', 'LOG C-0x1f: shop/bob@10.0.0.1:5000 more: bye\n'],
  );
});

test('a connection is named by where it comes from', () => {
  assert.equal(connectionPrefix({ kind: 'C', id: 1, host: '::1', port: 5000 }), 'C-0x1: (nodb)/(nouser)@[::1]:5000 ');
  assert.equal(connectionPrefix({ kind: 'C', id: 1, database: 'd', user: 'u', pid: 77, port: 6432 }), 'C-0x1: d/u@unix(77):6432 ');
  assert.equal(connectionPrefix({ kind: 'S', id: 255, database: 'd', user: 'u', port: 5432 }), 'S-0xff: d/u@unix:5432 ');
});

test('an entry of several lines cannot look like several entries', () => {
  const { log, lines } = memoryLog();
  log.warning('first\n2026-01-01 00:00:00.000 UTC [1] FATAL forged\u001b[2J\r\n\n');
  assert.match(lines[0] ?? '', /WARNING first\n\t2026-01-01 .* forged\\x1b\[2J\n$/);
});

test('quiet keeps stderr still and leaves the file', () => {
  inFolder((folder) => {
    const { log, lines } = memoryLog({ quiet: true, logfile: join(folder, 'a.log') });
    log.log('x');
    assert.equal(lines.length, 0);
    assert.match(readFileSync(join(folder, 'a.log'), 'utf8'), /LOG x\n$/);
    log.close();
  });
});

test('a line is in the file when the call returns, behind what was there', () => {
  inFolder((folder) => {
    const logfile = join(folder, 'a.log');
    for (const text of ['one', 'two']) {
      const { log } = memoryLog({ logfile });
      log.log(text);
      assert.match(readFileSync(logfile, 'utf8'), new RegExp(`LOG ${text}\n$`));
      log.close();
    }
    assert.equal(readFileSync(logfile, 'utf8').split('\n').length, 3);
  });
});

test('after a rotation and a reload the new file gets the lines', () => {
  inFolder((folder) => {
    const logfile = join(folder, 'a.log');
    const { log } = memoryLog({ logfile });
    log.log('one');
    renameSync(logfile, join(folder, 'old.log'));
    log.configure({});
    log.log('two');
    assert.match(readFileSync(join(folder, 'old.log'), 'utf8'), /one\n$/);
    assert.match(readFileSync(logfile, 'utf8'), /two\n$/);
    log.close();
  });
});

test('a log file that cannot be opened is an error, and the old one stays in use', () => {
  inFolder((folder) => {
    const logfile = join(folder, 'a.log');
    const { log } = memoryLog({ logfile });
    assert.throws(() => log.configure({ logfile: join(folder, 'none', 'b.log'), verbose: 2 }), { code: 'ENOENT' });
    assert.equal(log.verbose, 0);
    log.log('still here');
    assert.match(readFileSync(logfile, 'utf8'), /still here\n$/);
    log.close();
  });
});

test('an empty name turns the file off', () => {
  inFolder((folder) => {
    const logfile = join(folder, 'a.log');
    const { log } = memoryLog({ logfile });
    log.configure({ logfile: '' });
    log.log('gone');
    assert.equal(readFileSync(logfile, 'utf8'), '');
  });
});

test('times of the console have no milliseconds', () => {
  assert.match(localTime(NOON), /^2026-01-02 12:04:05 \S+$/);
});

test('the silent log says nothing and makes no text', () => {
  silentLog.of(() => assert.fail('made')).fatal(() => assert.fail('made'));
});
