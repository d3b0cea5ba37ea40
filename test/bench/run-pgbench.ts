/** One run of pgbench against one contender: throughput from its summary, latencies from its log, CPU of the proxy meanwhile. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runProgram } from './child.ts';
import { addLatencies, type Latencies, percentilesMs, readSummary } from './pgbench-output.ts';
import type { Contender } from './poolers.ts';
import type { Figures } from './results.ts';
import { cpuOf } from './usage.ts';
import { type PgbenchRow, SCALE } from './workloads.ts';

/** What all runs need to know. */
export interface Setting {
  readonly pgbench: string;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** Connecting 1,000 clients, and ending, may take this long beyond the run itself. */
const AROUND_MS = 90_000;
const MOST_CONNECTING_SECONDS = 20;
/** Of quick transactions only some are logged, as logging costs. */
const SAMPLE_OF_READS = 0.1;

/** pgbench's time (-T) begins when it begins to connect: this many clients are allowed a second of it. */
const CONNECTED_A_SECOND = 400;

/** Runs pgbench for as long as the setting says. Rejects when a client of it fails. */
export async function runPgbench(contender: Contender, row: PgbenchRow, setting: Setting): Promise<Figures> {
  const connecting = row.reconnect ? 0 : Math.floor(row.clients / CONNECTED_A_SECOND);
  for (let more = connecting; ; more = more * 2 + 1) {
    const figures = await runOnce(contender, row, { ...setting, seconds: setting.seconds + more });
    if (figures !== undefined) return figures;
    if (more > MOST_CONNECTING_SECONDS) throw new Error(`pgbench ran no transaction in ${setting.seconds + more} s`);
  }
}

/** The figures of one run; undefined when the time was over before the clients were connected. */
async function runOnce(contender: Contender, row: PgbenchRow, { pgbench, seconds, signal }: Setting): Promise<Figures | undefined> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sy-bench-'));
  try {
    const before = contender.pid === undefined ? undefined : cpuOf(contender.pid);
    const env = contender.password === undefined ? {} : { PGPASSWORD: contender.password };
    const args = pgbenchArgs(contender, row, seconds, folder);
    const { stdout } = await runProgram(pgbench, args, { limitMs: seconds * 1000 + AROUND_MS, signal, env, cwd: folder });
    const after = contender.pid === undefined ? undefined : cpuOf(contender.pid);
    const summary = readSummary(stdout);
    if (!summary) throw new Error(`pgbench printed no summary: ${stdout.slice(-300).replaceAll('\n', ' ')}`);
    if (summary.failed > 0) throw new Error(`${summary.failed} transactions failed`);
    if (summary.transactions === 0) return undefined;
    const used = before && after ? { user: after.userUs - before.userUs, system: after.systemUs - before.systemUs } : undefined;
    return {
      rate: summary.tps * (row.answerBytes ?? 1),
      ...percentilesMs(latenciesIn(folder).get(0) ?? []),
      ...(used ? cpuFigures(used.user, used.system, summary.transactions) : {}),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPU for each transaction. */
export function cpuFigures(userUs: number, systemUs: number, transactions: number): Figures {
  return { cpuUs: (userUs + systemUs) / transactions, userUs: userUs / transactions, systemUs: systemUs / transactions };
}

function pgbenchArgs(contender: Contender, row: PgbenchRow, seconds: number, folder: string): readonly string[] {
  const threads = Math.min(row.clients, os.availableParallelism());
  const plainReads = row.scripts.length === 1 && !row.writes && !row.reconnect && row.answerBytes === undefined;
  const scripts = row.scripts.flatMap((script, index) => {
    if ('builtin' in script) return ['-b', script.builtin];
    const file = path.join(folder, `${index}.sql`);
    writeFileSync(file, script.sql);
    return ['-f', `${file}@${script.weight}`];
  });
  return [
    ...['-n', '-h', '127.0.0.1', '-p', String(contender.port), '-U', contender.user],
    ...['-c', String(row.clients), '-j', String(threads), '-T', String(seconds), '-M', row.protocol],
    ...['-l', '--log-prefix', path.join(folder, 'log'), ...(plainReads ? ['--sampling-rate', String(SAMPLE_OF_READS)] : [])],
    ...(row.reconnect ? ['-C'] : []),
    ...('builtin' in (row.scripts[0] ?? {}) ? [] : ['-D', `scale=${SCALE}`]),
    ...scripts,
    contender.database,
  ];
}

function latenciesIn(folder: string): Latencies {
  const latencies: Latencies = new Map();
  for (const name of readdirSync(folder)) {
    if (name.startsWith('log')) addLatencies(readFileSync(path.join(folder, name), 'utf8'), latencies);
  }
  return latencies;
}
