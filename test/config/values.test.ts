import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Parsed } from '../../src/config/values.ts';
import { commaList, defaultSettings, formatG, parseBoolean, parseEnum, parseInteger, parseSeconds } from '../../src/config/values.ts';

const shown = <T>(parsed: Parsed<T>): T | string => (parsed.ok ? parsed.value : `allowed: ${parsed.allowed}`);

test('integers are read as strtol reads them with base 0', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['00', 0],
    ['42', 42],
    ['+42', 42],
    ['0777', 0o777],
    ['0x1fF', 0x1ff],
    ['0X10', 16],
    ['-0', 0],
    ['2147483647', 2147483647],
  ];
  for (const [text, value] of cases) assert.ok(Object.is(shown(parseInteger(text)), value), text);
  assert.equal(shown(parseInteger('-1', -1)), -1);
});

test('what is not wholly an integer, or out of range, is refused', () => {
  for (const text of ['', ' 1', '08', '1.5', '1e3', '10s', '0x', '1 000', '2147483648', '-1', 'ten', '--1', '1_000']) {
    assert.equal(parseInteger(text).ok, false, text);
  }
  assert.equal(shown(parseInteger('70000', 0, 65535)), 'allowed: an integer from 0 to 65535');
});

test('seconds are decimal and become milliseconds', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['5', 5000],
    ['1.5', 1500],
    ['.25', 250],
    ['2.', 2000],
    ['1e2', 100000],
    ['0.0001', 0.1],
    ['0.001', 1],
    ['0.3', 300],
    ['010', 10000],
  ];
  for (const [text, value] of cases) assert.equal(shown(parseSeconds(text)), value, text);
});

test('a unit, a sign or a word is no number of seconds', () => {
  for (const text of ['', '5s', '-1', 'inf', 'nan', '0x10', '1,5', '.', 'e3', '1e999']) assert.equal(parseSeconds(text).ok, false, text);
});

test('booleans are integers or words', () => {
  for (const text of ['1', 'on', 'YES', 'True', '2', '-1', '0x1']) assert.equal(shown(parseBoolean(text)), true, text);
  for (const text of ['0', 'off', 'No', 'FALSE', '00']) assert.equal(shown(parseBoolean(text)), false, text);
  assert.equal(shown(parseBoolean('enabled')), 'allowed: 0 or 1');
});

test('enums are read in any case and kept in their own', () => {
  assert.equal(shown(parseEnum('Round-Robin', ['round-robin', 'disable'])), 'round-robin');
  assert.equal(shown(parseEnum('random', ['round-robin', 'disable'])), 'allowed: round-robin, disable');
});

test('numbers are printed as %g of C prints them', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0'],
    [5, '5'],
    [3600, '3600'],
    [0.25, '0.25'],
    [1 / 3, '0.333333'],
    [123456, '123456'],
    [1000000, '1e+06'],
    [1234567, '1.23457e+06'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [999999.9, '1e+06'],
  ];
  for (const [value, text] of cases) assert.equal(formatG(value), text);
});

test('a comma list is trimmed and has no empty items', () => {
  assert.deepEqual(commaList(' a, b ,,c '), ['a', 'b', 'c']);
  assert.deepEqual(commaList(''), []);
  assert.deepEqual(commaList(undefined), []);
});

test('the defaults are values, times in milliseconds', () => {
  assert.equal(defaultSettings.unix_socket_mode, 0o777);
  assert.equal(defaultSettings.server_lifetime, 3600000);
  assert.equal(defaultSettings.query_wait_notify, 5000);
  assert.equal(defaultSettings.pool_mode, 'session');
  assert.equal(defaultSettings.log_connections, true);
  assert.equal(defaultSettings.verbose, 0);
  assert.equal(defaultSettings.auth_file, undefined);
  assert.equal(defaultSettings.listen_addr, '');
  assert.equal(defaultSettings.sql_parser, 'libpg-query');
});
