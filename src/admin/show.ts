/**
 * The tables of SHOW: for each, its columns with their types in PgBouncer's order, ours behind them, and where its rows come
 * from. What commands there are, and who may ask, is `commands.ts`; what SHOW HELP says is `help.ts`.
 */
import { localTime, pointer } from '../log.ts';
import { versionText } from '../version.ts';
import { type Column, columnsOf, type Reply, table } from './reply.ts';
import { PIPELINE } from './show-pipeline.ts';
import { sumCounters } from './stats.ts';
import type {
  AdminRead,
  AuditRow,
  ConfigRow,
  Counters,
  DatabaseRow,
  LastRouteRow,
  PeerRow,
  PinRow,
  PoolRow,
  SocketRow,
  StatsRow,
  TopologyRow,
  UserRow,
} from './view.ts';

type Show = (view: AdminRead) => Reply;

const seconds = (ms: number): number => Math.floor(ms / 1000);
/** The microseconds behind the whole seconds. */
const microseconds = (ms: number): number => Math.floor((ms % 1000) * 1000);
const list = (items: readonly string[]): string => items.join(', ');

const pool = columnsOf<PoolRow>();
const POOLS: readonly Column<PoolRow>[] = [
  pool.text('database'),
  pool.text('user'),
  pool.int4('cl_active'),
  pool.int4('cl_waiting'),
  pool.int4('cl_active_cancel_req'),
  pool.int4('cl_waiting_cancel_req'),
  pool.int4('sv_active'),
  pool.int4('sv_active_cancel'),
  pool.int4('sv_being_canceled'),
  pool.int4('sv_idle'),
  pool.int4('sv_used'),
  pool.int4('sv_tested'),
  pool.int4('sv_login'),
  pool.int4('maxwait', (row) => seconds(row.maxwaitMs)),
  pool.int4('maxwait_us', (row) => microseconds(row.maxwaitMs)),
  pool.text('pool_mode'),
  pool.text('load_balance_hosts'),
  pool.text('host'),
  pool.text('role'),
];

const socket = columnsOf<SocketRow>();
const SOCKET_BASE: readonly Column<SocketRow>[] = [
  socket.text('type'),
  socket.text('user', (row) => row.user ?? '(nouser)'),
  socket.text('database', (row) => row.database ?? '(nodb)'),
  socket.text('replication', () => 'none'),
  socket.text('state'),
  socket.text('addr'),
  socket.int4('port'),
  socket.text('local_addr'),
  socket.int4('local_port'),
  socket.text('connect_time', (row) => localTime(row.connect_time)),
  socket.text('request_time', (row) => localTime(row.request_time)),
  socket.int4('wait', (row) => seconds(row.waitMs)),
  socket.int4('wait_us', (row) => microseconds(row.waitMs)),
  socket.int4('close_needed', (row) => Number(row.close_needed)),
  socket.text('ptr', (row) => pointer(row.id)),
  socket.text('link', (row) => (row.link === undefined ? '' : pointer(row.link))),
  socket.int4('remote_pid'),
  socket.text('tls'),
  socket.text('application_name'),
  socket.int4('prepared_statements'),
  socket.int4('id'),
];
/** Positions in PgBouncer's packet buffer: there is none here, only what waits is known. */
const SOCKET_BUFFERS: readonly Column<SocketRow>[] = [
  socket.int4('recv_pos', () => 0),
  socket.int4('pkt_pos', () => 0),
  socket.int4('pkt_remain', () => 0),
  socket.int4('send_pos', () => 0),
  socket.int4('send_remain', () => 0),
  socket.int4('pkt_avail'),
  socket.int4('send_avail'),
];
const SOCKET_OURS: readonly Column<SocketRow>[] = [socket.text('pins', (row) => list(row.pins)), socket.text('role'), socket.int4('queue')];
const CONNECTIONS = [...SOCKET_BASE, ...SOCKET_OURS];
const SOCKETS = [...SOCKET_BASE, ...SOCKET_BUFFERS, ...SOCKET_OURS];

/** SHOW SOCKETS names a state by its side: cl_active, sv_login. */
function sideState(row: SocketRow): SocketRow {
  const state = row.type === 'S' && row.state === 'new' ? 'login' : row.state;
  return { ...row, state: `${row.type === 'C' ? 'cl' : 'sv'}_${state}` as SocketRow['state'] };
}

function sockets(view: AdminRead): readonly SocketRow[] {
  return [...view.clients(), ...view.servers(), ...view.loginClients()].map(sideState);
}

const database = columnsOf<DatabaseRow>();
const DATABASES: readonly Column<DatabaseRow>[] = [
  database.text('name'),
  database.text('host'),
  database.int4('port'),
  database.text('database'),
  database.text('force_user'),
  database.int4('pool_size'),
  database.int4('min_pool_size'),
  database.int4('reserve_pool_size'),
  database.int4('server_lifetime', (row) => seconds(row.serverLifetimeMs)),
  database.text('pool_mode'),
  database.text('load_balance_hosts'),
  database.int4('max_connections'),
  database.int4('current_connections'),
  database.int4('max_client_connections'),
  database.int4('current_client_connections'),
  database.int4('paused', (row) => Number(row.paused)),
  database.int4('disabled', (row) => Number(row.disabled)),
  database.text('reads'),
  database.text('shards', (row) => row.shards && list(row.shards)),
];

/** PgBouncer prints these numbers as text, set to the right in nine places, and nothing for "not set". */
const padded = (value: number | undefined): string => (value === undefined ? '' : String(value).padStart(9));
const user = columnsOf<UserRow>();
const USERS: readonly Column<UserRow>[] = [
  user.text('name'),
  user.text('pool_size', (row) => padded(row.pool_size)),
  user.text('reserve_pool_size', (row) => padded(row.reserve_pool_size)),
  user.text('pool_mode'),
  user.int4('max_user_connections'),
  user.int4('current_connections'),
  user.int4('max_user_client_connections'),
  user.int4('current_client_connections'),
];

/** Each counter with its names in STATS (total and average), STATS_TOTALS, STATS_AVERAGES and TOTALS, which all differ. */
const COUNTERS: readonly (readonly [
  key: keyof Counters,
  total: string,
  average: string,
  bare: string,
  bareAverage: string,
  totals: string,
])[] = [
  ...same('server_assignment_count'),
  ...same('xact_count'),
  ...same('query_count'),
  ['client_bytes', 'total_received', 'avg_recv', 'bytes_received', 'bytes_received', 'client_bytes'],
  ['server_bytes', 'total_sent', 'avg_sent', 'bytes_sent', 'bytes_sent', 'server_bytes'],
  ...same('xact_time'),
  ...same('query_time'),
  ...same('wait_time'),
  ...prepared('client_parse_count', 'ps_client_parse_count'),
  ...prepared('server_parse_count', 'ps_server_parse_count'),
  ...prepared('bind_count', 'ps_bind_count'),
  ...prepared('client_login_count', 'client_login_count'),
];
function same(key: keyof Counters): typeof COUNTERS {
  return [[key, `total_${key}`, `avg_${key}`, key, key, key]];
}
function prepared(key: keyof Counters, totals: string): typeof COUNTERS {
  return [[key, `total_${key}`, `avg_${key}`, key, `avg_${key}`, totals]];
}

const stats = columnsOf<StatsRow>();
const STATS_TOTALS = [stats.text('database'), ...COUNTERS.map(([key, , , bare]) => stats.numeric(bare, (row) => row.total[key]))];
const STATS_AVERAGES = [stats.text('database'), ...COUNTERS.map(([key, , , , bare]) => stats.numeric(bare, (row) => row.average[key]))];
const STATS = [
  stats.text('database'),
  ...COUNTERS.map(([key, total]) => stats.numeric(total, (row) => row.total[key])),
  ...COUNTERS.map(([key, , average]) => stats.numeric(average, (row) => row.average[key])),
];

type Pair = readonly [name: string, value: number];
const pair = columnsOf<Pair>();
const TOTALS = [pair.text('name', ([name]) => name), pair.numeric('value', ([, value]) => value)];
const LISTS = [pair.text('list', ([name]) => name), pair.int4('items', ([, value]) => value)];

function totals(view: AdminRead): readonly Pair[] {
  const rows = view.stats();
  const [total, average] = [sumCounters(rows.map((row) => row.total)), averageAll(rows)];
  return [
    ...COUNTERS.map(([key, , , , , name]): Pair => [`total_${name}`, total[key]]),
    ...COUNTERS.map(([key, , , , , name]): Pair => [`avg_${name}`, average[key]]),
  ];
}

/** Rates add up; a time for one query is weighted by how many there were. */
function averageAll(rows: readonly StatsRow[]): Counters {
  const all = sumCounters(rows.map((row) => row.average));
  const weighted = (time: keyof Counters, count: keyof Counters): number =>
    all[count] === 0 ? 0 : Math.floor(rows.reduce((sum, { average }) => sum + average[time] * average[count], 0) / all[count]);
  return {
    ...all,
    xact_time: weighted('xact_time', 'xact_count'),
    query_time: weighted('query_time', 'query_count'),
    wait_time: weighted('wait_time', 'server_assignment_count'),
  };
}

function lists(view: AdminRead): readonly Pair[] {
  const of = view.lists();
  return [
    ['databases', of.databases],
    ['users', of.users],
    ['peers', of.peers],
    ['pools', of.pools],
    ['peer_pools', 0],
    ['free_clients', 0],
    ['used_clients', of.used_clients],
    ['login_clients', of.login_clients],
    ['free_servers', 0],
    ['used_servers', of.used_servers],
    ['dns_names', 0],
    ['dns_zones', 0],
    ['dns_queries', 0],
    ['dns_pending', 0],
  ];
}

const setting = columnsOf<ConfigRow>();
const CONFIG: readonly Column<ConfigRow>[] = [
  setting.text('key'),
  setting.text('value'),
  setting.text('default'),
  setting.text('changeable', (row) => (row.changeable ? 'yes' : 'no')),
];

const peer = columnsOf<PeerRow>();
const PEERS: readonly Column<PeerRow>[] = [peer.int4('peer_id'), peer.text('host'), peer.int4('port'), peer.int4('pool_size')];
const PEER_POOLS = ['peer_id', 'cl_active_cancel_req', 'cl_waiting_cancel_req', 'sv_active_cancel', 'sv_login'].map((name) =>
  peer.int4(name, () => undefined),
);

const topology = columnsOf<TopologyRow>();
const TOPOLOGY: readonly Column<TopologyRow>[] = [
  topology.text('database'),
  topology.int4('shard'),
  topology.text('target'),
  topology.text('host'),
  topology.int4('port'),
  topology.text('role'),
  topology.text('state'),
  topology.text('reads'),
  topology.int4('buckets'),
  topology.int4('epoch'),
];

const pin = columnsOf<PinRow>();
const PINS: readonly Column<PinRow>[] = [
  pin.int4('client_id'),
  pin.text('database'),
  pin.text('user'),
  pin.int4('server_id'),
  pin.text('target'),
  pin.text('application_name'),
  pin.text('reason'),
  pin.text('detail'),
  pin.text('statement'),
  pin.text('since', (row) => localTime(row.since)),
];

const audit = columnsOf<AuditRow>();
const STATE_AUDIT: readonly Column<AuditRow>[] = [
  audit.text('found_by'),
  audit.text('database'),
  audit.text('user'),
  audit.text('kind'),
  audit.text('name'),
  audit.text('after'),
  audit.int8('count', (row) => row.count),
  audit.text('last', (row) => localTime(row.last)),
];

const lastRoute = columnsOf<LastRouteRow>();
const LAST_ROUTES: readonly Column<LastRouteRow>[] = [
  lastRoute.text('at', (row) => localTime(row.at, true)),
  lastRoute.int4('client_id'),
  lastRoute.text('database'),
  lastRoute.text('target'),
  lastRoute.text('role'),
  lastRoute.text('host'),
  lastRoute.text('why'),
  lastRoute.text('detail'),
  lastRoute.text('statement'),
  lastRoute.decimal('ms'),
  lastRoute.text('outcome'),
];

const named = columnsOf<readonly [key: string, value: string]>();
const STATE = [named.text('key', ([key]) => key), named.text('value', ([, value]) => value)];

function state(view: AdminRead): readonly (readonly [string, string])[] {
  const now = view.state();
  return (['active', 'paused', 'suspended'] as const).map((name) => [name, name === now ? 'yes' : 'no']);
}

interface MemRow {
  readonly name: string;
  readonly size: number;
  readonly used: number;
  readonly free: number;
}
const mem = columnsOf<MemRow>();
const MEM: readonly Column<MemRow>[] = [
  mem.text('name'),
  mem.int4('size'),
  mem.int4('used'),
  mem.int4('free'),
  mem.int4('memtotal', (row) => row.size * (row.used + row.free)),
];

/** PgBouncer's caches by how much is in them (their objects have no fixed size here), then what the process uses, in kB. */
function memory(view: AdminRead): readonly MemRow[] {
  const of = view.lists();
  const caches: Record<string, number> = {
    user_cache: of.users,
    credentials_cache: 0,
    db_cache: of.databases,
    peer_cache: of.peers,
    peer_pool_cache: 0,
    pool_cache: of.pools,
    outstanding_request_cache: 0,
    server_cache: of.used_servers,
    client_cache: of.used_clients,
    iobuf_cache: 0,
    var_list_cache: 0,
    server_prepared_statement_cache: 0,
  };
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  const kilobytes = (name: string, used: number, total: number): MemRow => {
    return { name, size: 1024, used: Math.ceil(used / 1024), free: Math.floor((total - used) / 1024) };
  };
  return [
    ...Object.entries(caches).map(([name, used]) => ({ name, size: 0, used, free: 0 })),
    kilobytes('heap', heapUsed, heapTotal),
    kilobytes('external', external, external),
    kilobytes('resident', rss, rss),
  ];
}

const word = columnsOf<string>();
const VERSION = [word.text('version', (text) => text)];
const ROUTE = [word.text('route', (line) => line)];
const nothing = columnsOf<never>();
const DNS_HOSTS = [nothing.text('hostname', () => ''), nothing.int8('ttl', () => 0), nothing.text('addrs', () => '')];
const DNS_ZONES = [nothing.text('zonename', () => ''), nothing.int8('serial', () => 0), nothing.int4('count', () => 0)];

/** Each table by its name in SHOW, in lower case. */
export const shows: ReadonlyMap<string, Show> = new Map<string, Show>([
  [
    'active_sockets',
    (view) =>
      table(
        SOCKETS,
        sockets(view).filter((row) => row.pkt_avail > 0 || row.send_avail > 0),
      ),
  ],
  ['clients', (view) => table(CONNECTIONS, view.clients())],
  ['config', (view) => table(CONFIG, view.config())],
  ['databases', (view) => table(DATABASES, view.databases())],
  ['dns_hosts', () => table(DNS_HOSTS, [])],
  ['dns_zones', () => table(DNS_ZONES, [])],
  ['last_routes', (view) => table(LAST_ROUTES, view.lastRoutes())],
  ['lists', (view) => table(LISTS, lists(view))],
  ['mem', (view) => table(MEM, memory(view))],
  ['peer_pools', () => table(PEER_POOLS, [])],
  ['peers', (view) => table(PEERS, view.peers())],
  ['pins', (view) => table(PINS, view.pins())],
  ['pipeline', (view) => table(PIPELINE, view.pipelines())],
  ['pools', (view) => table(POOLS, view.pools())],
  ['servers', (view) => table(CONNECTIONS, view.servers())],
  ['sockets', (view) => table(SOCKETS, sockets(view))],
  ['state', (view) => table(STATE, state(view))],
  ['state_audit', (view) => table(STATE_AUDIT, view.stateAudit())],
  ['stats', (view) => table(STATS, view.stats())],
  ['stats_averages', (view) => table(STATS_AVERAGES, view.stats())],
  ['stats_totals', (view) => table(STATS_TOTALS, view.stats())],
  ['topology', (view) => table(TOPOLOGY, view.topology())],
  ['totals', (view) => table(TOTALS, totals(view))],
  ['users', (view) => table(USERS, view.users())],
  ['version', () => table(VERSION, [versionText])],
]);

/** The answer of SHOW ROUTE. */
export function routeTable(lines: readonly string[]): Reply {
  return table(ROUTE, lines);
}

/** A table of one row and one column: what SHOW says of a parameter that only pretends to exist. */
export function oneValue(name: string, value: string): Reply {
  return table([word.text(name, (text) => text)], [value]);
}
