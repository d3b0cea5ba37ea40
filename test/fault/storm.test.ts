/** Storms of a few seconds, each with other settings; `npm run test:faults` has longer ones. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { storm } from './storm.ts';
import { STORMS } from './storms.ts';

for (const [what, options] of Object.entries(STORMS)) {
  it(`a storm over 200 clients, ${what}: each gets its own answers, and nothing is left behind`, { timeout: 100_000 }, async (t) => {
    const report = await storm({ ...options, seconds: 3, clients: 200 });
    t.diagnostic(`seed ${options.seed}: ${report.answers} answers, ${report.shared} shared, ${report.resent} asked again`);
    assert.deepEqual(report.findings, []);
    assert.ok(report.answers > 100, JSON.stringify(report));
  });
}
