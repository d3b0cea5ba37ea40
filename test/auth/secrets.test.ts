/** auth_file as PgBouncer reads it, and how secrets are told apart. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSecret, parseSecrets, readSecrets } from '../../src/auth/secrets.ts';

const SCRAM =
  'SCRAM-SHA-256$4096:D76gvGUVj9Z4DNiGoabOBg==$RukL0Xo3Ql/2F9FsD7mcQ3GATG2fD3PA71qY1JagGDs=:BhKUwyyivFm7Tq2jDJVXSVRbRDgTWyBilZKgg6DDuYU=';

function read(text: string): { users: Record<string, string>; problems: string[] } {
  const { users, problems } = parseSecrets(Buffer.from(text), 'userlist.txt');
  const shown = [...users!].map(([user, secret]) => [user, secret.kind === 'plain' ? secret.password.toString() : secret.kind]);
  return { users: Object.fromEntries(shown), problems: problems.map(({ file, line, message }) => `${file}:${line}: ${message}`) };
}

test('secrets are told apart by their form', () => {
  assert.equal(parseSecret('md5ab8b744ff66bee42dc47bae34ca17959').kind, 'md5');
  assert.equal(parseSecret('md5AB8B744FF66BEE42DC47BAE34CA17959').kind, 'plain');
  assert.equal(parseSecret('md5').kind, 'plain');
  assert.equal(parseSecret(SCRAM).kind, 'scram-sha-256');
  assert.equal(parseSecret(SCRAM.replace('4096', '0')).kind, 'plain');
  assert.equal(parseSecret(SCRAM.replace('$Ruk', '$AAAARuk')).kind, 'plain');
  assert.equal(parseSecret('').kind, 'plain');
});

test('a file is read line by line, comments and odd spacing included', () => {
  const text = `"marko" "kama"\n;"out" "of order"\n  \t"md" "md5ab8b744ff66bee42dc47bae34ca17959" trailing words\n\n"scram"\t\t"${SCRAM}"\r\n"empty" ""\n"last" "no newline"`;
  assert.deepEqual(read(text), {
    users: { marko: 'kama', md: 'md5', scram: 'scram-sha-256', empty: '', last: 'no newline' },
    problems: [],
  });
});

test('quotes inside are doubled, and other text keeps its bytes', () => {
  assert.deepEqual(read('"a""b" "x""""y"\n"ü;" "p;#=\\\\"').users, { 'a"b': 'x""y', 'ü;': 'p;#=\\\\' });
  const { users } = parseSecrets(Buffer.from([0x22, 0x61, 0x22, 0x20, 0x22, 0xff, 0x22]), 'f');
  assert.deepEqual(users!.get('a'), { kind: 'plain', password: Buffer.from([0xff]) });
});

test('the last entry for a user holds', () => {
  assert.deepEqual(read('"a" "1"\n"a" "2"\n').users, { a: '2' });
});

test('names of objects are names like others', () => {
  assert.equal(parseSecrets(Buffer.from('"__proto__" "x"\n"constructor" "y"'), 'f').users!.size, 2);
});

test('a broken entry is reported with its line and ends the reading', () => {
  const rest = 'the rest of the file is not read';
  const cases: readonly (readonly [string, string])[] = [
    ['b x', `broken auth file: a user name in double quotes is expected; ${rest}`],
    ['"b', `broken auth file: the user name is not closed by a double quote; ${rest}`],
    ['"b" x', `broken auth file: a secret in double quotes is expected after the user name; ${rest}`],
    ['"b" "x', `broken auth file: a secret in double quotes is expected after the user name; ${rest}`],
    [`"${'b'.repeat(128)}" "x"`, `username too long in auth file; ${rest}`],
    [`"b" "${'x'.repeat(65_531)}"`, `password too long in auth file; ${rest}`],
    ['"b" "x\0"', `broken auth file: zero byte; ${rest}`],
  ];
  for (const [entry, message] of cases) {
    assert.deepEqual(read(`"a" "1"\n;\n${entry}\n`), { users: { a: '1' }, problems: [`userlist.txt:3: ${message}`] });
  }
});

test('a SCRAM secret that is not one is taken as a password, and said so without showing it', () => {
  const { users, problems } = read('"a" "SCRAM-SHA-256$oops"');
  assert.deepEqual(users, { a: 'SCRAM-SHA-256$oops' });
  assert.deepEqual(problems, ['userlist.txt:1: secret of "a" starts like a SCRAM secret but is not one: taken as a plain password']);
});

test('what is written by the rule is read back', () => {
  const word = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.dictionary(word, word, { noNullPrototype: false }), (users) => {
      const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const file = Object.entries(users).map(([user, secret]) => `${quote(user)} ${quote(secret)}\n`);
      const known = parseSecrets(Buffer.from(file.join('')), 'f').users!;
      for (const [user, secret] of Object.entries(users)) assert.deepEqual(known.get(user), parseSecret(secret));
    }),
  );
  fc.assert(fc.property(fc.uint8Array(), (raw) => parseSecrets(Buffer.from(raw), 'f').users !== undefined));
});

test('files are read from disk, and a missing one is a problem, not an error', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'secrets-'));
  try {
    const file = path.join(folder, 'userlist.txt');
    const missing = await readSecrets(file);
    assert.equal(missing.users, undefined);
    assert.match(missing.problems[0]!.message, /^could not open auth_file .*userlist\.txt: /);
    await writeFile(file, '"a" "b"\n');
    assert.equal((await readSecrets(file)).users!.size, 1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
