/** The program as a service: in the background, with pid file and log file, and ended by a signal. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort } from '../support/ports.ts';
import { projectRoot } from '../support/root.ts';

let folder = '';
let program = '';

before(() => {
  folder = mkdtempSync(path.join(tmpdir().length > 60 ? '/tmp' : tmpdir(), 'sy serve '));
  const main = pathToFileURL(fileURLToPath(new URL('../../src/main.js', import.meta.url)));
  program = path.join(folder, 'program.mjs');
  const lines = [
    `import { main } from ${JSON.stringify(main)};`,
    'const status = await main(process.argv.slice(2));',
    'if (status !== undefined) process.exit(status);',
  ];
  writeFileSync(program, lines.join('\n'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

async function ini(name: string, more: string): Promise<string> {
  const file = path.join(folder, `${name}.ini`);
  const own = `listen_port = ${await freePort()}\nunix_socket_dir = ${folder}\nauth_type = trust\n`;
  writeFileSync(file, `[databases]\na = host=127.0.0.1\n[pgbouncer]\n${own}logfile = ${folder}/${name}.log\n${more}`);
  return file;
}

function run(...args: readonly string[]) {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: projectRoot, env, timeout: 60_000 });
}

/** Resolves when a file of the folder is no longer there. */
function gone(file: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(folder, check);
    function check(): void {
      if (existsSync(file)) return;
      watcher.close();
      resolve();
    }
    check();
  });
}

test('with -d the start returns when the one in the background is up, which writes its pid file and removes it at its end', async () => {
  const pidfile = path.join(folder, 'd.pid');
  const file = await ini('daemon', `pidfile = ${pidfile}\n`);
  const started = run('-d', file);
  assert.equal(started.status, 0, started.stderr);
  const pid = Number(readFileSync(pidfile, 'utf8'));
  try {
    const again = run('-d', file);
    assert.equal(again.status, 1);
    assert.match(again.stderr, / FATAL .*(exists, another instance running\?|unix socket is in use)/);
  } finally {
    const ended = gone(pidfile);
    process.kill(pid, 'SIGQUIT');
    await ended;
  }
  const log = readFileSync(path.join(folder, 'daemon.log'), 'utf8');
  assert.ok(log.includes(` [${pid}] `), log);
});

test('with -d a start that fails in the background fails in front, and the log file says why', async () => {
  const file = await ini('failing', `pidfile = ${folder}/failing.pid\nlisten_addr = 203.0.113.1\n`);
  const { status, stderr } = run('-d', file);
  assert.equal(status, 1);
  assert.match(stderr, / FATAL could not start in the background \(status 1\): see the log file/);
  assert.match(readFileSync(path.join(folder, 'failing.log'), 'utf8'), / FATAL .*203\.0\.113\.1/);
  assert.equal(existsSync(path.join(folder, 'failing.pid')), false);
});

test('a pid file that cannot be written ends the start with status 1', async () => {
  const { status, stderr } = run(await ini('nopid', `pidfile = ${folder}/no/such/x.pid\n`));
  assert.match(stderr, / FATAL could not open pidfile '.*x\.pid': ENOENT/);
  assert.equal(status, 1);
});

test('what is not implemented is logged at the start', async () => {
  const { stderr } = run(await ini('not', `pkt_buf = 4096\nsyslog = 0\npidfile = ${folder}/no/such/x.pid\n`));
  assert.match(stderr, /accepted, not implemented: pkt_buf, syslog$/m);
});
