import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArguments, usage } from '../../src/cli.ts';

const parse = (line: string) => parseArguments(line.split(' ').filter((word) => word !== ''));
const plain = { kind: 'serve', file: 'a.ini', daemon: false, quiet: false, reboot: false, verbose: 0 };

test('a file alone is served, and so is one behind serve', () => {
  assert.deepEqual(parse('a.ini'), plain);
  assert.deepEqual(parse('serve a.ini'), plain);
});

test("PgBouncer's options may stand anywhere, be joined, long or cut short", () => {
  assert.deepEqual(parse('-q -v a.ini -v'), { ...plain, quiet: true, verbose: 2 });
  assert.deepEqual(parse('-dqvvR a.ini'), { ...plain, daemon: true, quiet: true, reboot: true, verbose: 2 });
  assert.deepEqual(parse('--daemon --quiet --verbose a.ini'), { ...plain, daemon: true, quiet: true, verbose: 1 });
  assert.deepEqual(parse('--dae --verb a.ini'), { ...plain, daemon: true, verbose: 1 });
  assert.deepEqual(parse('-- -a.ini'), { ...plain, file: '-a.ini' });
});

test('the user may be joined to its option or stand behind it', () => {
  for (const line of [
    '-u pg a.ini',
    '-upg a.ini',
    '-qupg a.ini',
    '--user pg a.ini',
    '--user=pg a.ini',
    'a.ini -u pg',
    '-u x -u pg a.ini',
  ]) {
    const command = parse(line);
    assert.ok(command.kind === 'serve' && command.user === 'pg' && command.file === 'a.ini', line);
  }
});

test('help and version win over what comes behind them', () => {
  for (const line of ['-h', '--help', '-qh a.ini', 'check --help', '--help --nonsense']) assert.equal(parse(line).kind, 'help', line);
  for (const line of ['-V', '--version', '-V -h']) assert.equal(parse(line).kind, 'version', line);
  assert.match(usage, /^Usage:/m);
});

test('wrong usage says what is wrong', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'no configuration file specified'],
    ['a.ini b.ini', 'no configuration file specified'],
    ['serve', 'no configuration file specified'],
    ['check', 'no configuration file specified'],
    ['check a.ini b.ini', 'no configuration file specified'],
    ['-x a.ini', "invalid option -- 'x'"],
    ['--nope a.ini', "unrecognized option '--nope'"],
    ['--ver a.ini', "option '--ver' is ambiguous"],
    ['--quiet=yes a.ini', "option '--quiet' doesn't allow an argument"],
    ['a.ini -u', "option '--user' requires an argument"],
    ['--nope --help', "unrecognized option '--nope'"],
    ['--database x a.ini', "option '--database' is for route only"],
    ['route', 'no configuration file specified'],
    ['route a.ini SQL', 'route: no --database specified'],
    ['route a.ini --database d', 'route: no SQL specified'],
  ];
  for (const [line, message] of cases) assert.deepEqual(parse(line), { kind: 'wrong', message }, line);
});

test('check takes a file', () => {
  assert.deepEqual(parse('check a.ini'), { kind: 'check', file: 'a.ini' });
});

test('route takes a database, SQL and parameters, which may look like options', () => {
  const sql = 'SELECT $1, $2';
  const expected = { kind: 'route', file: 'a.ini', database: 'd', sql, params: ['-5', '--help'] };
  assert.deepEqual(parseArguments(['route', 'a.ini', '--database', 'd', sql, '-5', '--help']), expected);
  assert.deepEqual(parseArguments(['route', '--database=d', 'a.ini', sql, '-5', '--help']), expected);
  assert.deepEqual(parseArguments(['route', 'a.ini', sql, '--database', 'd', '-5', '--help']), expected);
  assert.deepEqual(parseArguments(['route', '--database', 'd', '--', 'a.ini', '-- comment']), {
    ...expected,
    sql: '-- comment',
    params: [],
  });
  assert.deepEqual(parseArguments(['route', 'a.ini', '--database', 'd', sql]), { ...expected, params: [] });
});
