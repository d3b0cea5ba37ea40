/**
 * What the console and the metrics see: rows made from the objects that own the state, at the moment they are asked for. Reads only.
 */

import { CONSOLE } from './admin/console.ts';
import type {
  AdminRead,
  ConfigRow,
  DatabaseRow,
  PeerRow,
  PinRow,
  PipelineRow,
  PoolRow,
  SocketRow,
  StatsRow,
  TopologyRow,
  UserRow,
} from './admin/view.ts';
import type { AuditFindings } from './audit-findings.ts';
import type { Session } from './client/session.ts';
import type { Clients } from './clients.ts';
import { configRows } from './config/show.ts';
import type { LastRoutes } from './last-routes.ts';
import type { Live } from './live.ts';
import type { PoolEntry, Pools } from './pool/pools.ts';
import type { Server } from './server/server.ts';
import type { Statistics } from './statistics.ts';

export interface InspectParts {
  readonly live: Live;
  readonly clients: Clients;
  readonly pools: Pools;
  readonly statistics: Statistics;
  readonly lastRoutes: LastRoutes;
  readonly auditFindings: AuditFindings;
  readonly startedAt: Date;
  readonly shuttingDown: () => boolean;
  readonly port: () => number;
  /** Of the monotonic clock that servers' times are in. */
  readonly nowMs: () => number;
}

/** The console's own database, in rows that PgBouncer shows it in. */

export function createInspection(parts: InspectParts): AdminRead {
  const { live, clients, pools, statistics } = parts;
  const date = (atMs: number) => new Date(Date.now() - (parts.nowMs() - atMs));
  return {
    pools: () => poolRows(parts),
    pipelines: () => [...pools.entries()].map((entry) => pipelineRow(parts, entry)),
    clients: () => [...[...clients.sessions.values()].map((session) => sessionRow(parts, session)), ...consoleRows(parts)],
    loginClients: () =>
      [...clients.loggingIn].map(([id, { greeter, connectedAtMs }]) => ({
        ...socket(greeter.channel, parts.port()),
        type: 'C' as const,
        state: 'login' as const,
        connect_time: new Date(connectedAtMs),
        request_time: new Date(connectedAtMs),
        waitMs: 0,
        close_needed: false,
        id,
        remote_pid: 0,
        application_name: '',
        prepared_statements: 0,
        pins: [],
        queue: 0,
      })),
    servers: () =>
      [...pools.entries()].flatMap((entry) => [...entry.pool.servers()].map(({ server, state }) => serverRow(entry, server, state, date))),
    databases: () => [...live.entries().map((entry) => databaseRow(parts, entry.name)), consoleDatabaseRow(parts)],
    users: () => userRows(parts),
    stats: (): StatsRow[] => statistics.rows(),
    lists: () => ({
      databases: live.entries().length + 1,
      users: userRows(parts).length,
      peers: live.config.peers.size,
      pools: [...pools.entries()].length + 1,
      used_clients: clients.sessions.size + clients.consoles.size,
      login_clients: [...clients.loggingIn].length,
      used_servers: [...pools.entries()].reduce((sum, { pool }) => sum + pool.size, 0),
    }),
    config: (): ConfigRow[] => configRows(live.config).map((row) => ({ ...row, changeable: row.changeable === 'yes' })),
    peers: (): PeerRow[] =>
      [...live.config.peers.values()].map(({ peer_id, host, port, pool_size }) => ({ peer_id, host, port, pool_size: pool_size ?? 0 })),
    topology: () => topologyRows(parts),
    pins: () => [...clients.sessions.values()].flatMap((session) => pinRows(session, date)),
    stateAudit: () => parts.auditFindings.rows(),
    lastRoutes: () => parts.lastRoutes.rows(),
    state: () => pools.allPaused || 'active',
    shuttingDown: parts.shuttingDown,
  };
}

/** How many clients each pool has, by database and user. */
function clientCounts({ clients, live }: InspectParts): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { identity, target } of clients.sessions.values()) {
    const key = `${target?.database ?? identity.database}\0${live.entry(identity.database)?.user ?? identity.user}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function poolRows(parts: InspectParts): PoolRow[] {
  const { pools, clients, live } = parts;
  const sessions = clientCounts(parts);
  const rows = [...pools.entries()].map(({ pool, database, user, host }): PoolRow => {
    const counts = pool.counts();
    const entry = live.entry(database);
    return {
      database,
      user,
      cl_active: Math.max(0, (sessions.get(`${database}\0${user}`) ?? 0) - counts.waiting),
      cl_waiting: counts.waiting,
      cl_active_cancel_req: 0,
      cl_waiting_cancel_req: 0,
      sv_active: counts.active,
      sv_active_cancel: 0,
      sv_being_canceled: counts.cancelling,
      sv_idle: counts.idle,
      sv_used: 0,
      sv_tested: counts.testing,
      sv_login: counts.opening,
      maxwaitMs: pool.maxWaitMs(),
      pool_mode: live.sessionSettings(database, user).mode,
      load_balance_hosts:
        entry !== undefined && entry.hosts.length > 1 && entry.reads === undefined
          ? (entry.load_balance_hosts ?? 'round-robin')
          : undefined,
      host: host === undefined ? undefined : `${host.at.host}:${host.at.port}`,
      role: host?.role,
    };
  });
  return [...rows, { ...NO_POOL, database: CONSOLE, user: CONSOLE, cl_active: clients.consoles.size, pool_mode: 'statement' }];
}

function pipelineRow({ live }: InspectParts, { pool, database, user, host }: PoolEntry): PipelineRow {
  const { settings } = live.config;
  const entry = live.entry(database);
  const { sharing, shared } = pool.counts();
  const tally = pool.pipeline;
  return {
    database,
    user,
    host: host === undefined ? undefined : `${host.at.host}:${host.at.port}`,
    pipeline: live.sessionSettings(database, user).pipeline ? 'reads' : 'off',
    pipeline_width: entry?.pipeline_width ?? settings.pipeline_width,
    pipeline_depth: entry?.pipeline_depth ?? settings.pipeline_depth,
    servers: sharing,
    depth: shared,
    max_depth: tally.maxDepth,
    shared: tally.shared,
    exclusive: tally.exclusive,
    resent_lost: tally.resentLost,
    resent_slow: tally.resentSlow,
    resent_canceled: tally.resentCanceled,
    resent_stale: tally.resentStale,
    wasted: tally.wasted,
  };
}

const NO_POOL = {
  cl_waiting: 0,
  cl_active_cancel_req: 0,
  cl_waiting_cancel_req: 0,
  sv_active: 0,
  sv_active_cancel: 0,
  sv_being_canceled: 0,
  sv_idle: 0,
  sv_used: 0,
  sv_tested: 0,
  sv_login: 0,
  maxwaitMs: 0,
};

function socket(
  channel: {
    remoteAddress: string | undefined;
    remotePort: number | undefined;
    localAddress: string | undefined;
    localPort: number | undefined;
    unsentBytes: number;
  },
  port: number,
) {
  return {
    addr: channel.remoteAddress ?? 'unix',
    port: channel.remotePort ?? port,
    local_addr: channel.localAddress ?? 'unix',
    local_port: channel.localPort ?? port,
    tls: '',
    pkt_avail: 0,
    send_avail: channel.unsentBytes,
  };
}

function clientState(session: Session): 'idle' | 'active' | 'waiting' {
  if (session.phase.at === 'waiting') return 'waiting';
  return session.phase.at === 'active' || session.server !== undefined ? 'active' : 'idle';
}

function sessionRow({ port, nowMs }: InspectParts, session: Session): SocketRow {
  const { identity } = session;
  const server = session.server;
  return {
    ...socket(session.channel, port()),
    type: 'C',
    user: identity.user,
    database: identity.database,
    state: clientState(session),
    connect_time: new Date(identity.connectedAtMs),
    request_time: new Date(Date.now() - (nowMs() - session.sinceMs)),
    waitMs: session.phase.at !== 'idle' ? nowMs() - session.sinceMs : 0,
    close_needed: false,
    id: identity.id,
    link: server?.identity.id,
    remote_pid: identity.pid,
    application_name: session.applicationName,
    prepared_statements: session.state.names.named.size,
    pins: session.state.pins().map(({ reason }) => reason),
    queue: server === undefined ? 0 : 1,
  };
}

function consoleRows({ clients, port }: InspectParts): SocketRow[] {
  return [...clients.consoles.values()].map(({ id, user, channel, connectedAtMs }) => ({
    ...socket(channel, port()),
    type: 'C',
    user,
    database: CONSOLE,
    state: 'active',
    connect_time: new Date(connectedAtMs),
    request_time: new Date(connectedAtMs),
    waitMs: 0,
    close_needed: false,
    id,
    remote_pid: 0,
    application_name: '',
    prepared_statements: 0,
    pins: [],
    queue: 0,
  }));
}

function serverRow(entry: PoolEntry, server: Server, state: SocketRow['state'], date: (atMs: number) => Date): SocketRow {
  const holder = server.holder as Session | undefined;
  return {
    ...socket(server.channel, server.identity.port),
    type: 'S',
    user: entry.user,
    database: entry.database,
    state,
    connect_time: date(server.identity.connectedAtMs),
    request_time: date(server.freeSinceMs),
    waitMs: 0,
    close_needed: server.closeNeeded,
    id: server.identity.id,
    link: holder?.identity.id,
    remote_pid: server.identity.pid,
    application_name: server.reported.values.get('application_name') ?? '',
    prepared_statements: server.prepared.size,
    pins: holder?.state.pins().map(({ reason }) => reason) ?? [],
    role: entry.host?.role,
    queue: server.pending,
  };
}

function databaseRow({ live, pools, clients }: InspectParts, name: string): DatabaseRow {
  const { settings } = live.config;
  const entry = live.entry(name)!;
  return {
    name,
    host: entry.hosts.length === 0 ? undefined : entry.hosts.map(({ host }) => host).join(','),
    port: entry.hosts[0]?.port ?? 5432,
    database: entry.dbname,
    force_user: entry.user,
    pool_size: entry.pool_size ?? settings.default_pool_size,
    min_pool_size: entry.min_pool_size ?? settings.min_pool_size,
    reserve_pool_size: entry.reserve_pool_size ?? settings.reserve_pool_size,
    serverLifetimeMs: entry.server_lifetime ?? settings.server_lifetime,
    pool_mode: entry.pool_mode,
    load_balance_hosts: entry.hosts.length > 1 && entry.reads === undefined ? (entry.load_balance_hosts ?? 'round-robin') : undefined,
    max_connections: entry.max_db_connections ?? settings.max_db_connections,
    current_connections: pools.databaseConnections(name),
    max_client_connections: entry.max_db_client_connections ?? settings.max_db_client_connections,
    current_client_connections: clients.inDatabase(name),
    paused: pools.isPaused(name),
    disabled: live.disabled.has(name),
    reads: entry.reads,
    shards: entry.shards,
  };
}

function consoleDatabaseRow({ live, clients, port }: InspectParts): DatabaseRow {
  return {
    name: CONSOLE,
    host: undefined,
    port: port(),
    database: CONSOLE,
    force_user: CONSOLE,
    pool_size: 2,
    min_pool_size: 0,
    reserve_pool_size: 0,
    serverLifetimeMs: 3_600_000,
    pool_mode: 'statement',
    max_connections: 0,
    current_connections: 0,
    max_client_connections: live.config.settings.max_db_client_connections,
    current_client_connections: clients.consoles.size,
    paused: false,
    disabled: false,
  };
}

function userRows({ live, pools, clients }: InspectParts): UserRow[] {
  const { settings, users } = live.config;
  const names = new Set([
    ...users.keys(),
    ...[...clients.sessions.values()].map(({ identity }) => identity.user),
    ...[...clients.consoles.values()].map(({ user }) => user),
    ...[...pools.entries()].map(({ user }) => user),
  ]);
  return [...names].sort().map((name) => {
    const user = users.get(name);
    return {
      name,
      pool_size: user?.pool_size,
      reserve_pool_size: user?.reserve_pool_size,
      pool_mode: user?.pool_mode,
      max_user_connections: user?.max_user_connections ?? settings.max_user_connections,
      current_connections: pools.userConnections(name),
      max_user_client_connections: user?.max_user_client_connections ?? settings.max_user_client_connections,
      current_client_connections: clients.ofUser(name),
    };
  });
}

function topologyRows({ live, pools }: InspectParts): TopologyRow[] {
  const { epoch } = live.config.topology;
  const hostsOf = (database: string, target: string, shard: number | undefined, buckets: number | undefined): TopologyRow[] => {
    const entry = live.entry(target);
    const known = pools.hostsOf(target)?.hosts;
    return (entry?.hosts ?? []).map((at, i) => ({
      database,
      shard,
      target,
      host: at.host,
      port: at.port,
      role: known?.[i]?.role,
      state: known?.[i]?.state ?? 'unknown',
      reads: entry?.reads,
      buckets,
      epoch,
    }));
  };
  return live.entries().flatMap((entry) => {
    if (entry.shards === undefined) return hostsOf(entry.name, entry.name, undefined, undefined);
    const database = live.database(entry.name);
    const buckets = database?.kind === 'sharded' ? database.buckets : [];
    return entry.shards.flatMap((shard, i) => hostsOf(entry.name, shard, i, buckets.filter((owner) => owner === i).length));
  });
}

function pinRows(session: Session, date: (atMs: number) => Date): PinRow[] {
  const { id, database, user } = session.identity;
  return session.state.pins().map(({ reason, statement, text, sinceMs }) => ({
    client_id: id,
    database,
    user,
    server_id: session.server?.identity.id,
    target: session.target?.database,
    application_name: session.applicationName,
    reason,
    detail: statement,
    statement: text,
    since: date(sinceMs),
  }));
}

/** Servers of a database that a session uses now, a transaction open or a statement running. */
export function busyServers(clients: Clients, database: string | undefined): number {
  let busy = 0;
  for (const session of clients.sessions.values()) {
    if (session.server === undefined || (database !== undefined && session.target?.database !== database)) continue;
    if (session.server !== undefined) busy += 1;
  }
  return busy;
}
