import assert from 'node:assert/strict';
import { test } from 'node:test';
import { averageOf, statsLine, sumCounters, zeroCounters } from '../../src/admin/stats.ts';
import { counters } from './fake-view.ts';

test('counts are averaged per second, times per query, transaction and assignment', () => {
  const before = counters({ query_count: 10, query_time: 1000, client_bytes: 100 });
  const now = counters({
    query_count: 40,
    query_time: 10_000,
    client_bytes: 700,
    xact_count: 3,
    xact_time: 10,
    server_assignment_count: 2,
    wait_time: 5,
  });
  const average = averageOf(now, before, 60_000);
  assert.equal(average.query_count, 0);
  assert.equal(average.query_time, 300);
  assert.equal(average.client_bytes, 10);
  assert.equal(average.xact_time, 3);
  assert.equal(average.wait_time, 2);
});

test('nothing happened, and no time passed, are averages of 0', () => {
  const now = counters({ query_time: 5 });
  assert.deepEqual(averageOf(now, zeroCounters(), 1000), counters());
  assert.deepEqual(averageOf(counters({ query_count: 5 }), zeroCounters(), 0), counters());
});

test('sums have every counter', () => {
  const one = Object.fromEntries(Object.keys(zeroCounters()).map((name) => [name, 1])) as unknown as ReturnType<typeof zeroCounters>;
  assert.deepEqual(new Set(Object.values(sumCounters([one, one]))), new Set([2]));
});

test('the line of log_stats is the one that PgBouncer writes', () => {
  const line = statsLine(counters({ xact_count: 1, query_count: 2, client_bytes: 3, server_bytes: 4, wait_time: 5 }));
  assert.equal(
    line,
    'stats: 1 xacts/s, 2 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, 0 client logins/s, in 3 B/s, out 4 B/s, xact 0 us, query 0 us, wait 5 us',
  );
});
