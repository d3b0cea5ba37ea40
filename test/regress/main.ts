/**
 * `npm run test:regress`: Postgres's core regression suite, unchanged, directly and through Shardyard in transaction mode with a pool of 20,
 * one test at a time and eight in parallel; and libpq_pipeline where it is built. Each run has a fresh server. Prints a table and how those
 * tests differ that pass directly and fail through; the status is 1 when there are such tests, 2 when the suite could not be run.
 *
 *   npm run test:regress -- [--jobs N]… [--keep FOLDER] [TEST…]
 *
 * Without the suite it says so, and the status is 0: it is no part of `npm test`. docs/exactness.md tells where to get it.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startShardyard } from '../support/shardyard.ts';
import { type Endpoint, type Outcome, runPipeline, runRegress } from './run.ts';
import { startRegressServer } from './server.ts';
import { findSuite, type Suite } from './suite.ts';

const POOL_SIZE = 20;
const JOBS = ['1', '8'];
/** Lines shown of each difference. */
const SHOWN_LINES = 30;

interface Compared {
  readonly what: string;
  readonly direct: Outcome;
  readonly through: Outcome;
}

const say = (text = ''): void => void process.stdout.write(`${text}\n`);
const passed = ({ tests }: Outcome): number => [...tests.values()].filter(Boolean).length;

/** Tests that pass directly and fail, or are not even reached, through Shardyard. */
const lost = ({ direct, through }: Compared): readonly string[] =>
  [...direct.tests].flatMap(([name, ok]) => (ok && through.tests.get(name) !== true ? [name] : []));

async function directly(suite: Suite, run: (at: Endpoint) => Promise<Outcome>): Promise<Outcome> {
  const server = await startRegressServer(suite);
  try {
    return await run(server);
  } finally {
    server.stop();
  }
}

function throughShardyard(suite: Suite, run: (at: Endpoint) => Promise<Outcome>): Promise<Outcome> {
  return directly(suite, async (server) => {
    const ini = [
      `[databases]\n* = host=${server.host} port=${server.port}`,
      `[shardyard]\npool_mode = transaction\ndefault_pool_size = ${POOL_SIZE}\nmax_client_conn = 500\n`,
    ].join('\n');
    const shardyard = await startShardyard(ini);
    try {
      return await run(shardyard);
    } finally {
      await shardyard.stop();
    }
  });
}

async function compare(suite: Suite, what: string, run: (at: Endpoint, side: string) => Promise<Outcome>): Promise<Compared> {
  say(`${what}: directly`);
  const direct = await directly(suite, (at) => run(at, 'direct'));
  say(`${what}: through Shardyard`);
  const through = await throughShardyard(suite, (at) => run(at, 'through'));
  return { what, direct, through };
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '));
}

function report(all: readonly Compared[]): void {
  const seconds = ({ ms }: Outcome): string => `${(ms / 1000).toFixed(0)} s`;
  say();
  const rows = all.map(({ what, direct, through }) => [
    what,
    String(direct.tests.size),
    String(passed(direct)),
    String(passed(through)),
    seconds(direct),
    seconds(through),
  ]);
  const names = all.map((each) => lost(each).join(' ') || 'none');
  const lines = columns([['', 'tests', 'direct', 'through', 'time', 'time through'], ...rows]);
  for (const [at, line] of lines.entries()) say(`${line}  ${at === 0 ? 'differences' : names[at - 1]}`);
  for (const each of all) {
    for (const name of lost(each)) {
      const difference = each.through.differences.get(name) ?? 'nothing is known of it';
      say(`\n${each.what}: ${name}\n${difference.split('\n').slice(0, SHOWN_LINES).join('\n')}`);
    }
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { jobs: { type: 'string', multiple: true }, keep: { type: 'string' } },
  });
  const suite = findSuite(process.env);
  if ('missing' in suite) {
    say(`Skipped: Postgres's regression suite is not installed: ${suite.missing}.`);
    say('docs/exactness.md tells how to get it.');
    return 0;
  }
  say(`${suite.version}; Shardyard in transaction mode, pool of ${POOL_SIZE}`);
  const all: Compared[] = [];
  for (const text of values.jobs ?? JOBS) {
    const jobs = Number(text);
    if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs ${text}: not a number of tests`);
    const what = jobs === 1 ? 'one test at a time' : `${jobs} tests in parallel`;
    const keep = (side: string) => (values.keep === undefined ? undefined : path.join(values.keep, `${side}-${jobs}`));
    all.push(await compare(suite, what, (at, side) => runRegress(suite, at, { jobs, tests: positionals, keepIn: keep(side) })));
  }
  const { libpqPipeline } = suite;
  if (libpqPipeline !== undefined && positionals.length === 0) {
    all.push(await compare(suite, 'libpq_pipeline', (at) => runPipeline(libpqPipeline, at)));
  }
  report(all);
  return all.some((each) => lost(each).length > 0) ? 1 : 0;
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return 2;
});
