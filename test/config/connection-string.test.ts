import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePairs } from '../../src/config/connection-string.ts';

function split(text: string): unknown {
  const result = parsePairs(text);
  return 'problem' in result ? result.problem : result.pairs.map(({ key, value }) => [key, value]);
}

test('pairs are split at blanks', () => {
  assert.deepEqual(split('  host=a   port=5432\tdbname=b '), [
    ['host', 'a'],
    ['port', '5432'],
    ['dbname', 'b'],
  ]);
  assert.deepEqual(split(''), []);
});

test('blanks around the equals sign are allowed', () => {
  assert.deepEqual(split('host = a port= 1'), [
    ['host', 'a'],
    ['port', '1'],
  ]);
});

test('a quoted value may hold blanks and doubled quotes; a backslash is only a backslash', () => {
  assert.deepEqual(split(`connect_query='select ''a b''' password='it''s' user='a\\' dbname=c\\d`), [
    ['connect_query', `select 'a b'`],
    ['password', `it's`],
    ['user', 'a\\'],
    ['dbname', 'c\\d'],
  ]);
});

test('a quote inside an unquoted value is part of it', () => {
  assert.deepEqual(split(`password=it's port=1`), [
    ['password', `it's`],
    ['port', '1'],
  ]);
});

test('an unquoted value may hold semicolons, hashes and equals signs', () => {
  assert.deepEqual(split('password=a;b#c=d== host=h'), [
    ['password', 'a;b#c=d=='],
    ['host', 'h'],
  ]);
});

test('empty values, missing values and open quotes are refused', () => {
  assert.match(String(split('host=')), /empty value/);
  assert.match(String(split(`host=''`)), /empty value/);
  assert.match(String(split(`a=b host='x`)), /not closed behind "a"/);
  assert.match(String(split('host')), /expected key=value at its start/);
  assert.match(String(split('=x')), /expected key=value/);
});

test('nothing behind an unquoted password is shown', () => {
  const result = parsePairs('host=a password=my secret=word');
  assert.ok('pairs' in result);
  assert.deepEqual(
    result.pairs.map(({ key, showable }) => [key, showable]),
    [
      ['host', true],
      ['password', true],
      ['secret', false],
    ],
  );
  const problem = String(split('password=my secret word'));
  assert.match(problem, /behind the password/);
  assert.doesNotMatch(problem, /secret|word"/);
});
