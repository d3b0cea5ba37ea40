/** SHOW STATE_AUDIT remembers each place once, what was found last first, and not without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditFindings } from '../../src/audit-findings.ts';

const session = { database: 'shop', user: 'bob' };
const finding = (name: string) => ({ kind: 'settings', name, after: 'select f' }) as const;

test('what is found again is counted, and comes first', () => {
  const findings = new AuditFindings();
  for (const name of ['a', 'b', 'a']) findings.add('audit', session, finding(name));
  assert.deepEqual(
    findings.rows().map(({ name, count }) => [name, count]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
});

test('who found it, and for whom, makes a row of its own', () => {
  const findings = new AuditFindings();
  findings.add('audit', session, finding('a'));
  findings.add('sentinel', session, finding('a'));
  findings.add('audit', { ...session, user: 'ann' }, finding('a'));
  assert.equal(findings.rows().length, 3);
});

test('the place that was found longest ago gives way', () => {
  const findings = new AuditFindings();
  for (let i = 0; i < 500; i++) findings.add('audit', session, finding(`a${i}`));
  findings.add('audit', session, finding('a0'));
  findings.add('audit', session, finding('new'));
  const names = findings.rows().map(({ name }) => name);
  assert.equal(names.length, 500);
  assert.ok(names.includes('a0') && names.includes('new') && !names.includes('a1'));
});
