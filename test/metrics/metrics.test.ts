/** What Prometheus is told, read back from the text as it would read it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Counting } from '../../src/metrics/counters.ts';
import { createMetrics, type MetricsView } from '../../src/metrics/metrics.ts';
import { counters, databaseRow, fakeView, LONG_AGO, pipelineRow, poolRow } from '../admin/fake-view.ts';
import { projectRoot } from '../support/root.ts';

function metricsView(change: Partial<MetricsView> = {}): MetricsView {
  return { ...fakeView().view, counting: new Counting(), parserCache: () => ({ hits: 5, misses: 2, entries: 2 }), ...change };
}

/** Series and their values. */
async function scrape(change: Partial<MetricsView> = {}): Promise<ReadonlyMap<string, number>> {
  const text = await createMetrics(metricsView(change), false).scrape();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
}

test('pools are told by database, user, host, role and state', async () => {
  const samples = await scrape();
  const pool = 'database="shop",user="bob",host="10.0.0.1:5432",role="primary"';
  assert.equal(samples.get(`shardyard_pool_clients{${pool},state="waiting"}`), 2);
  assert.equal(samples.get(`shardyard_pool_servers{${pool},state="idle"}`), 4);
  assert.equal(samples.get(`shardyard_pool_max_wait_seconds{${pool}}`), 1.50025);
});

test('labels that are not known are left out', async () => {
  const samples = await scrape({ pools: () => [poolRow({ host: undefined, role: undefined })] });
  assert.equal(samples.get('shardyard_pool_servers{database="shop",user="bob",state="active"}'), 3);
});

test('what queries of several clients on one connection have come to is told for each pool, resent ones by reason', async () => {
  const samples = await scrape({ pipelines: () => [pipelineRow({ host: undefined })] });
  const labels = 'database="shop",user="bob"';
  assert.equal(samples.get(`shardyard_pipeline_servers{${labels}}`), 2);
  assert.equal(samples.get(`shardyard_pipeline_depth{${labels}}`), 9);
  assert.equal(samples.get(`shardyard_pipeline_max_depth{${labels}}`), 12);
  assert.equal(samples.get(`shardyard_pipeline_exchanges_total{${labels},kind="shared"}`), 5_000_000_000);
  assert.equal(samples.get(`shardyard_pipeline_exchanges_total{${labels},kind="exclusive"}`), 70);
  const resent = ['lost', 'slow', 'canceled', 'stale'].map((reason) =>
    samples.get(`shardyard_pipeline_resent_total{${labels},reason="${reason}"}`),
  );
  assert.deepEqual(resent, [1, 2, 3, 4]);
  assert.equal(samples.get(`shardyard_pipeline_wasted_total{${labels}}`), 5);
});

test('clients, servers and the state of the pooler are told', async () => {
  const samples = await scrape({ state: () => 'suspended' });
  assert.equal(samples.get('shardyard_clients'), 5);
  assert.equal(samples.get('shardyard_login_clients'), 1);
  assert.equal(samples.get('shardyard_servers'), 6);
  assert.equal(samples.get('shardyard_paused'), 1);
});

test('a name with quotes, backslashes and line ends is one label still', async () => {
  const samples = await scrape({ databases: () => [databaseRow({ name: 'a"b\\c\nd', current_connections: 9 })] });
  assert.equal(samples.get('shardyard_database_connections{database="a\\"b\\\\c\\nd"}'), 9);
});

test('exchanges are counted by where they went, why and how they ended', async () => {
  const counting = new Counting();
  counting.exchange('shop', 'shop_0', 'primary', 'key').ok += 3;
  counting.exchange('shop', '', 'none', 'cross_shard').refused += 1;
  const samples = await scrape({ counting });
  assert.equal(samples.get('shardyard_exchanges_total{database="shop",shard="shop_0",role="primary",why="key",outcome="ok"}'), 3);
  assert.equal(samples.get('shardyard_exchanges_total{database="shop",shard="",role="none",why="cross_shard",outcome="refused"}'), 1);
  assert.equal([...samples.keys()].filter((name) => name.startsWith('shardyard_exchanges_total')).length, 2);
});

test('a histogram is cumulative and in seconds', async () => {
  const counting = new Counting();
  for (const ms of [0.05, 2, 2, 60_000]) counting.timings('shop').query.observe(ms);
  const samples = await scrape({ counting });
  assert.equal(samples.get('shardyard_query_seconds_bucket{database="shop",le="0.0001"}'), 1);
  assert.equal(samples.get('shardyard_query_seconds_bucket{database="shop",le="0.001"}'), 1);
  assert.equal(samples.get('shardyard_query_seconds_bucket{database="shop",le="0.0025"}'), 3);
  assert.equal(samples.get('shardyard_query_seconds_bucket{database="shop",le="30"}'), 3);
  assert.equal(samples.get('shardyard_query_seconds_bucket{database="shop",le="+Inf"}'), 4);
  assert.equal(samples.get('shardyard_query_seconds_count{database="shop"}'), 4);
  assert.ok(Math.abs((samples.get('shardyard_query_seconds_sum{database="shop"}') ?? 0) - 60.00405) < 1e-9);
  assert.equal(samples.get('shardyard_wait_seconds_count{database="shop"}'), 0);
});

test('a counter read twice is the counter as it is then', async () => {
  const counting = new Counting();
  const metrics = createMetrics(metricsView({ counting }), false);
  const cell = counting.exchange('shop', '', 'any', 'unsharded');
  cell.ok += 1;
  assert.match(await metrics.scrape(), /outcome="ok"} 1\n/);
  cell.ok += 1;
  assert.match(await metrics.scrape(), /outcome="ok"} 2\n/);
});

test('pins are told as they are now and as they have been', async () => {
  const counting = new Counting();
  counting.pinned('temp');
  counting.pinned('temp');
  const pin = { client_id: 1, database: 'shop', user: 'u', application_name: '', reason: 'temp', statement: '', since: LONG_AGO } as const;
  const samples = await scrape({ counting, pins: () => [pin] });
  assert.equal(samples.get('shardyard_pinned_sessions{reason="temp"}'), 1);
  assert.equal(samples.get('shardyard_pins_total{reason="temp"}'), 2);
});

test('times of SHOW STATS are told in seconds', async () => {
  const stats = () => [{ database: 'shop', total: counters({ query_time: 1_500_000, client_bytes: 10 }), average: counters() }];
  const samples = await scrape({ stats });
  assert.equal(samples.get('shardyard_query_time_seconds_total{database="shop"}'), 1.5);
  assert.equal(samples.get('shardyard_received_bytes_total{database="shop"}'), 10);
});

test('a host is told once, and not before it is known to be up or down', async () => {
  const host = (database: string, name: string, state: 'up' | 'down' | 'unknown') =>
    ({ database, target: 'shop_0', host: name, port: 5432, role: 'primary', state, epoch: 1 }) as const;
  const samples = await scrape({
    topology: () => [host('shop', 'a', 'down'), host('shop_0', 'a', 'down'), host('shop_0', 'b', 'up'), host('shop_0', 'c', 'unknown')],
  });
  const up = [...samples].filter(([name]) => name.startsWith('shardyard_host_up'));
  assert.deepEqual(up, [
    ['shardyard_host_up{database="shop_0",host="a:5432",role="primary"}', 0],
    ['shardyard_host_up{database="shop_0",host="b:5432",role="primary"}', 1],
  ]);
});

test('the parser’s cache is told', async () => {
  const samples = await scrape();
  assert.equal(samples.get('shardyard_parser_cache_hits_total'), 5);
  assert.equal(samples.get('shardyard_parser_cache_misses_total'), 2);
});

test('two poolers in one process have their own numbers, and the process is measured', async () => {
  const [first, second] = [
    createMetrics(metricsView()),
    createMetrics(metricsView({ lists: () => ({ ...fakeView().view.lists(), used_clients: 77 }) })),
  ];
  assert.match(await first.scrape(), /^shardyard_clients 5$/m);
  assert.match(await second.scrape(), /^shardyard_clients 77$/m);
  assert.match(await second.scrape(), /^process_cpu_seconds_total /m);
  assert.match(first.contentType, /^text\/plain; version=0\.0\.4/);
});

test('each family has its type and help', async () => {
  const text = await createMetrics(metricsView(), false).scrape();
  for (const name of createMetrics(metricsView(), false).names) {
    assert.match(text, new RegExp(`^# HELP ${name} .+\n# TYPE ${name} (gauge|counter|histogram)$`, 'm'));
  }
});

test('docs/metrics.md lists every family and no other', () => {
  const page = readFileSync(path.join(projectRoot, 'docs/metrics.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `(shardyard_\w+)` \|/gm)].map((match) => match[1]);
  assert.deepEqual([...listed].sort(), [...createMetrics(metricsView(), false).names].sort());
});

test('how long pins lasted is told by reason, and leaks are told even when there are none', async () => {
  const counting = new Counting();
  counting.unpinned('temp', 40);
  counting.unpinned('temp', 90_000);
  const before = await scrape({ counting });
  assert.equal(before.get('shardyard_pin_seconds_count{reason="temp"}'), 2);
  assert.equal(before.get('shardyard_pin_seconds_bucket{reason="temp",le="0.05"}'), 1);
  assert.equal(before.get('shardyard_pin_seconds_sum{reason="temp"}'), 90.04);
  assert.deepEqual([before.get('shardyard_leak_checks_total'), before.get('shardyard_leaks_total')], [0, 0]);
  counting.leakChecks += 3;
  counting.leaks += 1;
  const after = await scrape({ counting });
  assert.deepEqual([after.get('shardyard_leak_checks_total'), after.get('shardyard_leaks_total')], [3, 1]);
});

test('what server connections are held for is told by database, in seconds', async () => {
  const counting = new Counting();
  counting.held('shop').pin += 250;
  counting.held('shop').transaction += 1500;
  const samples = await scrape({ counting });
  assert.equal(samples.get('shardyard_held_seconds_total{database="shop",for="pin"}'), 0.25);
  assert.equal(samples.get('shardyard_held_seconds_total{database="shop",for="transaction"}'), 1.5);
  assert.equal(samples.get('shardyard_held_seconds_total{database="shop",for="session"}'), 0);
});
