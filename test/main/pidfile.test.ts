import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkPidFile } from '../../src/pidfile.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'shardyard-pid-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What checkPidFile did: nothing, or removed a stale file. */
function check(content: string): 'stale' | 'nothing' {
  const file = path.join(folder, 'a.pid');
  writeFileSync(file, content);
  let outcome: 'stale' | 'nothing' = 'nothing';
  checkPidFile(file, () => {
    outcome = 'stale';
  });
  assert.equal(existsSync(file), outcome === 'nothing');
  return outcome;
}

test('no pidfile is configured, or there is none yet: nothing happens', () => {
  checkPidFile('', () => assert.fail());
  checkPidFile(path.join(folder, 'none.pid'), () => assert.fail());
});

test('a pidfile of a process that has ended, or of the own id, is removed', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  assert.equal(check(`${pid}\n`), 'stale');
  assert.equal(check(`${process.pid}\n`), 'stale');
});

test('a pidfile of another process, an empty one and one without a number are in use', () => {
  for (const content of [`${process.ppid}\n`, '1', '', 'x\n', '0\n', '-5\n']) {
    if (content === '1' && process.pid === 1) continue;
    assert.throws(() => check(content), /exists, another instance running\?$/, content);
  }
});

test('the pidfile is written exclusively and removed when the process exits, unless it is somebody else’s by then', () => {
  const module = JSON.stringify(new URL('../../src/pidfile.js', import.meta.url));
  const run = (name: string, rest: string) => {
    const file = JSON.stringify(path.join(folder, name));
    const script = `import fs from 'node:fs'; import { writePidFile } from ${module}; writePidFile(${file}); ${rest.replaceAll('FILE', file)}`;
    return spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  };
  const own = run('own.pid', 'console.log(fs.readFileSync(FILE, "utf8") === process.pid + "\\n")');
  assert.equal(own.stdout, 'true\n');
  assert.equal(existsSync(path.join(folder, 'own.pid')), false);
  assert.equal(run('other.pid', 'fs.writeFileSync(FILE, "7")').status, 0);
  assert.equal(readFileSync(path.join(folder, 'other.pid'), 'utf8'), '7');
  assert.match(run('other.pid', '').stderr, /could not open pidfile '.*other\.pid': EEXIST/);
});
