/** One run of pg_regress, or of libpq_pipeline, against an endpoint: which tests passed, and how those that did not differ. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { newFolder, SUPERUSER, spawnOptions } from '../support/postgres-files.ts';
import type { Suite } from './suite.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Outcome {
  /** Test → whether it passed, in the order in which they ended. */
  readonly tests: ReadonlyMap<string, boolean>;
  /** Test → its diff against the expected file. */
  readonly differences: ReadonlyMap<string, string>;
  readonly ms: number;
}

export interface RunOptions {
  /** Tests at once. */
  readonly jobs: number;
  /** Only these; all of the schedule when there are none. */
  readonly tests: readonly string[];
  /** Keep results and differences in this folder. */
  readonly keepIn: string | undefined;
}

/** One test hangs when it takes longer than this. */
const TEST_LIMIT_SECONDS = 120;
const RUN_LIMIT_MS = 30 * 60_000;

/** Up to Postgres 15 `test boolean ... ok 12 ms` (in groups without `test`), later TAP: `ok 2 - boolean 12 ms`. */
const RESULT = /^(?:test)?\s*(\S+)\s+\.\.\.\s+(ok|FAILED|failed \(ignored\))|^(ok|not ok)\s+\d+\s+[-+]\s+(\S+)/;

/** Runs the suite in the database `regression` of the endpoint. Rejects when pg_regress could not run. */
export async function runRegress(suite: Suite, at: Endpoint, options: RunOptions): Promise<Outcome> {
  const out = newFolder();
  const began = performance.now();
  const log = await output(suite.pgRegress, argumentsFor(suite, at, options, out), out);
  const tests = new Map<string, boolean>();
  for (const line of log.split('\n')) {
    const [, name, verdict, tap, tapName] = RESULT.exec(line) ?? [];
    if (name !== undefined) tests.set(name, verdict !== 'FAILED');
    else if (tapName !== undefined) tests.set(tapName, tap === 'ok');
  }
  if (tests.size === 0) throw new Error(`pg_regress did not run:\n${log}`);
  if (options.keepIn !== undefined) {
    mkdirSync(options.keepIn, { recursive: true });
    cpSync(out, options.keepIn, { recursive: true });
  }
  return { tests, differences: differencesIn(path.join(out, 'regression.diffs')), ms: performance.now() - began };
}

function argumentsFor(suite: Suite, { host, port }: Endpoint, { jobs, tests }: RunOptions, out: string): readonly string[] {
  const limited = spawnSync('timeout', ['--version']).status === 0;
  return [
    `--inputdir=${suite.inputDir}`,
    `--outputdir=${out}`,
    `--bindir=${suite.binDir}`,
    `--dlpath=${suite.libraryDir}`,
    `--max-connections=${jobs}`,
    ...(limited ? [`--launcher=timeout -k 5 ${TEST_LIMIT_SECONDS}`] : []),
    '--use-existing',
    '--dbname=regression',
    `--host=${host}`,
    `--port=${port}`,
    `--user=${SUPERUSER}`,
    ...(tests.length > 0 ? tests : [`--schedule=${path.join(suite.inputDir, 'parallel_schedule')}`]),
  ];
}

/** Runs a program as the user that Postgres runs as (server and psql write to the same folder); all that it said. */
async function output(program: string, args: readonly string[], folder: string): Promise<string> {
  const options = spawnOptions(folder);
  const env = { ...options.env, HOME: folder, PGPASSFILE: path.join(folder, 'none'), PGCONNECT_TIMEOUT: '20' };
  const child = spawn(program, args, { ...options, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const note = (part: string): void => {
    text += part;
  };
  child.stdout.setEncoding('utf8').on('data', note);
  child.stderr.setEncoding('utf8').on('data', note);
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  const limit = setTimeout(end, RUN_LIMIT_MS);
  process.once('exit', end);
  await once(child, 'close');
  process.off('exit', end);
  clearTimeout(limit);
  return text;
}

/** The file has, for each test that differs, a line `diff …/expected/NAME.out …/results/NAME.out` and the diff. */
function differencesIn(file: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (!existsSync(file)) return found;
  for (const part of readFileSync(file, 'utf8').split(/^(?=diff )/m)) {
    const name = /^diff .*\/results\/(\S+)\.out$/m.exec(part)?.[1];
    if (name !== undefined) found.set(name, part);
  }
  return found;
}

/** Each test of libpq_pipeline, by its exit status. */
export async function runPipeline(program: string, { host, port }: Endpoint): Promise<Outcome> {
  const folder = newFolder();
  const began = performance.now();
  const names = (await output(program, ['tests'], folder)).trim().split(/\s+/);
  const tests = new Map<string, boolean>();
  const differences = new Map<string, string>();
  for (const name of names) {
    const conninfo = `host=${host} port=${port} user=${SUPERUSER} dbname=regression`;
    const text = await output('/bin/sh', ['-c', '"$@" && echo PASSED', 'sh', 'timeout', '60', program, name, conninfo], folder);
    tests.set(name, text.endsWith('PASSED\n'));
    if (!text.endsWith('PASSED\n')) differences.set(name, text);
  }
  return { tests, differences, ms: performance.now() - began };
}
