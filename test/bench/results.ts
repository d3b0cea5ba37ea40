/**
 * The results of a benchmark: the shape of its JSON file, and how it is filled from the runs. The figures of a contender are the
 * medians of its runs. Pure.
 */
import { medians } from './numbers.ts';
import { judge, type Verdict } from './targets.ts';
import type { Workload } from './workloads.ts';

/** `off` is Shardyard with statement analysis, routing and state tracking off. */
export type ContenderName = 'direct' | 'pgbouncer' | 'shardyard' | 'off';

/**
 * rate: transactions, or bytes, a second · p50Ms, p95Ms, p99Ms: latency · cpuUs: CPU of the proxy for each transaction, of which userUs and
 * systemUs · idleBytes: memory for each idle client · loopDelayMs: p99 of the delay of Shardyard's event loop.
 */
export type Figure = 'rate' | 'p50Ms' | 'p95Ms' | 'p99Ms' | 'cpuUs' | 'userUs' | 'systemUs' | 'idleBytes' | 'loopDelayMs';
export type Figures = Readonly<Partial<Record<Figure, number>>>;

/** What a run says of one contender: figures, or why there are none. */
export type Outcome = { readonly figures: Figures } | { readonly failure: string };

export interface ContenderResult {
  readonly name: ContenderName;
  /** What is different for this contender in this row, such as its pool. */
  readonly note?: string;
  readonly runs: readonly Outcome[];
  readonly medians: Figures;
}

export interface RowResult {
  readonly name: string;
  readonly title: string;
  readonly unit: 'transactions/s' | 'bytes/s';
  readonly note?: string;
  /** Why the row was not run. */
  readonly skipped?: string;
  readonly contenders: readonly ContenderResult[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Postgres, PgBouncer, Node.js, Shardyard, pgbench. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface Results {
  readonly date: string;
  readonly quick: boolean;
  /** Set when only some workloads were asked for. */
  readonly partial: boolean;
  readonly runs: number;
  readonly seconds: number;
  readonly machine: Machine;
  readonly messages: readonly string[];
  readonly rows: readonly RowResult[];
  readonly verdicts: readonly Verdict[];
}

/** A contender's row of runs. */
export function contenderResult(name: ContenderName, runs: readonly Outcome[], note?: string): ContenderResult {
  const figures = runs.flatMap((run) => ('figures' in run ? [run.figures] : []));
  return { name, ...(note === undefined ? {} : { note }), runs, medians: medians<Figure>(figures) };
}

/** In what the throughput of a workload is counted. */
export function unitOf(workload: Workload): RowResult['unit'] {
  if (workload.kind === 'copy') return 'bytes/s';
  return workload.kind === 'pgbench' && workload.answerBytes !== undefined ? 'bytes/s' : 'transactions/s';
}

/** The median figures of a contender in a row; for the row '*', the worst event-loop delay of the medians of the rows. */
export function figuresOf(rows: readonly RowResult[], name: string, contender: ContenderName): Figures | undefined {
  if (name !== '*') return rows.find((row) => row.name === name)?.contenders.find((each) => each.name === contender)?.medians;
  const delays = rows.flatMap((row) => row.contenders.find((each) => each.name === contender)?.medians.loopDelayMs ?? []);
  return delays.length === 0 ? undefined : { loopDelayMs: Math.max(...delays) };
}

/** How the targets of the rows that were run came out. */
export function verdictsOf(rows: readonly RowResult[]): readonly Verdict[] {
  const ran = (name: string): boolean => (name === '*' ? rows.length > 0 : rows.some((row) => row.name === name));
  return judge((name, contender) => figuresOf(rows, name, contender), ran);
}
