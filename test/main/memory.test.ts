/** The young generation stops growing where it is enough, unless the operator has given node a size. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/root.ts';

/** Keeps 100,000 objects alive and makes millions more; prints the bytes of the young generation. */
const WORK = `
  const { default: v8 } = await import('node:v8');
  const { boundYoungGeneration } = await import(process.argv[1]);
  boundYoungGeneration();
  const kept = [];
  for (let i = 0; i < 10_000_000; i++) kept[i % 100_000] = { i };
  console.log(v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size);
`;

function youngBytesOf(...flags: string[]): number {
  const module = pathToFileURL(`${projectRoot}/dist/src/memory.js`).href;
  return Number(
    execFileSync(process.execPath, [...flags, '--input-type=module', '-e', WORK, module], { encoding: 'utf8', timeout: 60_000 }),
  );
}

test('the young generation is bounded, and not where the operator has said otherwise', () => {
  assert.ok(youngBytesOf() <= 16 * 1024 * 1024);
  assert.ok(youngBytesOf('--min-semi-space-size=16') > 16 * 1024 * 1024);
});
