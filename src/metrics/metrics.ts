/**
 * The text of /metrics: each family with its name, help and labels, and how it is read from the pooler when it is scraped.
 * Nothing here runs between scrapes, but for what prom-client measures of the process (CPU, memory, event loop, garbage
 * collection). The only importer of prom-client; the registry is our own, so that nothing global is touched.
 */
import { type Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { AdminRead, Counters, DatabaseRow, PipelineRow, PoolRow } from '../admin/view.ts';
import { version } from '../version.ts';
import { BUCKETS_MS, type Counting, type ExchangeCell, type Histogram } from './counters.ts';

/** What the metrics read of the pooler. */
export interface MetricsView
  extends Pick<AdminRead, 'pools' | 'pipelines' | 'databases' | 'stats' | 'lists' | 'topology' | 'pins' | 'state'> {
  readonly counting: Counting;
  /** The cache of statement facts since the start. */
  parserCache(): { readonly hits: number; readonly misses: number; readonly entries: number };
}

export interface Metrics {
  /** The media type of `scrape`'s text. */
  readonly contentType: string;
  scrape(): Promise<string>;
  /** Names of all our families, for the documentation's test. */
  readonly names: readonly string[];
}

type Labels = Readonly<Record<string, string | number>>;
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly read: (view: MetricsView) => Sample[];
}

/** `withProcess` false leaves out what prom-client measures of the process. */
export function createMetrics(view: MetricsView, withProcess = true): Metrics {
  const registry = new Registry();
  for (const family of FAMILIES) registry.registerMetric(asMetric(family, view));
  if (withProcess) collectDefaultMetrics({ register: registry });
  return { contentType: registry.contentType, scrape: () => registry.metrics(), names: FAMILIES.map((family) => family.name) };
}

/**
 * prom-client asks a metric for nothing but `name` and `get` when it prints (registry.js, getMetricsAsString), so a family may
 * be read where its numbers are instead of being copied into a Counter first; its type only knows its own classes.
 */
function asMetric({ name, help, type, read }: Family, view: MetricsView): Counter {
  const metric = { name, get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: read(view) }) };
  return metric as unknown as Counter;
}

/** Left out where there is none: an empty label and no label are the same to Prometheus. */
function optional(labels: Readonly<Record<string, string | number | undefined>>): Labels {
  return Object.fromEntries(Object.entries(labels).filter((entry): entry is [string, string | number] => entry[1] !== undefined));
}

const one = (value: number): Sample[] => [{ labels: {}, value }];
const poolLabels = ({ database, user, host, role }: PoolRow): Labels => optional({ database, user, host, role });

/** The key of a number in a pool's row, and the state that it counts. */
type State = readonly [key: 'cl_active' | 'cl_waiting' | 'cl_active_cancel_req' | 'cl_waiting_cancel_req' | ServerKey, state: string];
type ServerKey = 'sv_active' | 'sv_active_cancel' | 'sv_being_canceled' | 'sv_idle' | 'sv_used' | 'sv_tested' | 'sv_login';

const CLIENT_STATES: readonly State[] = [
  ['cl_active', 'active'],
  ['cl_waiting', 'waiting'],
  ['cl_active_cancel_req', 'active_cancel_req'],
  ['cl_waiting_cancel_req', 'waiting_cancel_req'],
];
const SERVER_STATES: readonly State[] = [
  ['sv_active', 'active'],
  ['sv_idle', 'idle'],
  ['sv_used', 'used'],
  ['sv_tested', 'tested'],
  ['sv_login', 'login'],
  ['sv_active_cancel', 'active_cancel'],
  ['sv_being_canceled', 'being_canceled'],
];

function byState(states: readonly State[]): Family['read'] {
  return (view) =>
    view.pools().flatMap((pool) => states.map(([key, state]) => ({ labels: { ...poolLabels(pool), state }, value: pool[key] })));
}

const pipelineLabels = ({ database, user, host }: PipelineRow): Labels => optional({ database, user, host });

function ofPipelines(read: (row: PipelineRow) => number): Family['read'] {
  return (view) => view.pipelines().map((row) => ({ labels: pipelineLabels(row), value: read(row) }));
}

/** Counts of the pools' pipelines as the values of one label. */
function byLabel(label: string, counts: Readonly<Record<string, (row: PipelineRow) => number>>): Family['read'] {
  return (view) =>
    view
      .pipelines()
      .flatMap((row) =>
        Object.entries(counts).map(([value, read]) => ({ labels: { ...pipelineLabels(row), [label]: value }, value: read(row) })),
      );
}

const SHARES = { shared: (row: PipelineRow) => row.shared, exclusive: (row: PipelineRow) => row.exclusive };
/** A query behind a slow one is hedged: it runs a second time elsewhere. */
const RESENT = {
  lost: (row: PipelineRow) => row.resent_lost,
  slow: (row: PipelineRow) => row.resent_slow,
  canceled: (row: PipelineRow) => row.resent_canceled,
  stale: (row: PipelineRow) => row.resent_stale,
};

function ofDatabases(read: (row: DatabaseRow) => number): Family['read'] {
  return (view) => view.databases().map((row) => ({ labels: { database: row.name }, value: read(row) }));
}

/** A counter of SHOW STATS; `divisor` makes seconds of its microseconds. */
function ofStats(key: keyof Counters, divisor = 1): Family['read'] {
  return (view) => view.stats().map(({ database, total }) => ({ labels: { database }, value: total[key] / divisor }));
}

const OUTCOMES: readonly (keyof ExchangeCell)[] = ['ok', 'error', 'refused', 'lost', 'timeout', 'canceled'];

function exchanges(view: MetricsView): Sample[] {
  return view.counting
    .allExchanges()
    .flatMap(({ labels, cell }) =>
      OUTCOMES.filter((outcome) => cell[outcome] > 0).map((outcome) => ({ labels: { ...labels, outcome }, value: cell[outcome] })),
    );
}

function times(name: string, which: 'wait' | 'query'): Family['read'] {
  return (view) => [...view.counting.allTimings()].flatMap(([database, timings]) => buckets(name, { database }, timings[which]));
}

function pinTimes(name: string): Family['read'] {
  return (view) => [...view.counting.allPinTimes()].flatMap(([reason, times]) => buckets(name, { reason }, times));
}

function heldSeconds(view: MetricsView): Sample[] {
  return [...view.counting.allHeld()].flatMap(([database, held]) =>
    Object.entries(held).map(([kind, ms]) => ({ labels: { database, for: kind }, value: ms / 1000 })),
  );
}

/** A histogram in Prometheus's form: cumulative, in seconds. */
function buckets(name: string, labels: Labels, histogram: Histogram): Sample[] {
  let count = 0;
  const samples: Sample[] = [...histogram.counts].map((inBucket, index) => {
    count += inBucket;
    const bound = BUCKETS_MS[index];
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound === undefined ? '+Inf' : bound / 1000 }, value: count };
  });
  samples.push({ metricName: `${name}_sum`, labels, value: histogram.sumMs / 1000 }, { metricName: `${name}_count`, labels, value: count });
  return samples;
}

function pinnedSessions(view: MetricsView): Sample[] {
  const counts = new Map<string, number>();
  for (const { reason } of view.pins()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, value]) => ({ labels: { reason }, value }));
}

/** 1 or 0 for each host that has been asked; nothing for one that has not. */
function hostUp(view: MetricsView): Sample[] {
  const seen = new Map<string, Sample>();
  for (const { target, host, port, role, state } of view.topology()) {
    if (state === 'unknown') continue;
    seen.set(JSON.stringify([target, host, port]), {
      labels: optional({ database: target, host: `${host}:${port}`, role }),
      value: Number(state === 'up'),
    });
  }
  return [...seen.values()];
}

const MICROSECONDS = 1_000_000;

function family(type: Family['type'], name: string, help: string, read: Family['read']): Family {
  return { type, name: `shardyard_${name}`, help, read };
}
function histogram(name: string, help: string, which: 'wait' | 'query'): Family {
  return family('histogram', name, help, times(`shardyard_${name}`, which));
}

const FAMILIES: readonly Family[] = [
  family('gauge', 'info', 'Always 1; the label says which version runs.', () => [{ labels: { version }, value: 1 }]),
  family('gauge', 'paused', '1 while PAUSE or SUSPEND holds for the whole pooler.', (view) => one(Number(view.state() !== 'active'))),
  family('gauge', 'clients', 'Client connections.', (view) => one(view.lists().used_clients)),
  family('gauge', 'login_clients', 'Client connections that are not logged in yet.', (view) => one(view.lists().login_clients)),
  family('gauge', 'servers', 'Server connections.', (view) => one(view.lists().used_servers)),
  family('gauge', 'pool_clients', 'Clients of a pool by state.', byState(CLIENT_STATES)),
  family('gauge', 'pool_servers', 'Server connections of a pool by state.', byState(SERVER_STATES)),
  family('gauge', 'pool_max_wait_seconds', 'How long the first in line has waited by now.', (view) =>
    view.pools().map((pool) => ({ labels: poolLabels(pool), value: pool.maxwaitMs / 1000 })),
  ),
  family(
    'gauge',
    'pipeline_servers',
    'Server connections that carry queries of several clients now.',
    ofPipelines((row) => row.servers),
  ),
  family(
    'gauge',
    'pipeline_depth',
    'Queries under way on them.',
    ofPipelines((row) => row.depth),
  ),
  family(
    'gauge',
    'pipeline_max_depth',
    'The longest queue that a server connection of the pool ever had.',
    ofPipelines((row) => row.max_depth),
  ),
  family(
    'counter',
    'pipeline_exchanges_total',
    'Exchanges that shared a server connection, and grants of one for a single client.',
    byLabel('kind', SHARES),
  ),
  family(
    'counter',
    'pipeline_resent_total',
    'Shared queries that were asked again on another server connection.',
    byLabel('reason', RESENT),
  ),
  family(
    'counter',
    'pipeline_wasted_total',
    'Answers that nobody wanted any more.',
    ofPipelines((row) => row.wasted),
  ),
  family(
    'gauge',
    'database_connections',
    'Server connections of a database.',
    ofDatabases((row) => row.current_connections),
  ),
  family(
    'gauge',
    'database_max_connections',
    'Its max_db_connections; 0 is no limit.',
    ofDatabases((row) => row.max_connections),
  ),
  family(
    'gauge',
    'database_client_connections',
    'Client connections of a database.',
    ofDatabases((row) => row.current_client_connections),
  ),
  family(
    'gauge',
    'database_pool_size',
    'Its pool_size.',
    ofDatabases((row) => row.pool_size),
  ),
  family(
    'gauge',
    'database_paused',
    '1 while PAUSE or KILL holds for it.',
    ofDatabases((row) => Number(row.paused)),
  ),
  family(
    'gauge',
    'database_disabled',
    '1 after DISABLE.',
    ofDatabases((row) => Number(row.disabled)),
  ),
  family('gauge', 'host_up', '1 when the host answers, 0 when it is known not to.', hostUp),
  family('counter', 'exchanges_total', 'Requests with their whole answers: where they went, why, and how they ended.', exchanges),
  histogram('query_seconds', 'From the request at the server until it is ready again.', 'query'),
  histogram('wait_seconds', 'In line for a server connection.', 'wait'),
  family(
    'counter',
    'held_seconds_total',
    'Server-connection time that clients held, by what for; looked at ten times a second.',
    heldSeconds,
  ),
  family('gauge', 'pinned_sessions', 'Reasons for which sessions keep their server connection now.', pinnedSessions),
  family('counter', 'pins_total', 'Sessions that were pinned, by reason.', (view) =>
    [...view.counting.allPins()].map(([reason, value]) => ({ labels: { reason }, value })),
  ),
  family('histogram', 'pin_seconds', 'How long pins lasted that are over, by reason.', pinTimes('shardyard_pin_seconds')),
  family('counter', 'leak_checks_total', 'Server connections that the leak sentinel has looked at.', (view) =>
    one(view.counting.leakChecks),
  ),
  family('counter', 'leaks_total', 'Those in which it found session state that was left behind. Must stay 0.', (view) =>
    one(view.counting.leaks),
  ),
  family('counter', 'parser_cache_hits_total', 'Statements whose facts were known.', (view) => one(view.parserCache().hits)),
  family('counter', 'parser_cache_misses_total', 'Statements that had to be parsed.', (view) => one(view.parserCache().misses)),
  family('gauge', 'parser_cache_entries', 'Statements whose facts are kept.', (view) => one(view.parserCache().entries)),
  family('counter', 'server_assignments_total', 'Server connections given to a client.', ofStats('server_assignment_count')),
  family('counter', 'transactions_total', 'Transactions.', ofStats('xact_count')),
  family('counter', 'queries_total', 'Queries.', ofStats('query_count')),
  family('counter', 'received_bytes_total', 'Bytes received from clients.', ofStats('client_bytes')),
  family('counter', 'sent_bytes_total', 'Bytes received from servers, for clients.', ofStats('server_bytes')),
  family('counter', 'transaction_seconds_total', 'Time with an open transaction.', ofStats('xact_time', MICROSECONDS)),
  family('counter', 'query_time_seconds_total', 'Time with a running query.', ofStats('query_time', MICROSECONDS)),
  family('counter', 'wait_time_seconds_total', 'Time that clients stood in line.', ofStats('wait_time', MICROSECONDS)),
  family('counter', 'client_parses_total', 'Prepared statements that clients asked for.', ofStats('client_parse_count')),
  family('counter', 'server_parses_total', 'Prepared statements that servers were asked for.', ofStats('server_parse_count')),
  family('counter', 'binds_total', 'Bind messages.', ofStats('bind_count')),
  family('counter', 'client_logins_total', 'Clients that logged in.', ofStats('client_login_count')),
];
