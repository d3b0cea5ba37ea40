/**
 * The arithmetic of SHOW STATS: sums and averages of the counters that each database keeps. Pure; who counts is the worker,
 * who keeps the two snapshots of the last stats_period is the worker's timer.
 */
import type { Counters } from './view.ts';

export function zeroCounters(): Counters {
  return {
    server_assignment_count: 0,
    xact_count: 0,
    query_count: 0,
    client_bytes: 0,
    server_bytes: 0,
    xact_time: 0,
    query_time: 0,
    wait_time: 0,
    client_parse_count: 0,
    server_parse_count: 0,
    bind_count: 0,
    client_login_count: 0,
  };
}

const NAMES = Object.keys(zeroCounters()) as (keyof Counters)[];

export function sumCounters(all: Iterable<Readonly<Counters>>): Counters {
  const sum = zeroCounters();
  for (const counters of all) for (const name of NAMES) sum[name] += counters[name];
  return sum;
}

/** Times are averages of one query, transaction or assignment; everything else is per second. */
const PER: Partial<Record<keyof Counters, keyof Counters>> = {
  query_time: 'query_count',
  xact_time: 'xact_count',
  wait_time: 'server_assignment_count',
};

/** The averages between two snapshots that are `durationMs` apart, cut to whole numbers (PgBouncer: stats.c, calc_average). */
export function averageOf(now: Readonly<Counters>, before: Readonly<Counters>, durationMs: number): Counters {
  const average = zeroCounters();
  if (durationMs <= 0) return average;
  for (const name of NAMES) {
    const per = PER[name];
    const divisor = per === undefined ? durationMs / 1000 : now[per] - before[per];
    average[name] = divisor > 0 ? Math.floor((now[name] - before[name]) / divisor) : 0;
  }
  return average;
}

/** The line that log_stats writes every stats_period. */
export function statsLine(average: Readonly<Counters>): string {
  const { xact_count, query_count, client_parse_count, server_parse_count, bind_count, client_login_count } = average;
  return (
    `stats: ${xact_count} xacts/s, ${query_count} queries/s, ${client_parse_count} client parses/s, ` +
    `${server_parse_count} server parses/s, ${bind_count} binds/s, ${client_login_count} client logins/s, ` +
    `in ${average.client_bytes} B/s, out ${average.server_bytes} B/s, ` +
    `xact ${average.xact_time} us, query ${average.query_time} us, wait ${average.wait_time} us`
  );
}
