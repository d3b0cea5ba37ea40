/** The young generation gets its full size in one step, unless the operator has given node a size. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/root.ts';

const MB = 1024 * 1024;
/** Keeps objects alive for a while; prints the most bytes that the young generation has had. */
const WORK = `
  const { default: v8 } = await import('node:v8');
  const { growYoungGenerationAtOnce } = await import(process.argv[1]);
  growYoungGenerationAtOnce();
  const young = () => v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size;
  const kept = [];
  let most = 0;
  for (let i = 0; i < 5000; i++) {
    for (let j = 0; j < 1000; j++) kept[(1000 * i + j) % 100_000] = { i };
    most = Math.max(most, young());
  }
  console.log(most);
`;

function youngBytesOf(...flags: string[]): number {
  const module = pathToFileURL(`${projectRoot}/dist/src/memory.js`).href;
  return Number(
    execFileSync(process.execPath, [...flags, '--input-type=module', '-e', WORK, module], { encoding: 'utf8', timeout: 60_000 }),
  );
}

test('the young generation gets its full size in one step, and not where the operator has said otherwise', () => {
  assert.ok(youngBytesOf() >= 16 * MB);
  assert.ok(youngBytesOf('--max-semi-space-size=4') <= 8 * MB);
});
