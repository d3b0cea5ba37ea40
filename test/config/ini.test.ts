import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readIni, unquoteName } from '../../src/config/ini.ts';
import { entriesOf, filesOf } from './loading.ts';

test('a value is the rest of its line: semicolons, hashes and equals signs stay in it', () => {
  assert.deepEqual(entriesOf('[databases]\na = host=h password=p;w#x=y\nb = x ; not a comment # nor this\n'), [
    '[databases] a=host=h password=p;w#x=y',
    '[databases] b=x ; not a comment # nor this',
  ]);
});

test('words of JavaScript stay text', () => {
  assert.deepEqual(entriesOf('[s]\na = true\nb = false\nc = null\nd = undefined\ne = 007\n'), [
    '[s] a=true',
    '[s] b=false',
    '[s] c=null',
    '[s] d=undefined',
    '[s] e=007',
  ]);
});

test('quotes and backslashes of a value stay in it', () => {
  const values = [`'SELECT ''1'''`, `"a"`, `'`, `"`, `"a`, `a"`, `\\`, `\\;`, `a\\`, `{"a":1}`, `[1]`, `'"x"'`];
  assert.deepEqual(
    entriesOf(`[s]\n${values.map((value) => `k = ${value}`).join('\n')}`),
    values.map((value) => `[s] k=${value}`),
  );
});

test('keys that mean something to JavaScript or to the package are keys', () => {
  assert.deepEqual(entriesOf('[__proto__]\n__proto__ = 1\n[s]\n__proto__ = 2\nconstructor = 3\na.b = 4\n"c[]" = 5\n'), [
    '[__proto__] __proto__=1',
    '[s] __proto__=2',
    '[s] constructor=3',
    '[s] a.b=4',
    '[s] "c[]"=5',
  ]);
});

test('dots in the name of a section do not nest', () => {
  assert.deepEqual(entriesOf('[tables]\na = 1\n[tables.shop]\nb = 2\n[tables.my.shop]\nc = 3\n[tables."a]b"]\nd = 4\n'), [
    '[tables] a=1',
    '[tables.shop] b=2',
    '[tables.my.shop] c=3',
    '[tables."a]b"] d=4',
  ]);
});

test('repeated sections and repeated keys are all there, in order', () => {
  assert.deepEqual(entriesOf('[a]\nx = 1\nx = 2\n[b]\nx = 3\n[a]\nx = 4\n'), ['[a] x=1', '[a] x=2', '[b] x=3', '[a] x=4']);
});

test('comments are whole lines, blanks around lines, keys and values do not matter', () => {
  assert.deepEqual(entriesOf('; c = 1\n# d = 2\n  ;; e\n\t[ s ]  \n \t a\t=\t b c \t\n\n   d=\n'), ['[s] a=b c', '[s] d=']);
});

test('what follows a heading on its line counts, as in PgBouncer', () => {
  assert.deepEqual(entriesOf('[s] a = 1\n[t] ; comment\nb = 2\n'), ['[s] a=1', '[t] b=2']);
});

test('Windows line ends, a byte order mark and a missing last line end are fine', () => {
  assert.deepEqual(entriesOf('\ufeff[s]\r\na = 1\r\nb = 2'), ['[s] a=1', '[s] b=2']);
});

test('characters outside of ASCII survive, also those that end a line for JavaScript', () => {
  assert.deepEqual(entriesOf('[s]\na = pässwörd \u{1F511}\nb = x\u2028y\u2029z\u0085\n'), [
    '[s] a=pässwörd \u{1F511}',
    '[s] b=x\u2028y\u2029z\u0085',
  ]);
});

test('an equals sign inside a quoted key is part of the key', () => {
  assert.deepEqual(entriesOf(`[s]\n'a = b' = c\n"d=e"=f\n`), [`[s] 'a = b'=c`, `[s] "d=e"=f`]);
});

test('each entry knows its file and line, through includes', () => {
  const read = filesOf({ 'a.ini': '[s]\n\nx = 1\n%include b.ini\ny = 3\n', 'b.ini': '; one\nz = 2\n[t]\n' });
  const { entries, problems } = readIni('a.ini', read);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    entries.map(({ section, key, file, line }) => `${file}:${line} [${section}] ${key}`),
    ['a.ini:3 [s] x', 'b.ini:2 [s] z', 'a.ini:5 [t] y'],
  );
});

test('an include that fails names the place of its line', () => {
  const { problems, entries } = readIni('a.ini', filesOf({ 'a.ini': '[s]\n %include  no such.ini \nx = 1\n' }));
  assert.deepEqual(
    problems.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    ['a.ini:2: cannot include "no such.ini": no such file'],
  );
  assert.equal(entries.length, 1);
});

test('files may include one another ten deep and no deeper', () => {
  const chain = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}.ini`, `[s]\nk${n} = 1\n%include ${n + 1}.ini\n`]));
  const { entries, problems } = readIni('0.ini', filesOf(chain));
  assert.equal(entries.length, 11);
  assert.deepEqual(
    problems.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    ['10.ini:3: include nesting level too deep: at most 10 files inside one another'],
  );
});

test('a file that includes itself ends', () => {
  assert.equal(readIni('a.ini', filesOf({ 'a.ini': '%include a.ini\n' })).problems.length, 1);
});

test('a line that is none of the four kinds is a problem, reading goes on, and its text is not shown', () => {
  const text = '[s]\nhunter2\n= x\n[open\na = 1\n%includes x\n';
  const { entries, problems } = readIni('a.ini', filesOf({ 'a.ini': text }));
  assert.deepEqual(
    problems.map(({ line }) => line),
    [2, 3, 4, 6],
  );
  assert.ok(problems.every(({ message }) => message.startsWith('syntax error') && !message.includes('hunter2')));
  assert.equal(entries.length, 1);
});

test('a value before the first section is a problem', () => {
  const { problems } = readIni('a.ini', filesOf({ 'a.ini': 'a = 1\n' }));
  assert.deepEqual(
    problems.map(({ message }) => message),
    ['value without section'],
  );
});

test('a missing file, a folder and a file that is no text say so', () => {
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };
  const messageOf = (read: (path: string) => Uint8Array): string =>
    readIni('a.ini', read)
      .problems.map((p) => p.message)
      .join();
  assert.equal(messageOf(filesOf({})), 'cannot read the configuration file: no such file');
  assert.equal(messageOf(failing('EISDIR')), 'cannot read the configuration file: it is a directory');
  assert.equal(messageOf(failing('EACCES')), 'cannot read the configuration file: permission denied');
  assert.equal(messageOf(failing('EIO')), 'cannot read the configuration file: EIO');
  assert.match(messageOf(filesOf({ 'a.ini': '[s]\na = \0\n' })), /zero byte/);
});

test('a comment may be in any encoding, a value must be UTF-8', () => {
  const latin1 = Buffer.from('; gr\u00fc\u00dfe\n[s]\na = 1\nb = gr\u00fc\u00df\n', 'latin1');
  const { entries, problems } = readIni('a.ini', filesOf({ 'a.ini': latin1 }));
  assert.equal(entries.length, 1);
  assert.deepEqual(
    problems.map(({ line, message }) => `${line}: ${message}`),
    ['4: the line is not UTF-8'],
  );
});

test('names are plain, or inside single or double quotes that are doubled inside', () => {
  assert.equal(unquoteName('a-B_0.*'), 'a-B_0.*');
  assert.equal(unquoteName(`'we ird'`), 'we ird');
  assert.equal(unquoteName(`'o''brien'`), `o'brien`);
  assert.equal(unquoteName(`"say ""hi"""`), 'say "hi"');
  for (const wrong of ['we ird', `'open`, `''`, `'a'b'`, 'a:b', 'ä', `"'`]) assert.equal(unquoteName(wrong), undefined, wrong);
});

test('any value without a line end comes back as it was, whatever is in it', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...`;#"'\\\\=[]{}%.$ tn`) }));
  const line = value.filter((text) => !/[\0\n]/.test(text)).map((text) => text.replace(/^[ \t]+|[ \t\v\f\r]+$/g, ''));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), (values) => {
      const entries = entriesOf(`[s]\n${values.map((text) => `k = ${text}\n`).join('')}`);
      assert.deepEqual(
        entries,
        values.map((text) => `[s] k=${text}`),
      );
    }),
  );
});

test('no file, however broken, makes the reader throw', () => {
  const piece = fc.oneof(fc.constantFrom('[', ']', '=', '\n', '\r', "'", '"', ';', '#', '%include x', 'a', ' ', '\ufeff'), fc.string());
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      readIni('a.ini', filesOf({ 'a.ini': pieces.join(''), x: pieces.slice(1).join('') }));
    }),
  );
});
