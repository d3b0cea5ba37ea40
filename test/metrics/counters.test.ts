import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUCKETS_MS, Counting, Histogram, OTHER } from '../../src/metrics/counters.ts';

test('a value is counted in the first bucket whose bound it does not pass', () => {
  const histogram = new Histogram();
  for (const value of [0, 0.1, 0.11, 30_000, 30_001, Number.POSITIVE_INFINITY]) histogram.observe(value);
  assert.equal(histogram.counts.length, BUCKETS_MS.length + 1);
  assert.deepEqual([histogram.counts[0], histogram.counts[1]], [2, 1]);
  assert.deepEqual([histogram.counts[BUCKETS_MS.length - 1], histogram.counts[BUCKETS_MS.length]], [1, 2]);
});

test('the same labels give the same cell, others another', () => {
  const counting = new Counting();
  const cell = counting.exchange('shop', 'shop_0', 'primary', 'key');
  assert.equal(counting.exchange('shop', 'shop_0', 'primary', 'key'), cell);
  assert.notEqual(counting.exchange('shop', 'shop_1', 'primary', 'key'), cell);
  assert.notEqual(counting.exchange('shop', 'shop_0', 'replica', 'key'), cell);
  assert.notEqual(counting.exchange('shop', 'shop_0', 'primary', 'write'), cell);
  assert.equal(counting.allExchanges().length, 4);
});

test('names that clients make up do not make endless series', () => {
  const counting = new Counting();
  for (let index = 0; index < 5000; index += 1) {
    counting.exchange(`db${index}`, '', 'any', 'unsharded').ok += 1;
    counting.timings(`db${index}`).wait.observe(1);
  }
  assert.ok(counting.allExchanges().length <= 2001);
  assert.ok(counting.allTimings().size <= 201);
  const all = counting.allExchanges().reduce((sum, { cell }) => sum + cell.ok, 0);
  assert.equal(all, 5000);
  assert.ok(counting.exchange(OTHER, '', 'any', 'unsharded').ok > 0);
});

test('pins are counted by reason', () => {
  const counting = new Counting();
  for (const reason of ['temp', 'listen', 'temp'] as const) counting.pinned(reason);
  assert.deepEqual(
    [...counting.allPins()],
    [
      ['temp', 2],
      ['listen', 1],
    ],
  );
});
