/**
 * The benchmark itself: for each workload, the contenders in turn, again and again, each run beginning with another one, so that whatever
 * else the machine does hits all alike. A run that fails is told of and the others go on.
 */
import { BOTH_SIDES, offSettings } from './analysis-off.ts';
import { cleanTables, onServer } from './database.ts';
import { readLoopDelayMs } from './loop-delay.ts';
import { type Authentication, type Contender, direct, type Ground, knowsPrepared, startOurs, startPgbouncer } from './poolers.ts';
import { type ContenderName, contenderResult, type Figures, type Outcome, type RowResult, unitOf } from './results.ts';
import { runCopy } from './run-copy.ts';
import { runIdle } from './run-idle.ts';
import { runPgbench, type Setting } from './run-pgbench.ts';
import type { PgbenchRow, Workload } from './workloads.ts';

export interface Bench extends Setting {
  readonly ground: Ground;
  readonly runs: number;
  readonly quick: boolean;
  readonly off: Readonly<Record<string, string>>;
  /** What has been started and must be stopped at the end. */
  readonly started: { stop(): Promise<void> }[];
  say(text: string): void;
}

/** Sets of contenders. `sessions`: for prepared statements, when PgBouncer is too old for them in transaction mode. */
type Kind = Authentication | 'analysis' | 'sessions';
const WARM_UP_SECONDS = 1;

/** Runs the workloads; calls `onRow` with each result. */
export async function runAll(bench: Bench, workloads: readonly Workload[], onRow: (row: RowResult) => void): Promise<void> {
  const kept = new Map<Kind, readonly Contender[]>();
  const contenders = async (kind: Kind): Promise<readonly Contender[]> => {
    const known = kept.get(kind) ?? (kind === 'sessions' ? await withSessions(bench, await contenders('trust')) : await start(bench, kind));
    kept.set(kind, known);
    return known;
  };
  for (const workload of workloads) {
    bench.signal.throwIfAborted();
    onRow(await runRow(bench, workload, contenders));
  }
}

/** The same contenders, with PgBouncer in session mode. */
async function withSessions(bench: Bench, others: readonly Contender[]): Promise<readonly Contender[]> {
  const pgbouncer = await startPgbouncer(bench.ground, 'trust', true);
  if (pgbouncer === undefined) return others;
  bench.started.push(pgbouncer);
  return others.map((contender) => (contender.name === 'pgbouncer' ? pgbouncer : contender));
}

async function start(bench: Bench, kind: Exclude<Kind, 'sessions'>): Promise<readonly Contender[]> {
  const { ground, started } = bench;
  const contenders: Contender[] = [];
  const add = (contender: Contender | undefined): void => {
    if (contender === undefined) return;
    contenders.push(contender);
    started.push(contender);
  };
  if (kind === 'analysis') {
    add(await startOurs(ground, 'trust', 'shardyard', BOTH_SIDES));
    add(await startOurs(ground, 'trust', 'off', { ...BOTH_SIDES, ...offSettings(bench.off) }));
  } else {
    add(direct(ground, kind));
    add(await startPgbouncer(ground, kind));
    add(await startOurs(ground, kind));
  }
  if (bench.quick) for (const contender of contenders) await attempt(() => warmUp(bench, contender));
  return contenders;
}

function kindOf(workload: Workload, { pgbouncer }: Ground): Kind {
  if (workload.kind === 'analysis') return 'analysis';
  if (workload.kind !== 'pgbench') return 'trust';
  if (workload.protocol === 'prepared' && pgbouncer !== undefined && !knowsPrepared(pgbouncer.version)) return 'sessions';
  return workload.reconnect ? 'scram' : 'trust';
}

async function runRow(bench: Bench, workload: Workload, contenders: (kind: Kind) => Promise<readonly Contender[]>): Promise<RowResult> {
  const { name, title, note } = workload;
  const empty = { name, title, unit: unitOf(workload), ...(note === undefined ? {} : { note }), contenders: [] };
  if (workload.kind === 'analysis' && offSettings(bench.off) === undefined) {
    return { ...empty, skipped: 'there are no settings (session_state…) that turn it off; --off KEY=VALUE names others' };
  }
  const all = await contenders(kindOf(workload, bench.ground)).catch((error: unknown) => messageOf(error));
  if (typeof all === 'string') return { ...empty, skipped: all };
  const outcomes = new Map<ContenderName, Outcome[]>(all.map((contender) => [contender.name, []]));
  if (!bench.quick && workload.kind !== 'idle') {
    for (const contender of all) await attempt(() => measure({ ...bench, seconds: WARM_UP_SECONDS }, workload, contender));
  }
  for (let run = 0; run < bench.runs; run++) {
    for (let turn = 0; turn < all.length; turn++) {
      const contender = all[(run + turn) % all.length] as Contender;
      bench.signal.throwIfAborted();
      bench.say(`${name}: run ${run + 1} of ${bench.runs}, ${contender.name}`);
      outcomes.get(contender.name)?.push(await attempt(() => measure(bench, workload, contender)));
    }
  }
  bench.signal.throwIfAborted();
  const results = all.map((contender) => contenderResult(contender.name, outcomes.get(contender.name) ?? [], contender.note));
  return { ...empty, contenders: results };
}

async function attempt(run: () => Promise<Figures>): Promise<Outcome> {
  try {
    return { figures: await run() };
  } catch (error) {
    return { failure: messageOf(error) };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const selects = (row: Pick<PgbenchRow, 'name' | 'title' | 'clients' | 'protocol'>): PgbenchRow => ({
  ...row,
  kind: 'pgbench',
  scripts: [{ builtin: 'select-only' }],
});

const warmUp = (bench: Bench, contender: Contender): Promise<Figures> =>
  runPgbench(contender, selects({ name: '', title: '', clients: 16, protocol: 'extended' }), { ...bench, seconds: WARM_UP_SECONDS });

/** One run of one contender, with the delay of its event loop when it has metrics. */
async function measure(bench: Bench, workload: Workload, contender: Contender): Promise<Figures> {
  const { postgresPort } = bench.ground;
  if (workload.kind === 'pgbench' && workload.writes) await cleanTables(postgresPort);
  if (workload.kind === 'copy' && workload.direction === 'in') await onServer(postgresPort, 'TRUNCATE bench_copied');
  if (workload.kind === 'idle') return measureInNewProcess(bench, workload, contender);
  await readLoopDelayMs(contender.metricsPort, bench.signal);
  const figures =
    workload.kind === 'copy'
      ? await runCopy(contender, workload)
      : await runPgbench(contender, workload.kind === 'analysis' ? selects(workload) : workload, bench);
  const loopDelayMs = await readLoopDelayMs(contender.metricsPort, bench.signal);
  return loopDelayMs === undefined ? figures : { ...figures, loopDelayMs };
}

async function measureInNewProcess(bench: Bench, workload: Workload & { kind: 'idle' }, like: Contender): Promise<Figures> {
  if (like.name === 'direct') return runIdle(like, workload, bench);
  const fresh = like.name === 'pgbouncer' ? await startPgbouncer(bench.ground, 'trust') : await startOurs(bench.ground, 'trust');
  if (fresh === undefined) throw new Error('there is no PgBouncer');
  bench.started.push(fresh);
  try {
    const figures = await runIdle(fresh, workload, bench);
    const loopDelayMs = await readLoopDelayMs(fresh.metricsPort, bench.signal);
    return loopDelayMs === undefined ? figures : { ...figures, loopDelayMs };
  } finally {
    bench.started.splice(bench.started.indexOf(fresh), 1);
    await fresh.stop();
  }
}
