import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../../src/config/error.ts';
import { databaseFor, loadConfig, notImplementedText } from '../../src/config/load.ts';
import { load, messagesOf, problemsOf } from './loading.ts';

test('an empty file is a configuration with every default', () => {
  const config = load('');
  assert.equal(config.settings.listen_port, 6432);
  assert.equal(config.databases.size, 0);
  assert.equal(config.fallback, undefined);
  assert.deepEqual(config.notImplemented, []);
});

test('[shardyard] and [pgbouncer] are one section, repeated sections add up, the last line wins', () => {
  const config = load(
    '[pgbouncer]\nlisten_port = 1\npool_mode = transaction\n[shardyard]\nlisten_port = 2\n[pgbouncer]\nmax_client_conn = 7\n[databases]\na = port=1\n[databases]\nb = port=2\na = port=3\n',
  );
  assert.equal(config.settings.listen_port, 2);
  assert.equal(config.settings.pool_mode, 'transaction');
  assert.equal(config.settings.max_client_conn, 7);
  assert.equal(config.databases.get('a')?.hosts[0]?.port, 3);
  assert.deepEqual([...config.databases.keys()], ['a', 'b']);
});

test('a database without host is looked for in unix_socket_dir, by its own name', () => {
  const config = load('[databases]\na =\n[pgbouncer]\nunix_socket_dir = /run/pg\n');
  assert.deepEqual(config.databases.get('a'), { name: 'a', dbname: 'a', hosts: [{ host: '/run/pg', port: 5432 }], auto: false });
  assert.deepEqual(messagesOf('[databases]\na =\n[pgbouncer]\nunix_socket_dir =\n'), [
    '2: database "a": host is missing, and unix_socket_dir is empty',
  ]);
});

test('every key of a database is understood', () => {
  const line =
    "host=h port=1 dbname=d user=u password='p w' auth_user=au auth_query='select $1' auth_dbname=ad pool_size=1 min_pool_size=2 reserve_pool_size=3 " +
    "connect_query='select 1' pool_mode=STATEMENT load_balance_hosts=disable max_db_connections=4 max_db_client_connections=5 server_lifetime=6 " +
    'query_wait_timeout=7.5 client_encoding=UTF8 datestyle=ISO timezone=UTC application_name=app reads=any';
  assert.deepEqual(load(`[databases]\nx = ${line}\n`).databases.get('x'), {
    name: 'x',
    dbname: 'd',
    hosts: [{ host: 'h', port: 1 }],
    user: 'u',
    password: 'p w',
    auth_user: 'au',
    auth_query: 'select $1',
    auth_dbname: 'ad',
    pool_size: 1,
    min_pool_size: 2,
    reserve_pool_size: 3,
    connect_query: 'select 1',
    pool_mode: 'statement',
    load_balance_hosts: 'disable',
    max_db_connections: 4,
    max_db_client_connections: 5,
    server_lifetime: 6000,
    query_wait_timeout: 7500,
    client_encoding: 'UTF8',
    datestyle: 'ISO',
    timezone: 'UTC',
    application_name: 'app',
    reads: 'any',
    auto: false,
  });
});

test('-1 inherits, and so does 0 where it would mean no limit', () => {
  const { databases } = load(
    '[databases]\nx = host=h pool_size=-1 min_pool_size=0 max_db_connections=0 server_lifetime=-1 reserve_pool=3\n',
  );
  assert.deepEqual(databases.get('x'), {
    name: 'x',
    dbname: 'x',
    hosts: [{ host: 'h', port: 5432 }],
    min_pool_size: 0,
    reserve_pool_size: 3,
    auto: false,
  });
});

test('several hosts have one port, or a port each', () => {
  const { databases } = load('[databases]\na = host=x,y port=7\nb = host=x,y,::1 port=7,8,9\n');
  assert.deepEqual(databases.get('a')?.hosts, [
    { host: 'x', port: 7 },
    { host: 'y', port: 7 },
  ]);
  assert.deepEqual(databases.get('b')?.hosts, [
    { host: 'x', port: 7 },
    { host: 'y', port: 8 },
    { host: '::1', port: 9 },
  ]);
  assert.deepEqual(messagesOf('[databases]\na = host=x,y,z port=7,8\nb = host=x,,y\nc = host=x port=70000\n'), [
    '2: database "a": port has 2 items for 3 of host; give one, or as many',
    '3: database "b": host: "x,,y" is not allowed; allowed: host names, addresses or socket folders, separated by commas',
    '4: database "c": port: "70000" is not allowed; allowed: a port from 1 to 65535, or as many as there are hosts, separated by commas',
  ]);
});

test('names of databases may be quoted, the names of the console are reserved', () => {
  const { databases } = load(`[databases]\n'we ird' = host=h\n"o'brien" = host=h\n__proto__ = host=h\na.b-c = host=h\n`);
  assert.deepEqual([...databases.keys()], ['we ird', "o'brien", '__proto__', 'a.b-c']);
  assert.deepEqual(messagesOf(`[databases]\npgbouncer = host=h\n'shardyard' = host=h\nwe ird = host=h\n`), [
    '2: database name "pgbouncer" is reserved',
    '3: database name "shardyard" is reserved',
    `4: syntax error: a name in [databases] with characters other than A-Z a-z 0-9 _ . - must be 'quoted'`,
  ]);
});

test('the fallback makes an entry for each name that is not listed', () => {
  const config = load('[databases]\na = host=one\n* = host=two pool_size=3\n');
  assert.deepEqual([...config.databases.keys()], ['a']);
  assert.equal(databaseFor(config, 'a')?.auto, false);
  assert.deepEqual(databaseFor(config, 'b'), {
    name: 'b',
    dbname: 'b',
    hosts: [{ host: 'two', port: 5432 }],
    pool_size: 3,
    auto: true,
  });
  assert.equal(databaseFor(config, 'pgbouncer'), undefined);
  assert.equal(databaseFor(config, ''), undefined);
  assert.equal(databaseFor(load('[databases]\n* = dbname=always\n'), 'b')?.dbname, 'always');
  assert.equal(databaseFor(load('[databases]\na =\n'), 'b'), undefined);
  assert.deepEqual(messagesOf('[databases]\na = host=h\n* = shards=a\n'), ['3: database "*": shards is not allowed for the fallback']);
});

test('users and peers', () => {
  const config = load(
    "[users]\nbob = pool_mode=session pool_size=2 max_user_connections=0 query_timeout=1.5\n'a b' = client_idle_timeout=2\n[peers]\n1 = host=h\n2 = host=/tmp port=7 pool_size=3\n",
  );
  assert.deepEqual(config.users.get('bob'), { name: 'bob', pool_mode: 'session', pool_size: 2, query_timeout: 1500 });
  assert.deepEqual(config.users.get('a b'), { name: 'a b', client_idle_timeout: 2000 });
  assert.deepEqual(config.peers.get(1), { peer_id: 1, host: 'h', port: 6432 });
  assert.deepEqual(config.peers.get(2), { peer_id: 2, host: '/tmp', port: 7, pool_size: 3 });
  assert.deepEqual(config.notImplemented, ['[peers]']);
  assert.deepEqual(messagesOf('[users]\nbob = pool_size=x\n[peers]\none = host=h\n3 = port=5\n'), [
    '2: user "bob": pool_size: "x" is not allowed; allowed: an integer of at least 0, or -1 to inherit',
    '4: peer "one": a peer is named by its number, 1 to 65535',
    '5: peer "3": host is missing',
  ]);
});

const shards = '[databases]\ns0 = host=a\ns1 = host=b\nshop = shards=s0,s1\n';

test('tables of a sharded database: names and types as SQL writes them', () => {
  const config = load(
    `${shards}[tables.shop]\nOrders = key=Customer_Id type=BIGINT\npublic."Odd = Name" = key='"Odd Col"' type='character varying(20)' shard_by=HASH\nids = key=id type=uuid\ncountries = everywhere\naudit.log = on=s0\n`,
  );
  const shop = config.topology.databases.get('shop');
  assert.ok(shop?.kind === 'sharded');
  assert.deepEqual(
    [...shop.tables.values()].flat().map(({ schema, name, placement }) => [schema, name, placement]),
    [
      [undefined, 'orders', { kind: 'key', column: 'customer_id', type: 'integer', shardBy: 'consistent' }],
      ['public', 'Odd = Name', { kind: 'key', column: 'Odd Col', type: 'text', shardBy: 'hash' }],
      [undefined, 'ids', { kind: 'key', column: 'id', type: 'uuid', shardBy: 'consistent' }],
      [undefined, 'countries', { kind: 'everywhere' }],
      ['audit', 'log', { kind: 'on', shard: 's0' }],
    ],
  );
  assert.deepEqual(config.databases.get('shop')?.shards, ['s0', 's1']);
  assert.deepEqual(config.databases.get('shop')?.hosts, []);
});

test('a database with a strange name has tables, too', () => {
  const config = load(`[databases]\ns0 = host=a\n'my shop.eu' = shards=s0\n[tables.'my shop.eu']\nt = everywhere\n`);
  const shop = config.topology.databases.get('my shop.eu');
  assert.ok(shop?.kind === 'sharded' && shop.tables.size === 1);
});

test('what is wrong with a table is said at its line', () => {
  const types = 'smallint, int2, integer, int, int4, bigint, int8, text, varchar, character varying, uuid';
  const forms = 'key=COLUMN type=TYPE [shard_by=consistent|hash], everywhere, or on=SHARD';
  assert.deepEqual(
    messagesOf(
      `${shards}[tables.shop]\na = key=id\nb = key=id type=float8\nc = key=a.b type=int\nd = every\ne = keys=id\nf = on=s0 key=id\ng = key=id type=int shard_by=range\na.b.c = everywhere\nh = everywhere\nH = everywhere\ni =\n`,
    ),
    [
      `6: [tables.shop] a: type is missing; allowed: ${types}`,
      `7: [tables.shop] b: type "float8" cannot be a shard key; allowed: ${types}`,
      '8: [tables.shop] c: key must be the name of one column',
      `9: [tables.shop] d: expected key=value at its start (quote a value that has blanks in it: 'a b'); allowed: ${forms}`,
      '10: [tables.shop] e: unknown key "keys"; did you mean "key"?',
      `11: [tables.shop] f: allowed: ${forms}`,
      '12: [tables.shop] g: shard_by: allowed: consistent, hash',
      '13: [tables.shop]: "a.b.c" is not the name of a table',
      '15: table "H" has a line already (test.ini:14)',
      `16: [tables.shop] i: allowed: ${forms}`,
    ],
  );
});

test('tables for a database that is unknown or not sharded are a problem', () => {
  assert.deepEqual(messagesOf(`${shards}[tables.shpo]\na = everywhere\n[tables.s0]\n`), [
    '5: [tables.shpo]: there is no database "shpo"; did you mean [tables.shop]?',
    '7: [tables.s0]: database "s0" is not sharded (it has no shards=)',
  ]);
});

test('what routing finds wrong is said at the line of the database or table', () => {
  const problems = problemsOf('[databases]\na = host=h\nshop = shards=a,b\n[tables.shop]\nt = on=c\npg_catalog.x = everywhere\n');
  assert.deepEqual(
    problems.map(({ line }) => line),
    [3, 5, 6],
  );
  assert.match(problems[0]?.message ?? '', /"b" is not a database/);
});

test('a sharded database has no hosts, ports or pools of its own', () => {
  assert.deepEqual(
    problemsOf(`[databases]\na = host=h\nshop = shards=a host=x reads=any pool_size=4 password=secret\n`).map((problem) => problem.key),
    ['host', 'reads', 'pool_size', 'password'],
  );
  assert.equal(load(`[databases]\na = host=h\nshop = shards=a pool_mode=session\n`).databases.get('shop')?.pool_mode, 'session');
});

test('all problems come at once, in the order of the file, each with its place and the nearest known name', () => {
  const text =
    '[pgbuncer]\nx = 1\n[pgbouncer]\npool_mode = transactions\nlisten_prt = 1\nmax_client_conn = many\n[databases]\na = hosts=h\nb = pool_mode=x\n%include gone.ini\n';
  assert.deepEqual(
    problemsOf(text).map(({ file, line, key, found, allowed, nearest }) => ({ file, line, key, found, allowed, nearest })),
    [
      { file: 'test.ini', line: 1, key: 'pgbuncer', found: undefined, allowed: undefined, nearest: 'pgbouncer' },
      {
        file: 'test.ini',
        line: 4,
        key: 'pool_mode',
        found: 'transactions',
        allowed: 'session, transaction, statement',
        nearest: undefined,
      },
      { file: 'test.ini', line: 5, key: 'listen_prt', found: undefined, allowed: undefined, nearest: 'listen_port' },
      { file: 'test.ini', line: 6, key: 'max_client_conn', found: 'many', allowed: 'an integer, at least 0', nearest: undefined },
      { file: 'test.ini', line: 8, key: 'hosts', found: undefined, allowed: undefined, nearest: 'host' },
      { file: 'test.ini', line: 9, key: 'pool_mode', found: 'x', allowed: 'session, transaction, statement', nearest: undefined },
      { file: 'test.ini', line: 10, key: '%include', found: 'gone.ini', allowed: undefined, nearest: undefined },
    ],
  );
});

test('a problem in an included file names that file', () => {
  assert.deepEqual(
    problemsOf('[pgbouncer]\n%include more.ini\nnope = 1\n', { 'more.ini': '\nlisten_port = x\n' }).map((p) => `${p.file}:${p.line}`),
    ['test.ini:3', 'more.ini:2'],
  );
});

test('no password is in a message, however the line is broken', () => {
  const lines = [
    'a = host=h password=hunter2 pool_size=x',
    'a = host=h password=hunter2 nonsense',
    'a = host=h password=one hunter2=x',
    'a = host=h password=one pool_size=hunter2',
    "a = host=h password='hunter2",
    "a = host=h password='hunter2' pool_mode=x",
    'a = password=hunter2',
    'a = shards=b password=hunter2',
    'a b password=hunter2 = c',
    'password=hunter2 x y',
    'a: host=h password=hunter2',
    'hunter2',
  ];
  for (const line of lines) {
    const problems = problemsOf(`[databases]\n${line}\n[pgbouncer]\nunix_socket_dir =\npassword = hunter2\n`);
    assert.ok(problems.length > 0, line);
    assert.doesNotMatch(JSON.stringify(problems), /hunter2/, line);
    assert.doesNotMatch(new ConfigError(problems).message, /hunter2/, line);
  }
});

test('values that promise what is not there are fatal, with the reason', () => {
  for (const setting of [
    'auth_type = hba',
    'auth_type = Cert',
    'auth_type = ldap',
    'auth_type = pam',
    'client_tls_sslmode = require',
    'client_tls_sslmode = verify-full',
    'server_tls_sslmode = require',
    'server_tls_sslmode = verify-ca',
  ]) {
    const [problem, ...more] = problemsOf(`[pgbouncer]\n${setting}\n`);
    assert.match(problem?.message ?? '', /not implemented yet/, setting);
    assert.equal(more.length, 0);
  }
  for (const mode of ['disable', 'allow', 'prefer'])
    assert.deepEqual(load(`[pgbouncer]\nserver_tls_sslmode = ${mode}\n`).notImplemented, []);
  assert.deepEqual(load('[pgbouncer]\nclient_tls_sslmode = disable\n').notImplemented, []);
  assert.deepEqual(load('[pgbouncer]\nclient_tls_sslmode = prefer\n').notImplemented, ['client_tls_sslmode']);
});

test('what is accepted and not implemented is listed once, in the order of the file', () => {
  const config = load(
    '[databases]\na = auth_user=x\nb = auth_user=y\n[pgbouncer]\npkt_buf = 1\nlisten_port = 1\nsyslog = 1\npkt_buf = 2\nauth_user = z\n',
  );
  assert.equal(notImplementedText(config), 'accepted, not implemented: pkt_buf, syslog, auth_user');
  assert.equal(notImplementedText(load('')), undefined);
});

test('the console cannot be where auth_query runs', () => {
  assert.deepEqual(messagesOf('[databases]\na = host=h auth_dbname=pgbouncer\n[pgbouncer]\nauth_dbname = pgbouncer\n'), [
    '2: cannot use the reserved "pgbouncer" database as an auth_dbname',
    '4: cannot use the reserved "pgbouncer" database as an auth_dbname',
  ]);
});

test('a configuration cannot be changed', () => {
  const config = load('[databases]\na = host=h\n* =\n[users]\nu = pool_size=1\n[pgbouncer]\npkt_buf = 1\n');
  const changes: readonly (() => unknown)[] = [
    () => Object.assign(config, { file: 'x' }),
    () => Object.assign(config.settings, { listen_port: 1 }),
    () => Object.assign(config.databases.get('a') ?? {}, { dbname: 'x' }),
    () => ((config.databases.get('a')?.hosts ?? []) as unknown[]).push(1),
    () => (config.databases as Map<string, unknown>).set('b', {}),
    () => (config.users as Map<string, unknown>).clear(),
    () => (config.topology.databases as Map<string, unknown>).delete('a'),
    () => (config.notImplemented as string[]).push('x'),
    () => Object.assign(databaseFor(config, 'z') ?? {}, { dbname: 'x' }),
  ];
  for (const change of changes) assert.throws(change, TypeError);
  assert.equal(config.databases.get('a')?.dbname, 'a');
});

test('a reload keeps what cannot change, keeps SET where there is no default, and counts epochs', () => {
  const before = load('[pgbouncer]\nlisten_port = 1\npool_mode = session\nauth_user = set\n');
  const after = load('[pgbouncer]\nlisten_port = 2\npool_mode = transaction\n', { previous: before });
  assert.equal(after.settings.listen_port, 1);
  assert.deepEqual(after.restartNeeded, ['listen_port']);
  assert.equal(after.settings.pool_mode, 'transaction');
  assert.equal(after.settings.auth_user, 'set');
  assert.equal(load('[pgbouncer]\nauth_user = new\n', { previous: before }).settings.auth_user, 'new');
  assert.equal(after.topology.epoch, before.topology.epoch + 1);
});

test('a missing file and a folder are configuration errors', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'shardyard-config-'));
  try {
    assert.throws(() => loadConfig(path.join(folder, 'no.ini')), {
      name: 'ConfigError',
      message: /no\.ini: cannot read .*: no such file$/,
    });
    assert.throws(() => loadConfig(folder), { name: 'ConfigError', message: /: it is a directory$/ });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
