/** What is written about the configuration agrees with the code. UPDATE=1 writes the generated parts anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { kindsMarkdown, referenceIni, settingsMarkdown } from '../../src/config/reference.ts';
import { settingNames, settingsTable } from '../../src/config/settings.ts';
import { defaultSettings } from '../../src/config/values.ts';
import { projectRoot } from '../support/root.ts';
import { load } from './loading.ts';

const inProject = (name: string): string => path.join(projectRoot, name);
const textOf = (name: string): string => readFileSync(inProject(name), 'utf8');

/** The file must be `expected`, or becomes it. */
function assertFile(name: string, expected: string): void {
  if (process.env.UPDATE === '1') writeFileSync(inProject(name), expected);
  assert.equal(textOf(name), expected, `${name} is stale: run this test with UPDATE=1`);
}

test('docs/configuration.md has the table of the settings as they are', () => {
  const [start, end] = ['<!-- settings: made from src/config/settings.ts -->\n', '\n<!-- end of settings -->'];
  const text = textOf('docs/configuration.md');
  const [from, to] = [text.indexOf(start) + start.length, text.indexOf(end)];
  assert.ok(from >= start.length && to > from);
  assertFile('docs/configuration.md', `${text.slice(0, from)}\n${settingsMarkdown()}\n${text.slice(to)}`);
});

test('docs/exactness.md has the kinds of session state as they are', () => {
  const [start, end] = ['<!-- kinds: made from routing/session-state.ts -->\n', '<!-- end of kinds -->'];
  const text = textOf('docs/exactness.md');
  const [from, to] = [text.indexOf(start) + start.length, text.indexOf(end)];
  assert.ok(from >= start.length && to >= from);
  assertFile('docs/exactness.md', `${text.slice(0, from)}\n${kindsMarkdown()}\n\n${text.slice(to)}`);
});

test('the examples in docs/configuration.md are configurations', () => {
  const examples = [...textOf('docs/configuration.md').matchAll(/^```ini\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
  assert.ok(examples.length > 0);
  for (const example of examples) load(example, {}, { '/etc/shardyard/databases.ini': '' });
});

test('docs/configuration.md names every key of a database and of a user', () => {
  const text = textOf('docs/configuration.md');
  const { databases, users } = loadConfig(inProject('test/config/fixtures/pgbouncer.ini'));
  const keys = [...databases.values(), ...users.values()].flatMap((entry) => Object.keys(entry));
  for (const key of new Set([...keys, 'reads', 'shards', 'port'])) {
    if (!['name', 'auto', 'hosts'].includes(key)) assert.ok(text.includes(`| \`${key}\``), key);
  }
});

test('config/shardyard.ini is the reference of the settings as they are', () => {
  assertFile('config/shardyard.ini', referenceIni());
});

test('config/shardyard.ini says the defaults: it means the same with and without its comment signs', () => {
  const text = textOf('config/shardyard.ini');
  assert.deepEqual(load(text).settings, defaultSettings);
  const open = load(text.replace(/^;(?=[a-z])/gm, ''));
  for (const name of settingNames) {
    if (settingsTable[name].default !== null) assert.deepEqual(open.settings[name], defaultSettings[name], name);
  }
});

const example = (name: string): Config => loadConfig(inProject(`config/${name}`));

test('config/pooler.ini is a pooler for one server', () => {
  const { databases, settings, users, notImplemented } = example('pooler.ini');
  assert.deepEqual([...databases.keys()], ['shop', 'reports']);
  assert.deepEqual(databases.get('shop')?.hosts, [{ host: '127.0.0.1', port: 5432 }]);
  assert.equal(databases.get('reports')?.pool_mode, 'session');
  assert.equal(users.get('reporting')?.query_timeout, 600000);
  assert.equal(settings.pool_mode, 'transaction');
  assert.equal(settings.auth_type, 'scram-sha-256');
  assert.deepEqual(notImplemented, []);
});

test('config/replicas.ini splits reads and writes', () => {
  const { databases, settings, topology, notImplemented } = example('replicas.ini');
  assert.equal(databases.get('shop')?.reads, 'replicas');
  assert.equal(databases.get('shop')?.hosts.length, 3);
  assert.deepEqual(topology.databases.get('shop_primary'), { kind: 'plain', name: 'shop_primary', reads: 'primary' });
  assert.equal(settings.health_check_period, 2000);
  assert.equal(settings.metrics_port, 9127);
  assert.deepEqual(notImplemented, []);
});

test('config/sharded.ini is a sharded database of two shards', () => {
  const { databases, topology, notImplemented } = example('sharded.ini');
  const shop = topology.databases.get('shop');
  assert.ok(shop?.kind === 'sharded');
  assert.deepEqual(shop.shards, ['shop_0', 'shop_1']);
  assert.deepEqual([...shop.tables.keys()], ['customers', 'orders', 'order_items', 'sessions', 'countries', 'log']);
  assert.equal(topology.databases.get('billing')?.kind, 'plain');
  assert.equal(databases.get('shop_0')?.reads, 'replicas');
  assert.deepEqual(notImplemented, []);
});

test('the auth_file of the examples has the users that they name', () => {
  const users = [...textOf('config/userlist.txt').matchAll(/^"([^"]+)" "[^"]+"$/gm)].map((match) => match[1]);
  assert.deepEqual(users, ['app', 'admin', 'reporting']);
});

test('a complete pgbouncer.ini loads, and every one of its 101 settings is known', () => {
  const file = 'test/config/fixtures/pgbouncer.ini';
  const named = new Set([...(textOf(file).split('[pgbouncer]')[1] ?? '').matchAll(/^([a-z_0-9]+) = /gm)].map((match) => match[1]));
  const ours = settingNames.filter((name) => ['shardyard', 'state'].includes(settingsTable[name].group));
  assert.equal(named.size, 101);
  assert.deepEqual([...named].sort(), settingNames.filter((name) => !ours.includes(name)).sort());

  const { settings, databases, fallback, users, peers, notImplemented } = loadConfig(inProject(file));
  assert.equal(settings.unix_socket_mode, 0o770);
  assert.equal(settings.auth_type, 'scram-sha-256');
  assert.equal(settings.auth_query, 'SELECT usename, passwd FROM pg_shadow WHERE usename = $1; -- one row # or none');
  assert.equal(settings.reserve_pool_timeout, 2500);
  assert.equal(databases.get('forcedb')?.password, "it's;a#secret");
  assert.equal(databases.get('nondefaultdb')?.reserve_pool_size, 10);
  assert.deepEqual(databases.get('we ird')?.hosts, [{ host: '@abstract', port: 5432 }]);
  assert.deepEqual(databases.get('accounts')?.hosts, [{ host: '/var/run/postgresql', port: 5432 }]);
  assert.equal(fallback?.hosts[0]?.host, 'testserver');
  assert.equal(users.get('slow')?.transaction_timeout, 120000);
  assert.equal(peers.get(2)?.port, 6433);
  assert.ok(notImplemented.includes('auth_query') && notImplemented.includes('[peers]') && !notImplemented.includes('pool_mode'));
});
