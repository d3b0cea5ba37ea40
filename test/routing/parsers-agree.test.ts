import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { analyze, loadParsers } from '../../routing/analyze.ts';
import type { Facts } from '../../routing/facts.ts';
import { projectRoot } from '../support/root.ts';
import { parseGolden } from './golden.ts';

await loadParsers();

const folder = join(projectRoot, 'test', 'routing', 'cases');
const cases = ['pins', 'effects', 'read-only', 'texts'].flatMap((name) =>
  parseGolden(readFileSync(join(folder, `analyze-${name}.txt`), 'utf8')).map((c) => c.input),
);
const corpus = [...readFileSync(join(folder, 'corpus.txt'), 'utf8').split('\n').filter(Boolean), ...cases];

/** Operators are a set. */
function comparable(facts: Facts): unknown {
  return facts.statements.map(({ start: _start, end: _end, ...s }) => ({ ...s, operators: [...s.operators].sort() }));
}

test('where node-sql-parser reads a statement it gives the facts that libpg-query gives', () => {
  let read = 0;
  for (const text of corpus) {
    const ours = analyze(text, 'node-sql-parser');
    const theirs = analyze(text, 'libpg-query');
    if (!ours.understood || !theirs.understood) continue;
    read++;
    assert.deepEqual({ text, facts: comparable(ours) }, { text, facts: comparable(theirs) });
    assert.equal(ours.params, theirs.params);
  }
  assert.ok(read > 250, `only ${read} of ${corpus.length} were read`);
});

test('what node-sql-parser cannot read is never claimed to be a read or to be pinned', () => {
  for (const text of corpus) {
    const facts = analyze(text, 'node-sql-parser');
    if (facts.understood) continue;
    for (const statement of facts.statements) {
      assert.equal(statement.readOnly, false, text);
      assert.notEqual(statement.opaque, undefined, text);
      assert.ok(
        statement.relations.every((relation) => relation.pins.length === 0),
        text,
      );
    }
  }
});
