import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { analyze, loadParsers } from '../../routing/analyze.ts';
import { projectRoot } from '../support/root.ts';

await loadParsers();

const corpus = readFileSync(join(projectRoot, 'test', 'routing', 'cases', 'corpus.txt'), 'utf8')
  .split('\n')
  .filter(Boolean);
const parsers = ['libpg-query', 'node-sql-parser'] as const;

test('parsers may be loaded more than once', async () => {
  await loadParsers();
  await loadParsers();
});

test('any text gives facts, and statements lie in the text one after the other', () => {
  const words = corpus.flatMap((text) => text.split(/(\s+|[(),;=])/)).filter((word) => word.trim() !== '');
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.constantFrom(...words), { maxLength: 25 }).map((parts) => parts.join(' ')),
    fc
      .tuple(fc.constantFrom(...corpus), fc.nat(200), fc.string({ maxLength: 3 }))
      .map(([sql, at, put]) => sql.slice(0, at) + put + sql.slice(at)),
    fc.tuple(fc.constantFrom(...corpus), fc.nat(200)).map(([sql, at]) => sql.slice(0, at)),
  );
  fc.assert(
    fc.property(text, fc.constantFrom(...parsers), fc.boolean(), (sql, parser, standardConformingStrings) => {
      const facts = analyze(sql, parser, { standardConformingStrings, maxParsedLength: 2000 });
      let before = 0;
      for (const statement of facts.statements) {
        assert.ok(statement.start >= before && statement.end >= statement.start && statement.end <= sql.length);
        before = statement.end;
        if (!facts.understood) assert.equal(statement.readOnly, false);
      }
    }),
    { numRuns: 1500 },
  );
});

test('facts are frozen, all the way down', () => {
  const facts = analyze("insert into t (a) values (1), ($1) on conflict do nothing; set x.y = 'z'; begin read only");
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value));
    Object.values(value).forEach(check);
  };
  check(facts);
});

/** Work is counted in time here, so the margin is wide: eight times the text may take at most sixty times as long. */
test('the time for a text grows with its length and no faster', () => {
  const forms: readonly ((n: number) => string)[] = [
    (n) => `select * from a where ${'k = 1 or '.repeat(n)} k = 2`,
    (n) => `select * from a where ${'k = 1 and '.repeat(n)} k = 2`,
    (n) => `select * from a where ${Array.from({ length: n }, (_, i) => `a.c${i} = a.c${i + 1}`).join(' and ')} and a.c0 = 1`,
    (n) => `select * from a where k in (${'1, '.repeat(n)} 2)`,
    (n) => `insert into t (a, b) values ${"(1, 'x'), ".repeat(n)} (2, 'y')`,
    (n) =>
      `select * from t0 ${Array.from({ length: Math.min(n, 900) }, (_, i) => `left join t${i + 1} on t${i + 1}.k = t${i}.k`).join(' ')} where t0.k = 1`,
    (n) =>
      `select * from ${Array.from({ length: n }, (_, i) => `t${i}`).join(', ')} where ${Array.from({ length: n }, (_, i) => `t${i}.k = t0.k`).join(' and ')}`,
    (n) => `select ${'case when a = 1 then f(2) end, '.repeat(n)} 1`,
    (n) => `select 1 where ${'a = any (array['.repeat(Math.min(n / 10, 200))}1${'])'.repeat(Math.min(n / 10, 200))}`,
    (n) => `${'select 1; '.repeat(n)}`,
    (n) => `${'/* '.repeat(n)} ${'*/ '.repeat(n)} select 1`,
    (n) => `select ${"'a' ".repeat(n)}`,
    (n) => `select ${'$a$ '.repeat(n)}`,
    (n) => `create ${'/* or */ '.repeat(n)} function`,
    (n) => `select ${'('.repeat(n)}`,
    (n) => `select '${"''".repeat(n)}'`,
  ];
  const time = (sql: string): number => {
    const start = process.hrtime.bigint();
    analyze(sql, 'libpg-query', { maxParsedLength: 1e6 });
    return Number(process.hrtime.bigint() - start) / 1e6;
  };
  for (const form of forms) {
    const best = (n: number): number => Math.min(time(form(n)), time(form(n)), time(form(n)));
    best(200);
    const small = best(500);
    const big = best(4000);
    assert.ok(big < 60 * Math.max(small, 0.2), `${form(2)}: ${small} ms and ${big} ms`);
  }
});

test('a text that nests too deeply reaches no parser, and the parser works on', () => {
  for (const sql of [
    `select ${'('.repeat(30000)}1${')'.repeat(30000)}`,
    `select 1${'+1'.repeat(30000)}`,
    `select 1${' union select 1'.repeat(30000)}`,
  ]) {
    for (let i = 0; i < 40; i++) {
      const facts = analyze(sql, 'libpg-query', { maxParsedLength: 1e7 });
      assert.equal(facts.understood, false);
      if (sql.length > 100_000) break;
    }
  }
  assert.equal(analyze('select 1 from t where k = 1').statements[0]?.relations[0]?.pins.length, 1);
});
