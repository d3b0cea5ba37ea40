/** The program as a user starts it, as far as it goes without a server. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { version } from '../../src/version.ts';
import { projectRoot } from '../support/root.ts';

let folder = '';
let program = '';

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'shardyard main '));
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

function run(...args: readonly string[]): SpawnSyncReturns<string> {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: projectRoot, env, timeout: 60_000 });
}

/** Writes a configuration and gives its path. */
function ini(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

test('--version has the name and the version of package.json on its first line', () => {
  const { stdout, status } = run('--version');
  assert.equal(stdout.split('\n')[0], `Shardyard ${version}`);
  assert.equal(version, (JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as { version: string }).version);
  assert.equal(status, 0);
});

test('--help goes to stdout with status 0, wrong usage to stderr with status 1', () => {
  const help = run('--help');
  assert.match(help.stdout, /^Usage:$/m);
  assert.equal(help.status, 0);
  const wrong = run('--nonsense');
  assert.equal(wrong.stderr, `shardyard: unrecognized option '--nonsense'\nTry "shardyard --help" for more information.\n`);
  assert.equal(wrong.stdout, '');
  assert.equal(wrong.status, 1);
  assert.equal(run().status, 1);
});

test('check prints what it understood', () => {
  const { stdout, stderr, status } = run('check', 'config/sharded.ini');
  assert.equal(stderr, '');
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'config/sharded.ini: configuration is valid',
    'listens on: 127.0.0.1:6432, /tmp/.s.PGSQL.6432',
    'authentication: scram-sha-256, auth_file config/userlist.txt',
    'console: admin_users admin, stats_users (none)',
    'databases:',
    '  shop_0: shop on 10.0.0.1:5432, 10.0.0.2:5432; reads=replicas; pool_mode=transaction, pool_size=20',
    '  shop_1: shop on 10.0.1.1:5432, 10.0.1.2:5432; reads=replicas; pool_mode=transaction, pool_size=20',
    '  shop: sharded over 0 shop_0, 1 shop_1; pool_mode=transaction',
    '    table customers: by key id (integer), shard_by=consistent',
    '    table orders: by key customer_id (integer), shard_by=consistent',
    '    table order_items: by key customer_id (integer), shard_by=consistent',
    '    table sessions: by key id (uuid), shard_by=hash',
    '    table countries: everywhere (the same rows on each shard)',
    '    table audit.log: on shop_0',
    '  billing: billing on 10.0.2.1:5432; pool_mode=transaction, pool_size=20',
  ]);
  assert.equal(status, 0);
});

test('check shows the fallback, users, limits and what is not implemented, and no password', () => {
  const file = ini(
    'all.ini',
    `[databases]\n'a b' = host=::1 user=u password=hunter2 pool_size=2 max_db_connections=9\n* = host=/run\n[users]\nbob = query_timeout=1.5 pool_size=3\n[pgbouncer]\nauth_file = ${folder}/none.txt\npkt_buf = 1\n`,
  );
  const { stdout, stderr, status } = run('check', file);
  assert.match(stdout, /^ {2}'a b': 'a b' on \[::1\]:5432; user=u; pool_mode=session, pool_size=2, max_db_connections=9$/m);
  assert.match(stdout, /^ {2}\*: the name asked for on \/run:5432; /m);
  assert.match(stdout, /^ {2}bob: query_timeout=1.5s, pool_size=3$/m);
  assert.match(stdout, /^accepted, not implemented: pkt_buf$/m);
  assert.match(stderr, /^warning: auth_file ".*none\.txt" cannot be read/);
  assert.doesNotMatch(stdout + stderr, /hunter2/);
  assert.equal(status, 0);
});

test('check prints every problem with its place and fails', () => {
  const file = ini('bad.ini', '[databases]\na = hots=x password=hunter2\n[shardyard]\npool_mode = tx\nlisten_prt = 1\n');
  const { stdout, stderr, status } = run('check', file);
  assert.equal(stdout, '');
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    `${file}:2: database "a": unknown key "hots"; did you mean "host"?`,
    `${file}:4: pool_mode: "tx" is not allowed; allowed: session, transaction, statement`,
    `${file}:5: unknown setting "listen_prt"; did you mean "listen_port"?`,
    '3 problems in the configuration',
  ]);
  assert.equal(status, 1);
  assert.match(run('check', path.join(folder, 'gone.ini')).stderr, /gone\.ini: cannot read the configuration file: no such file\n/);
});

test('route tells the shard and why, with parameters, and connects to nothing', () => {
  const ask = (...rest: readonly string[]) => run('route', 'config/sharded.ini', '--database', 'shop', ...rest);
  const byKey = ask('SELECT * FROM orders WHERE customer_id = $1', '42');
  assert.match(byKey.stdout, /^run on shard shop_[01] \([12] of 2\) of database shop, a replica/);
  assert.match(byKey.stdout, /^why: key /m);
  assert.equal(byKey.status, 0);
  assert.equal(ask('SELECT * FROM orders WHERE customer_id = 42').stdout, byKey.stdout);
  assert.match(ask('SELECT * FROM orders').stdout, /^refuse with /);
  assert.match(ask('UPDATE orders SET x = 1 WHERE customer_id = $1', '-42').stdout, /, the primary$/m);
});

test('route tells reads from writes for a database with replicas', () => {
  const ask = (sql: string) => run('route', 'config/replicas.ini', '--database', 'shop', sql).stdout;
  assert.match(ask('SELECT * FROM orders WHERE id = 7'), /^run on database shop, a replica/);
  assert.match(ask('SELECT * FROM orders FOR UPDATE'), /^run on database shop, the primary/);
});

test('route fails for an unknown database and for a wrong file', () => {
  const unknown = run('route', 'config/sharded.ini', '--database', 'shpo', 'SELECT 1');
  assert.equal(unknown.stderr, 'no such database: shpo; did you mean "shop"?\n');
  assert.equal(unknown.status, 1);
  assert.equal(run('route', path.join(folder, 'gone.ini'), '--database', 'shop', 'SELECT 1').status, 1);
  assert.equal(run('route', 'config/sharded.ini', '--database', 'shardyard', 'SELECT 1').status, 1);
});

test('a start with a wrong file logs every problem and ends with status 1', () => {
  const { stderr, status } = run(ini('wrong.ini', '[pgbouncer]\na = 1\nb = 2\n'));
  const lines = stderr.trimEnd().split('\n');
  assert.match(lines[0] ?? '', / ERROR \S.*wrong\.ini:2: unknown setting "a"$/);
  assert.match(lines[1] ?? '', / ERROR \S.*wrong\.ini:3: unknown setting "b"$/);
  assert.match(lines[2] ?? '', / FATAL cannot load config file$/);
  assert.equal(status, 1);
});

test('a start is quiet with -q', () => {
  const { stderr, stdout, status } = run('-q', ini('quiet.ini', '[pgbouncer]\na = 1\n'));
  assert.equal(stderr + stdout, '');
  assert.equal(status, 1);
});

test('a daemon needs a pidfile and a logfile', () => {
  const bare = run('-d', ini('d1.ini', '[pgbouncer]\n'));
  assert.match(bare.stderr, / FATAL daemon needs pidfile configured\n/);
  assert.equal(bare.status, 1);
  assert.match(run('-d', ini('d2.ini', `[pgbouncer]\npidfile = ${folder}/d2.pid\n`)).stderr, / FATAL daemon needs logfile configured\n/);
});

test('a pidfile of a running process is fatal, and stays', () => {
  const pidfile = path.join(folder, 'live.pid');
  writeFileSync(pidfile, `${process.pid}\n`);
  const { stderr, status } = run(ini('live.ini', `[pgbouncer]\npidfile = ${pidfile}\n`));
  assert.ok(stderr.includes(`FATAL pidfile '${pidfile}' exists, another instance running?\n`), stderr);
  assert.equal(status, 1);
  assert.ok(existsSync(pidfile));
});

test('a user that does not exist is fatal', () => {
  const { stderr, status } = run('-u', 'no such user', ini('user.ini', '[pgbouncer]\n'));
  assert.match(stderr, / FATAL could not find user 'no such user' to switch to\n/);
  assert.equal(status, 1);
});

test('a log file that cannot be opened is fatal', () => {
  const { stderr, status } = run(ini('log.ini', `[pgbouncer]\nlogfile = ${folder}/no/such.log\n`));
  assert.match(stderr, / FATAL could not open logfile '.*such\.log': ENOENT\n/);
  assert.equal(status, 1);
});
