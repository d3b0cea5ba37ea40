import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, parseCommand } from '../../src/admin/grammar.ts';

const command = (name: string, ...args: string[]): Command => ({ kind: 'command', name, args });
const set = (key: string, value: string): Command => ({ kind: 'set', key, value });
const invalid: Command = { kind: 'invalid' };
const empty: Command = { kind: 'empty' };

const cases: readonly (readonly [text: string, expected: Command])[] = [
  ['SHOW POOLS', command('show', 'POOLS')],
  ['  show\tpools ;\n', command('show', 'pools')],
  ['reload', command('reload')],
  ['PAUSE "my ""odd"" db";', command('pause', 'my "odd" db')],
  ["PAUSE 'it''s'", command('pause', "it's")],
  ['pause my-db.prod', command('pause', 'my-db.prod')],
  ["SHOW ROUTE shop 'select 1; select ''x'''", command('show', 'ROUTE', 'shop', "select 1; select 'x'")],
  ['SET verbose = 2', set('verbose', '2')],
  ['set verbose=2;', set('verbose', '2')],
  ["SET ignore_startup_parameters TO 'a, b'", set('ignore_startup_parameters', 'a, b')],
  ['SET "x" = "y z"', set('x', 'y z')],
  ["SET auth_user = ''", set('auth_user', '')],
  ['SET "" = x', set('', 'x')],
  ['SET default_pool_size = -1', set('default_pool_size', '-1')],
  ['SET x', invalid],
  ['SET x =', invalid],
  ['SET = x', invalid],
  ['SET x = y z', invalid],
  ['SET x == y', invalid],
  ['SHOW POOLS; SHOW CLIENTS', invalid],
  ['SHOW = POOLS', invalid],
  ['PAUSE "open', invalid],
  ["PAUSE 'open", invalid],
  ['', empty],
  [' \n ', empty],
  [';', empty],
  [' ; ; ', empty],
  ['-- ping', empty],
  ['-- who is there\nSHOW CLIENTS', command('show', 'CLIENTS')],
];

for (const [text, expected] of cases) {
  test(`${JSON.stringify(text)} is ${JSON.stringify(expected)}`, () => assert.deepEqual(parseCommand(text), expected));
}
