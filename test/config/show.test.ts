import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingNames } from '../../src/config/settings.ts';
import { configRows, setSetting } from '../../src/config/show.ts';
import { load } from './loading.ts';

test('SHOW CONFIG has every setting but the one for Windows, sorted by name', () => {
  const keys = configRows(load('')).map(({ key }) => key);
  assert.deepEqual(keys, [...settingNames].filter((name) => name !== 'service_name').sort());
});

test('SHOW CONFIG prints values as PgBouncer does', () => {
  const rows = new Map(
    configRows(load('[pgbouncer]\nserver_login_retry = 0.25\nlog_stats = off\npool_mode = STATEMENT\n')).map((r) => [r.key, r]),
  );
  const expected = [
    { key: 'unix_socket_mode', value: '511', default: '0777', changeable: 'no' },
    { key: 'server_login_retry', value: '0.25', default: '15', changeable: 'yes' },
    { key: 'server_lifetime', value: '3600', default: '3600', changeable: 'yes' },
    { key: 'query_wait_notify', value: '5', default: '5', changeable: 'yes' },
    { key: 'log_stats', value: '0', default: '1', changeable: 'yes' },
    { key: 'pool_mode', value: 'statement', default: 'session', changeable: 'yes' },
    { key: 'auth_file', value: null, default: null, changeable: 'yes' },
    { key: 'listen_addr', value: '', default: '', changeable: 'no' },
    { key: 'verbose', value: '0', default: null, changeable: 'yes' },
    { key: 'conffile', value: 'test.ini', default: null, changeable: 'yes' },
    { key: 'max_packet_size', value: '2147483647', default: '2147483647', changeable: 'yes' },
  ];
  for (const row of expected) assert.deepEqual(rows.get(row.key), row);
});

test('SET gives a new configuration and leaves the old one alone', () => {
  const before = load('[databases]\na = host=h\n');
  const after = setSetting(before, 'query_wait_timeout', '1.5');
  assert.equal(after.settings.query_wait_timeout, 1500);
  assert.equal(before.settings.query_wait_timeout, 120000);
  assert.equal(after.databases, before.databases);
  assert.ok(Object.isFrozen(after) && Object.isFrozen(after.settings));
});

test('SET of what cannot change changes nothing, as in PgBouncer', () => {
  const config = load('');
  assert.equal(setSetting(config, 'listen_port', '1'), config);
});

test('SET refuses unknown settings, wrong values and unsafe ones', () => {
  const config = load('');
  assert.throws(() => setSetting(config, 'pool_mod', 'session'), { name: 'ConfigError', message: /did you mean "pool_mode"/ });
  assert.throws(() => setSetting(config, '__proto__', 'session'), { name: 'ConfigError' });
  assert.throws(() => setSetting(config, 'pool_mode', 'x'), { name: 'ConfigError', message: /allowed: session/ });
  assert.throws(() => setSetting(config, 'server_tls_sslmode', 'require'), { name: 'ConfigError', message: /TLS is not implemented yet/ });
});
