/**
 * The test runner: `node dist/test/support/run.js [pattern…]` runs the test files whose path has one of the patterns, or all.
 * Only files that still have a source are run. One Postgres template is made for all of them. Ends with node:test's summary.
 */
import { existsSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { SHARED_FILES_VARIABLE, sharedFiles } from './postgres-files.ts';
import { projectRoot } from './root.ts';

/** For a whole file; a test that takes longer than this hangs. */
const FILE_LIMIT_MS = 600_000;

const compiled = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const patterns = process.argv.slice(2);
const files = readdirSync(path.join(projectRoot, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts') && (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))))
  .map((file) => path.join(compiled, file.replace(/\.ts$/, '.js')))
  .filter((file) => existsSync(file))
  .sort();

if (files.length === 0) {
  console.error(`no test file has ${patterns.join(' or ')} in its path`);
  process.exitCode = 1;
} else {
  process.env[SHARED_FILES_VARIABLE] = JSON.stringify(sharedFiles());
  const concurrency = Math.min(Math.max(os.availableParallelism(), 2), 4);
  const tests = run({ files, concurrency, timeout: FILE_LIMIT_MS });
  tests.on('test:fail', ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1;
  });
  tests.compose(new spec()).pipe(process.stdout);
}
