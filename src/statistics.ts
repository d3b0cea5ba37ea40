/**
 * The tallies of each database, and their averages over the last stats_period: SHOW STATS and the line that log_stats writes. Also the last
 * few exchanges, for SHOW LAST_ROUTES.
 */
import { averageOf, statsLine, sumCounters, zeroCounters } from './admin/stats.ts';
import type { Counters, StatsRow } from './admin/view.ts';
import { newTally, type Tally } from './client/place.ts';

const NAMES_LIMIT = 1000;
const OTHER = '(other)';

function countersOf(tally: Tally): Counters {
  return {
    server_assignment_count: tally.assignments,
    xact_count: tally.transactions,
    query_count: tally.queries,
    client_bytes: tally.receivedBytes,
    server_bytes: tally.sentBytes,
    xact_time: Math.round(tally.transactionMs * 1000),
    query_time: Math.round(tally.queryMs * 1000),
    wait_time: Math.round(tally.waitMs * 1000),
    client_parse_count: tally.clientParses,
    server_parse_count: tally.serverParses,
    bind_count: tally.binds,
    client_login_count: tally.logins,
  };
}

export class Statistics {
  readonly #tallies = new Map<string, Tally>();
  #before = new Map<string, Counters>();
  #averages = new Map<string, Counters>();
  #periodFromMs: number;

  constructor(nowMs: number) {
    this.#periodFromMs = nowMs;
  }

  /** A client may name any database of a `*` line: past a number of them they share one tally. */
  tally(database: string): Tally {
    let found = this.#tallies.get(database);
    if (found === undefined) {
      if (this.#tallies.size >= NAMES_LIMIT && database !== OTHER) return this.tally(OTHER);
      found = newTally();
      this.#tallies.set(database, found);
    }
    return found;
  }

  rows(): StatsRow[] {
    return [...this.#tallies].map(([database, tally]) => ({
      database,
      total: countersOf(tally),
      average: this.#averages.get(database) ?? zeroCounters(),
    }));
  }

  /** Closes the period when it is over; returns the line for the log then. */
  tick(nowMs: number, periodMs: number): string | undefined {
    const durationMs = nowMs - this.#periodFromMs;
    if (durationMs < periodMs) return undefined;
    const now = new Map([...this.#tallies].map(([database, tally]) => [database, countersOf(tally)]));
    const before = this.#before;
    this.#averages = new Map(
      [...now].map(([database, counters]) => [database, averageOf(counters, before.get(database) ?? zeroCounters(), durationMs)]),
    );
    const line = statsLine(averageOf(sumCounters(now.values()), sumCounters(before.values()), durationMs));
    this.#before = now;
    this.#periodFromMs = nowMs;
    return line;
  }
}
