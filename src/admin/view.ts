/**
 * What the console and the metrics see of the running pooler, and what the console may do to it. The worker implements it;
 * nothing here knows how. Rows are made anew for each call and are plain data, in the order in which they shall be shown.
 *
 * Keys are PgBouncer's column names (its `SHOW` commands); ours come behind them in each row type. Numbers are integers
 * unless said otherwise, times are `Date`s, durations end in Ms and may have a fraction.
 */
import type { PinReason, Role, StateKind, Why } from '../../routing/index.ts';
import type { PoolMode } from '../config/config.ts';

/** One pool: the server connections of one (host, database, user). */
export interface PoolRow {
  readonly database: string;
  readonly user: string;
  readonly cl_active: number;
  readonly cl_waiting: number;
  readonly cl_active_cancel_req: number;
  readonly cl_waiting_cancel_req: number;
  readonly sv_active: number;
  readonly sv_active_cancel: number;
  readonly sv_being_canceled: number;
  readonly sv_idle: number;
  readonly sv_used: number;
  readonly sv_tested: number;
  readonly sv_login: number;
  /** How long the first in line has waited by now; shown as maxwait and maxwait_us. */
  readonly maxwaitMs: number;
  readonly pool_mode: PoolMode;
  /** Only for a database with several hosts and no `reads`. */
  readonly load_balance_hosts?: 'round-robin' | 'disable' | undefined;
  /** `host:port` of the pool's servers; undefined for the console's own pool. */
  readonly host?: string | undefined;
  /** What the host was found to be; undefined where it was not asked or has not answered. */
  readonly role?: Role | undefined;
}

/** What one pool has done with queries of several clients on one server connection (settings `pipeline`, `pipeline_width`, `pipeline_depth`). */
export interface PipelineRow {
  readonly database: string;
  readonly user: string;
  /** `host:port` of the pool's servers. */
  readonly host?: string | undefined;
  /** `off` also where the pool's mode leaves no room for it. */
  readonly pipeline: 'off' | 'reads';
  readonly pipeline_width: number;
  readonly pipeline_depth: number;
  /** Server connections that carry shared queries now, and the queries under way on them. */
  readonly servers: number;
  readonly depth: number;
  /** The longest queue that a connection ever had. */
  readonly max_depth: number;
  /** Exchanges that shared a connection, and grants of a connection of one's own. */
  readonly shared: number;
  readonly exclusive: number;
  /** Asked again because the connection was lost, the head of its queue slow, another client's cancel had hit it, or its plan was stale. */
  readonly resent_lost: number;
  readonly resent_slow: number;
  readonly resent_canceled: number;
  readonly resent_stale: number;
  /** Answers that nobody wanted any more. */
  readonly wasted: number;
}

export type ClientState = 'idle' | 'active' | 'waiting' | 'login' | 'active_cancel_req' | 'waiting_cancel_req';
export type ServerState = 'active' | 'idle' | 'used' | 'tested' | 'new' | 'active_cancel' | 'being_canceled';

/** One connection; clients and servers are shown alike. `login` clients appear in SHOW SOCKETS only. */
export interface SocketRow {
  readonly type: 'C' | 'S';
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  readonly state: ClientState | ServerState;
  /** The other side: an address, or `unix`. */
  readonly addr: string;
  readonly port: number;
  readonly local_addr: string;
  readonly local_port: number;
  readonly connect_time: Date;
  readonly request_time: Date;
  /** Since the query began, or since the client stands in line; 0 when neither. Shown as wait and wait_us. */
  readonly waitMs: number;
  readonly close_needed: boolean;
  /** One counter for clients and servers: also ptr. */
  readonly id: number;
  /** Id of the connection at the other end, when there is one: shown as link. */
  readonly link?: number | undefined;
  /** 0 when not known. */
  readonly remote_pid: number;
  /** TLS version and cipher, or empty. */
  readonly tls: string;
  readonly application_name: string;
  readonly prepared_statements: number;
  /** Bytes read and not yet passed on, and bytes that wait to be written. */
  readonly pkt_avail: number;
  readonly send_avail: number;
  /** Why the session is pinned to its server connection. */
  readonly pins: readonly PinReason[];
  /** Servers: what their host is. */
  readonly role?: Role | undefined;
  /** Servers: exchanges in the queue. Clients: servers that the session holds. */
  readonly queue: number;
}

export interface DatabaseRow {
  readonly name: string;
  /** As configured; undefined for a Unix socket in the default folder and for a sharded database. */
  readonly host?: string | undefined;
  readonly port: number;
  readonly database: string;
  readonly force_user?: string | undefined;
  readonly pool_size: number;
  readonly min_pool_size: number;
  readonly reserve_pool_size: number;
  readonly serverLifetimeMs: number;
  /** Only when the database sets it itself. */
  readonly pool_mode?: PoolMode | undefined;
  readonly load_balance_hosts?: 'round-robin' | 'disable' | undefined;
  readonly max_connections: number;
  readonly current_connections: number;
  readonly max_client_connections: number;
  readonly current_client_connections: number;
  readonly paused: boolean;
  readonly disabled: boolean;
  readonly reads?: string | undefined;
  /** Names of the databases that it is made of. */
  readonly shards?: readonly string[] | undefined;
}

export interface UserRow {
  readonly name: string;
  readonly pool_size?: number | undefined;
  readonly reserve_pool_size?: number | undefined;
  readonly pool_mode?: PoolMode | undefined;
  readonly max_user_connections: number;
  readonly current_connections: number;
  readonly max_user_client_connections: number;
  readonly current_client_connections: number;
}

/** Counters of one database. Times are microseconds, as PgBouncer shows them. */
export interface Counters {
  server_assignment_count: number;
  xact_count: number;
  query_count: number;
  /** Bytes received from clients. */
  client_bytes: number;
  /** Bytes received from servers, which is what clients are sent. */
  server_bytes: number;
  /** Microseconds with an open transaction, with a running query, and in line for a server. */
  xact_time: number;
  query_time: number;
  wait_time: number;
  client_parse_count: number;
  server_parse_count: number;
  bind_count: number;
  client_login_count: number;
}

export interface StatsRow {
  readonly database: string;
  readonly total: Readonly<Counters>;
  /** Over the last stats_period that is over: see `averageOf` in `stats.ts`. */
  readonly average: Readonly<Counters>;
}

/** SHOW LISTS; a list that the pooler does not have is 0. */
export interface Lists {
  readonly databases: number;
  readonly users: number;
  readonly peers: number;
  readonly pools: number;
  readonly used_clients: number;
  readonly login_clients: number;
  readonly used_servers: number;
}

export interface ConfigRow {
  readonly key: string;
  readonly value: string | null;
  readonly default: string | null;
  /** RELOAD and SET change it. */
  readonly changeable: boolean;
}

export interface PeerRow {
  readonly peer_id: number;
  readonly host: string;
  readonly port: number;
  readonly pool_size: number;
}

export type HostState = 'up' | 'down' | 'unknown';

/** One host of one database; a sharded database has a row for each host of each shard. */
export interface TopologyRow {
  readonly database: string;
  /** Position of the shard from 0; undefined for a database that is not sharded. */
  readonly shard?: number | undefined;
  /** The `[databases]` entry that has the host: the database itself, or the shard's. */
  readonly target: string;
  readonly host: string;
  readonly port: number;
  readonly role?: Role | undefined;
  readonly state: HostState;
  readonly reads?: string | undefined;
  /** How many of the 4,096 buckets the shard has. */
  readonly buckets?: number | undefined;
  readonly epoch: number;
}

/** One reason for which one session keeps a server connection. */
export interface PinRow {
  readonly client_id: number;
  readonly database: string;
  readonly user: string;
  readonly server_id?: number | undefined;
  /** The `[databases]` entry of that server. */
  readonly target?: string | undefined;
  readonly application_name: string;
  readonly reason: PinReason;
  /** The statement that caused it: command word and what it made or called. */
  readonly detail?: string | undefined;
  /** The first 200 characters of its SQL, without parameters. */
  readonly statement: string;
  readonly since: Date;
}

/** Session state that was found where no text had shown it: the memory behind SHOW STATE_AUDIT. */
export interface AuditRow {
  /** `audit`: asked for by the session; `sentinel`: by `leak_sentinel`, and so a leak. */
  readonly found_by: 'audit' | 'sentinel';
  readonly database: string;
  readonly user: string;
  readonly kind: StateKind;
  /** Of the parameter, lock, table, cursor, channel, statement or slot. */
  readonly name: string;
  /** The statement before it: command word and function or table. */
  readonly after: string;
  readonly count: number;
  readonly last: Date;
}

/** What one exchange asked for and where it went: the memory behind SHOW LAST_ROUTES. */
export interface LastRouteRow {
  /** When it was answered. */
  readonly at: Date;
  readonly client_id: number;
  /** As the client named it when it connected. */
  readonly database: string;
  /** The `[databases]` entry that ran it; undefined where nothing was sent to a server. */
  readonly target?: string | undefined;
  /** What the host was found to be; where roles are not asked for, what the plan wanted. */
  readonly role?: Role | undefined;
  /** `host:port` of the server connection. */
  readonly host?: string | undefined;
  readonly why: Why;
  readonly detail: string;
  /** The first 200 characters of the SQL; empty where there was none. */
  readonly statement: string;
  /** From the first byte to the server to the last byte of the answer; has a fraction. */
  readonly ms: number;
  /** error: the server's; refused: ours, nothing was sent. */
  readonly outcome: 'ok' | 'error' | 'refused';
}

export type ShutdownMode = 'immediate' | 'wait_for_servers' | 'wait_for_clients';

/** What can be read. Everything is answered at once, from memory. */
export interface AdminRead {
  pools(): readonly PoolRow[];
  pipelines(): readonly PipelineRow[];
  /** Clients that are logged in, the console's among them. */
  clients(): readonly SocketRow[];
  /** Clients that are not. */
  loginClients(): readonly SocketRow[];
  servers(): readonly SocketRow[];
  /** The console's own database comes with them, as in PgBouncer. */
  databases(): readonly DatabaseRow[];
  users(): readonly UserRow[];
  stats(): readonly StatsRow[];
  lists(): Lists;
  config(): readonly ConfigRow[];
  peers(): readonly PeerRow[];
  topology(): readonly TopologyRow[];
  pins(): readonly PinRow[];
  /** At most 500 rows, what was found last first. */
  stateAudit(): readonly AuditRow[];
  /** The last 200 exchanges of all clients, newest first. */
  lastRoutes(): readonly LastRouteRow[];
  state(): 'active' | 'paused' | 'suspended';
  shuttingDown(): boolean;
}

/** What the console may do. Rules that need only `AdminRead` (who may, already paused, no such database) are the console's. */
export interface AdminView extends AdminRead {
  /**
   * A database by its name in the file; `register` makes the entry that the `*` line stands for when there is one.
   * `admin` is the console's own.
   */
  findDatabase(
    name: string,
    register: boolean,
  ): { readonly paused: boolean; readonly disabled: boolean; readonly admin: boolean } | undefined;
  /** Reads the file anew. Rejects with all that is wrong, and nothing has changed then. */
  reload(): Promise<void>;
  /** Changes one setting until the next RELOAD. Throws when there is no such setting or the value is wrong; one that cannot be changed is left alone. */
  set(key: string, value: string): void;
  /** Resolves when no server connection is in use and all are closed: true; or false when RESUME came first. */
  pause(database?: string): Promise<boolean>;
  /** Ends PAUSE, KILL and SUSPEND. */
  resume(database?: string): void;
  /** Resolves when all buffers are flushed: true; or false when RESUME came first. */
  suspend(): Promise<boolean>;
  /** Closes each server connection as soon as it is released. */
  reconnect(database?: string): void;
  /** Resolves when no server connection is left that RECONNECT or a new configuration wants closed. */
  waitClose(database?: string): Promise<void>;
  enable(database: string): void;
  disable(database: string): void;
  /** Drops clients and servers at once; the databases stay paused. */
  kill(database?: string): void;
  /** False when there is no such client. */
  killClient(id: number): boolean;
  shutdown(mode: ShutdownMode): void;
  /** Where the statement would go, and why, in lines for people. Throws with a text for the user when there is no such database. */
  route(database: string, sql: string): readonly string[];
}
