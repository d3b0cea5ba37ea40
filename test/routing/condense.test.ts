/** Facts made small for whoever does not route by values say no less of the session. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { analyze, condense, loadParsers } from '../../routing/index.ts';

before(() => loadParsers());
const many = (count: number, statement: (i: number) => string): string => Array.from({ length: count }, (_, i) => statement(i)).join(';');

test('pins go, and nothing else of a statement', () => {
  const facts = analyze('insert into t (a) values (1), (2)');
  assert.equal(facts.statements[0]?.relations[0]?.pins.length, 1);
  const [relation] = facts.statements[0]!.relations;
  assert.deepEqual(condense(facts), {
    ...facts,
    statements: [{ ...facts.statements[0]!, relations: [{ ...relation!, pins: [] }] }],
  });
});

test('many statements that leave nothing behind become one that uses what they use', () => {
  const inserts = many(1200, (i) => `insert into t${i % 3} values (lower('A'), ${i}, '(1,2)'::point @ 1)`);
  const facts = condense(analyze(`begin;${inserts};commit`, 'libpg-query', { maxParsedLength: 1e6 }));
  assert.equal(facts.statements.length, 1);
  const [one] = facts.statements;
  assert.deepEqual([one?.verb, one?.readOnly, one?.effects, one?.opaque], ['insert', false, [], 'it has 1202 statements']);
  assert.deepEqual(
    one?.relations.map(({ name, access }) => `${access} ${name}`),
    ['write t0', 'write t1', 'write t2'],
  );
  assert.ok(one?.operators.includes('@'));
});

test('where one of them does something to the session, all stay', () => {
  for (const text of ["set work_mem = '1MB'", 'rollback', 'select my_function(1)', 'create table x (a int)', 'savepoint a']) {
    const facts = condense(analyze(`${many(1200, () => 'select 1')};${text}`));
    assert.equal(facts.statements.length, 1201, text);
  }
});

test('where they use too many names to be asked for, anything may have happened', () => {
  const facts = condense(analyze(many(1200, (i) => `insert into t${i} values (1)`)));
  assert.deepEqual(facts.statements[0]?.effects, [{ kind: 'opaque' }]);
});
