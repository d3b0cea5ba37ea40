import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadModule, parseSync } from 'libpg-query';
import { scan, Token } from '../../routing/scan.ts';

await loadModule();

const tokens = (text: string): readonly string[] => {
  const { kinds, starts, ends } = scan(text);
  return Array.from(kinds, (_, i) => text.slice(starts[i], ends[i]));
};
const statements = (text: string): readonly string[] => scan(text).statements.map(({ start, end }) => text.slice(start, end));

test('a string goes on where the next line begins with a quote, and keeps its kind of escapes', () => {
  assert.deepEqual(tokens("select 'a'\n'b;'"), ['select', "'a'\n'b;'"]);
  assert.deepEqual(tokens("select 'a' 'b'"), ['select', "'a'", "'b'"]);
  assert.deepEqual(tokens("select E'a'\n'b\\';' ;x"), ['select', "E'a'\n'b\\';'", ';', 'x']);
  assert.deepEqual(tokens("select 'a' -- c\n 'b'"), ['select', "'a' -- c\n 'b'"]);
  assert.deepEqual(tokens("select 'a' /* c */\n 'b'"), ['select', "'a'", "'b'"]);
});

test('a letter is a prefix of a string only where the word begins with it', () => {
  assert.deepEqual(tokens("E'\\''x"), ["E'\\''", 'x']);
  assert.deepEqual(tokens("ae'\\'x"), ['ae', "'\\'", 'x']);
  assert.deepEqual(tokens(`U&"a;"u&'b'n'c'B'1'x'f'`), ['U&"a;"', "u&'b'", "n'c'", "B'1'", "x'f'"]);
  assert.deepEqual(tokens('u & "a"'), ['u', '&', '"a"']);
});

test('dollars quote, count parameters, and belong to names', () => {
  assert.deepEqual(tokens('$$a;$$ $t$ $$ $u$ $t$ $1 a$1 a$b$c'), ['$$a;$$', '$t$ $$ $u$ $t$', '$1', 'a$1', 'a$b$c']);
  assert.equal(scan('select $2, $11, a$99').params, 11);
  assert.equal(scan('select 1$$;$$').statements.length, 1);
});

test('comments nest, and end an operator', () => {
  assert.deepEqual(tokens('1 /* a /* b */ c */ + 2'), ['1', '+', '2']);
  assert.deepEqual(tokens('1 +-- x\n2 */* y */ 3'), ['1', '+', '2', '*', '3']);
  assert.deepEqual(tokens('a /*/ b */ c'), ['a', 'c']);
  assert.deepEqual(tokens('a /***/ b /**/ c'), ['a', 'b', 'c']);
});

test('operators and punctuation are cut as Postgres cuts them', () => {
  assert.deepEqual(tokens('a::b[1:2].c<=d:=e<>f'), ['a', '::', 'b', '[', '1', ':', '2', ']', '.', 'c', '<=', 'd', ':=', 'e', '<>', 'f']);
  assert.deepEqual(tokens('1.5e-10 .5 1..2 0xFF 1_000'), ['1.5e-10', '.5', '1', '..', '2', '0xFF', '1_000']);
});

test('letters beyond ASCII belong to names', () => {
  assert.deepEqual(tokens('sélect_é 日本;'), ['sélect_é', '日本', ';']);
});

test('semicolons inside parentheses and SQL bodies split nothing', () => {
  assert.deepEqual(statements('create rule r as on insert to t do (a; b); select 1'), [
    'create rule r as on insert to t do (a; b)',
    'select 1',
  ]);
  const body = 'create or replace procedure p() begin atomic insert into t values (case when 1 then 2 end); select 1; end';
  assert.deepEqual(statements(`${body}; select 2;`), [body, 'select 2']);
  assert.deepEqual(statements('begin; select 1; end; select 2'), ['begin', 'select 1', 'end', 'select 2']);
});

test('what is not closed is a problem', () => {
  for (const text of ["'a", '"a', '/* a', '$$ a', "E'a\\'", 'select 1\0', '$a', '$100000', '{'])
    assert.notEqual(scan(text).problem, undefined, text);
});

test('a backslash is reported only in a plain string', () => {
  assert.equal(scan("select 'a\\b'").backslash, true);
  assert.equal(scan('select E\'a\\b\', $$\\$$, "\\" /* \\ */').backslash, false);
});

/** Fragments that are hard on a lexer. */
const fragment = fc.constantFrom(
  ...[
    "'",
    "''",
    '"',
    '""',
    'E',
    "E'",
    'U&',
    "U&'",
    'U&"',
    '$',
    '$$',
    '$a$',
    '$1',
    ';',
    ' ',
    '\n',
    '--',
    '/*',
    '*/',
    '\\',
    "\\'",
    '(',
    ')',
    '[',
    ']',
  ],
  ...[
    'select',
    'x',
    '1',
    '+',
    '-',
    '*',
    '/',
    '::',
    ':',
    '.',
    ',',
    'é',
    '😀',
    'begin',
    'end',
    'case',
    'atomic',
    'create function f()',
    'as',
    '<',
    '@',
    "b'",
    'e',
  ],
);

test('any text is scanned to its end, with tokens in order and none that overlap', () => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), (parts) => {
      const text = parts.join('');
      const { starts, ends, kinds, statements: spans } = scan(text);
      let before = 0;
      for (let i = 0; i < kinds.length; i++) {
        assert.ok(starts[i]! >= before && ends[i]! > starts[i]! && ends[i]! <= text.length);
        before = ends[i]!;
      }
      for (const { start, end } of spans) assert.ok(start < end);
    }),
    { numRuns: 500 },
  );
});

test('where Postgres can read a text, the scan sees the same statements', () => {
  const statement = fc.constantFrom(
    ...[
      'select 1',
      "select ';'",
      "select E'\\';'",
      'select $$;$$',
      'select $a$ ; $$ $a$',
      'select ";" from t',
      "select 'a'\n';'",
      "select U&';'",
    ],
    ...[
      '/* ; */ select 1 -- ;\n',
      '',
      'create rule r as on insert to t do (select 1; select 2)',
      'begin',
      'end',
      'select case when 1 then 2 end',
    ],
    ...[
      'create function f() returns int begin atomic select case when a then 1 end; select 2; end',
      'select a.end, 1 as case',
      'select 1 + -- x\n 2',
    ],
    ...["create function f() returns int language sql as 'select 1; select 2'", 'select (1)', "select 'é😀;'", 'select 1 end'],
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(statement, fc.constantFrom(';', ';;', '; ', ';\n', '; -- ;\n')), { maxLength: 6 }), (parts) => {
      const text = parts.map(([sql, end]) => sql + end).join('');
      if (text === '') return;
      const { stmts = [] } = parseSync(text);
      assert.equal(scan(text).statements.length, stmts.length, text);
    }),
    { numRuns: 300 },
  );
});

test('the bound on nesting is never below what the text nests', () => {
  const forms: readonly ((n: number) => string)[] = [
    (n) => `select ${'('.repeat(n)}1${')'.repeat(n)}`,
    (n) => `select ${'not '.repeat(n)}a`,
    (n) => `select ${'- '.repeat(n)}1`,
    (n) => `select ${'+-'.repeat(n)}1`,
    (n) => `select 1${'+set'.repeat(n)}`,
    (n) => `select 1${'+values'.repeat(n)}`,
    (n) => `select 1${'+a.when'.repeat(n)}`,
    (n) => `select a${'::int'.repeat(n)}`,
    (n) => `select a${' collate "C"'.repeat(n)}`,
    (n) => `select a${" at time zone 'utc'".repeat(n)}`,
    (n) => `select 1${' union select 1'.repeat(n)}`,
    (n) => `select 1 from a${' join b on true'.repeat(n)}`,
    (n) => `select ${'case when a.end then '.repeat(n)}1${' end'.repeat(n)}`,
    (n) => `select ${'(select '.repeat(n)}1${')'.repeat(n)}`,
    (n) => `select ${'(a.end + '.repeat(n)}1${')'.repeat(n)}`,
    (n) => `select ${'array['.repeat(n)}1${']'.repeat(n)}`,
  ];
  for (const form of forms) assert.ok(scan(form(500)).depth >= 500, form(2));
});

test('a long list does not nest', () => {
  assert.ok(scan(`insert into t values ${"(1, -2, 'a'::text), ".repeat(5000)}(1)`).depth < 10);
  assert.ok(scan(`select 1 from t where ${'a = 1 and b + 1 = 2 or '.repeat(5000)} c`).depth < 10);
  assert.ok(scan(`select ${'case when a = 1 then 2 end, '.repeat(5000)} 1`).depth < 10);
});

test('kinds of tokens are told apart', () => {
  const { kinds } = scan(`a "b" 'c' $1 2 + ( ) , ; . ::`);
  assert.deepEqual(Array.from(kinds), Object.values(Token));
});
