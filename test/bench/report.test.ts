/** What a reader of the benchmark sees: tables, the picture, the page. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../support/root.ts';
import { drawChart } from './chart.ts';
import { withResults } from './document.ts';
import { figuresTable, notesOf, rowText, table, targetsTable } from './report.ts';
import { contenderResult, type Results, type RowResult, verdictsOf } from './results.ts';

const selects: RowResult = {
  name: 'select-extended-64',
  title: 'select-only, 64 clients & <more>',
  unit: 'transactions/s',
  contenders: [
    contenderResult('direct', [{ figures: { rate: 40_000, p50Ms: 1, p95Ms: 2, p99Ms: 3 } }]),
    contenderResult('pgbouncer', [{ figures: { rate: 20_000, cpuUs: 10, userUs: 4, systemUs: 6 } }], 'old'),
    contenderResult('shardyard', [{ figures: { rate: 50_000, cpuUs: 8, userUs: 5, systemUs: 3 } }, { failure: 'it rained' }]),
  ],
};
const copies: RowResult = {
  name: 'copy-in',
  title: 'COPY in',
  unit: 'bytes/s',
  contenders: [contenderResult('direct', [{ figures: { rate: 2e8 } }]), contenderResult('shardyard', [{ failure: 'no' }])],
};
const skipped: RowResult = { name: 'analysis', title: 'analysis', unit: 'transactions/s', skipped: 'no settings', contenders: [] };
const rows = [selects, copies, skipped];
const results: Results = {
  date: '2025-01-02T03:04:05.000Z',
  quick: true,
  partial: false,
  runs: 2,
  seconds: 1,
  machine: { cpu: 'A processor', cores: 2, memoryBytes: 8 * 2 ** 30, system: 'Linux 6', versions: { Postgres: '18.1' } },
  messages: ['a message'],
  rows,
  verdicts: verdictsOf(rows),
};

/** Every element that is opened is closed, in order. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, close, name = '', alone] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (close) assert.equal(open.pop(), name);
    else if (!alone) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg.replace(/<[^<>]*>/g, ''), /[<>]|&(?!amp;|lt;|gt;|quot;)/);
}

describe('the tables', () => {
  it('align their columns', () => {
    assert.equal(table(['a', 'b'], [['long name', '1']]), '| a         |   b |\n|-----------|----:|\n| long name |   1 |');
  });

  it('have a line for each contender, with ratios to both others', () => {
    const lines = figuresTable([selects])
      .split('\n')
      .slice(2)
      .map((line) => line.split('|').map((cell) => cell.trim()));
    assert.deepEqual(lines[2]?.slice(2, 8), ['Shardyard', '50,000', '2.50 ×', '1.25 ×', '–', '8.00 (5.00 + 3.00)']);
    assert.deepEqual(lines[0]?.slice(2, 8), ['direct', '40,000', '2.00 ×', '', '1.00 / 2.00 / 3.00', '–']);
  });

  it('count bytes in megabytes, and tell failures', () => {
    assert.match(rowText(copies), /direct +200 MB\/s/);
    assert.deepEqual(notesOf(copies), ['Shardyard: 1 of 1 runs failed: no']);
    assert.deepEqual(notesOf(selects), ['old', 'Shardyard: 1 of 2 runs failed: it rained']);
    assert.equal(rowText(skipped), 'analysis: not run: no settings');
  });

  it('say which targets are met', () => {
    const text = targetsTable(results.verdicts);
    assert.match(text, /select-only, extended, 64 clients +\| ≥ 1\.90 × PgBouncer +\| +2\.50 × \| +met/);
    assert.match(text, /select-only, extended, 64 clients +\| ≥ 1\.60 × direct +\| +1\.25 × \| +NOT MET/);
    assert.match(text, /large results, COPY \(copy-in\) +\| ≥ 0\.90 × PgBouncer +\| +– \| not known/);
  });
});

describe('the picture', () => {
  it('is well-formed and has a bar for each figure against PgBouncer', () => {
    const svg = drawChart(rows);
    assertWellFormed(svg);
    assert.match(svg, /64 clients &amp; &lt;more&gt;/);
    assert.match(svg, />2\.50 ×</);
    assert.match(svg, />2\.00 ×</);
    assert.match(svg, /prefers-color-scheme:dark/);
  });

  it('takes a direct connection as the base without PgBouncer, and stands nothing at all', () => {
    const without = { ...selects, contenders: selects.contenders.filter(({ name }) => name !== 'pgbouncer') };
    assert.match(drawChart([without]), />1\.25 ×</);
    assertWellFormed(drawChart([]));
  });
});

describe('the page', () => {
  const page = readFileSync(path.join(projectRoot, 'docs', 'performance.md'), 'utf8');

  it('has room for results, which replace those before', () => {
    const once = withResults(page, results);
    assert.match(once, /2025-01-02: medians of 2 interleaved runs of 1 s each\. A quick run/);
    assert.match(once, /A processor, 2 cores/);
    assert.match(once, /- a message/);
    assert.match(once, /## What the rows mean/);
    assert.equal(withResults(once, results), once);
  });

  it('is refused without its marks', () => {
    assert.throws(() => withResults('# Performance\n', results), /needs the lines/);
  });
});
