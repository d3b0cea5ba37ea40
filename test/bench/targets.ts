/** The targets, as data: what a figure of Shardyard must be against PgBouncer's, a direct connection's, or on its own. Pure. */
import { ratio } from './numbers.ts';
import type { ContenderName, Figure, Figures } from './results.ts';

export interface Target {
  readonly title: string;
  /** Names of workloads; each must meet it. */
  readonly workloads: readonly string[];
  readonly figure: Figure;
  /** Whose figure it is divided by; none: the figure itself. */
  readonly against?: ContenderName;
  readonly least?: number;
  readonly most?: number;
}

export const TARGETS: readonly Target[] = [
  { title: 'select-only, extended, 64 clients', workloads: ['select-extended-64'], figure: 'rate', against: 'pgbouncer', least: 1.9 },
  { title: 'select-only, extended, 64 clients', workloads: ['select-extended-64'], figure: 'rate', against: 'direct', least: 1.6 },
  { title: 'select-only, extended, 1,000 clients', workloads: ['select-extended-1000'], figure: 'rate', against: 'pgbouncer', least: 2.2 },
  { title: 'select-only, simple, 64 clients', workloads: ['select-simple-64'], figure: 'rate', against: 'pgbouncer', least: 1.4 },
  { title: 'select-only, simple, 64 clients', workloads: ['select-simple-64'], figure: 'rate', against: 'direct', least: 1.2 },
  { title: 'select-only, prepared, 64 clients', workloads: ['select-prepared-64'], figure: 'rate', against: 'pgbouncer', least: 1.5 },
  {
    title: 'select-only, 1 client',
    workloads: ['select-simple-1', 'select-extended-1', 'select-prepared-1'],
    figure: 'rate',
    against: 'pgbouncer',
    least: 0.85,
  },
  { title: 'TPC-B-like, 16 clients, simple', workloads: ['tpcb-simple-16'], figure: 'rate', against: 'pgbouncer', least: 1 },
  { title: 'TPC-B-like, 16 clients, extended', workloads: ['tpcb-extended-16'], figure: 'rate', against: 'pgbouncer', least: 1.15 },
  { title: 'reconnecting, SCRAM', workloads: ['reconnect-scram'], figure: 'rate', against: 'pgbouncer', least: 1 },
  {
    title: 'large results, COPY',
    workloads: ['rows-10kB', 'rows-1MB', 'copy-in', 'copy-out'],
    figure: 'rate',
    against: 'pgbouncer',
    least: 0.9,
  },
  {
    title: 'mixed with 1 % slow: p99 of the fast ones',
    workloads: ['mixed-sleep', 'mixed-heavy', 'mixed-same-text'],
    figure: 'p99Ms',
    against: 'pgbouncer',
    most: 1,
  },
  { title: 'CPU for each select, extended, 64 clients', workloads: ['select-extended-64'], figure: 'cpuUs', against: 'pgbouncer', most: 1 },
  { title: 'memory for each idle client', workloads: ['idle-5000'], figure: 'idleBytes', most: 8192 },
  { title: 'analysis on, against all off', workloads: ['analysis'], figure: 'rate', against: 'off', least: 0.95 },
  { title: 'event-loop delay, p99 through all runs', workloads: ['*'], figure: 'loopDelayMs', most: 10 },
];

/** How a target came out for one workload: `met` is undefined when it could not be told. */
export interface Verdict {
  readonly target: Target;
  readonly workload: string;
  readonly value?: number;
  readonly met?: boolean;
}

/** The verdicts for the workloads that `figures` knows (those that were run; '*' is all of them together). */
export function judge(
  figures: (workload: string, contender: ContenderName) => Figures | undefined,
  ran: (workload: string) => boolean,
): readonly Verdict[] {
  return TARGETS.flatMap((target) =>
    target.workloads.filter(ran).map((workload): Verdict => {
      const own = figures(workload, 'shardyard')?.[target.figure];
      const value = target.against === undefined ? own : ratio(own, figures(workload, target.against)?.[target.figure]);
      if (value === undefined) return { target, workload };
      return { target, workload, value, met: value >= (target.least ?? -Infinity) && value <= (target.most ?? Infinity) };
    }),
  );
}
