/** What pgbench prints and logs, read: its summary, and the lines of its transaction log (`-l`). Pure. Source: pgbench's manual page. */
import { percentile } from './numbers.ts';

export interface Summary {
  readonly transactions: number;
  /** Transactions a second; without the time of connecting, unless pgbench connects for each transaction. */
  readonly tps: number;
  readonly failed: number;
}

/** The summary on pgbench's standard output; undefined when it is not there. */
export function readSummary(output: string): Summary | undefined {
  const transactions = /^number of transactions actually processed: (\d+)/m.exec(output)?.[1];
  const rates = [...output.matchAll(/^tps = ([\d.]+) ?(.*)$/gm)];
  // Before version 14 there are two lines, and this is the second.
  const chosen = rates.find(([, , note = '']) => /without|excluding/.test(note)) ?? rates[0];
  const failed = /^number of failed transactions: (\d+)/m.exec(output)?.[1];
  // Without any transaction there is no rate.
  if (transactions === undefined || (Number(transactions) > 0 && chosen === undefined)) return undefined;
  return { transactions: Number(transactions), tps: Number(chosen?.[1] ?? 0), failed: Number(failed ?? 0) };
}

/** Microseconds by the number of the script (`-f` and `-b` in their order), in the order of the log. */
export type Latencies = Map<number, number[]>;

/** Adds the lines `client transaction microseconds script seconds microseconds …` of one log; those of skipped or failed ones are passed over. */
export function addLatencies(log: string, to: Latencies): void {
  for (const line of log.split('\n')) {
    const [, , taken, script] = line.split(' ');
    const [latencyUs, number] = [Number(taken), Number(script)];
    if (taken === undefined || script === undefined || !Number.isFinite(latencyUs)) continue;
    const list = to.get(number);
    if (list) list.push(latencyUs);
    else to.set(number, [latencyUs]);
  }
}

export interface Percentiles {
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly p99Ms?: number;
}

/** Percentiles in milliseconds; empty when there are no latencies. */
export function percentilesMs(latenciesUs: readonly number[]): Percentiles {
  const sorted = Float64Array.from(latenciesUs).sort();
  const at = (share: number): number => (percentile(sorted, share) ?? 0) / 1000;
  return sorted.length === 0 ? {} : { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}
