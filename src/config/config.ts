/**
 * The shape of a checked configuration: typed, immutable, one value for each reload. Built only by `load.ts`;
 * the settings themselves are listed once, in `settings.ts`, and `Settings` is inferred from that table.
 */
import type { Reads, StateAction, StateKind, Topology } from '../../routing/index.ts';
import type { Settings } from './settings.ts';

export type PoolMode = 'session' | 'transaction' | 'statement';

/** What a line of [databases] or [users] may say of session state. */
export interface StateKeys extends Readonly<Partial<Record<`session_state.${StateKind}`, StateAction>>> {
  readonly state_audit?: 'off' | 'opaque' | 'always';
  /** Per cent of releases. */
  readonly leak_sentinel?: number;
}

/** A Postgres host: a TCP host name or address, or a folder (starts with `/`) or abstract name (starts with `@`) of a Unix socket. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** One line of [databases]. Where a key is undefined, the user's or the global setting holds. */
export interface DatabaseEntry extends StateKeys {
  readonly name: string;
  /** Name of the database on the server. */
  readonly dbname: string;
  /** Empty for a sharded database. */
  readonly hosts: readonly HostPort[];
  readonly reads?: Reads;
  readonly shards?: readonly string[];
  readonly pipeline?: 'off' | 'reads';
  readonly pipeline_width?: number;
  readonly pipeline_depth?: number;
  readonly auto_prepare?: 'off' | 'on';
  readonly defer_begin?: 'off' | 'on';
  /** Forced user: every client gets server connections of this one. */
  readonly user?: string;
  readonly password?: string;
  readonly auth_user?: string;
  readonly auth_query?: string;
  readonly auth_dbname?: string;
  readonly pool_size?: number;
  readonly min_pool_size?: number;
  readonly reserve_pool_size?: number;
  readonly connect_query?: string;
  readonly pool_mode?: PoolMode;
  readonly load_balance_hosts?: 'round-robin' | 'disable';
  readonly max_db_connections?: number;
  readonly max_db_client_connections?: number;
  /** Milliseconds, as every time in a checked configuration. */
  readonly server_lifetime?: number;
  readonly query_wait_timeout?: number;
  readonly client_encoding?: string;
  readonly datestyle?: string;
  readonly timezone?: string;
  readonly application_name?: string;
  /** Made from the `*` line for a name that is not listed. */
  readonly auto: boolean;
}

/** One line of [users]. */
export interface UserEntry extends StateKeys {
  readonly name: string;
  readonly pool_mode?: PoolMode;
  readonly pool_size?: number;
  readonly reserve_pool_size?: number;
  readonly max_user_connections?: number;
  readonly max_user_client_connections?: number;
  readonly query_timeout?: number;
  readonly query_wait_timeout?: number;
  readonly idle_transaction_timeout?: number;
  readonly transaction_timeout?: number;
  readonly client_idle_timeout?: number;
}

export interface PeerEntry {
  readonly peer_id: number;
  readonly host: string;
  readonly port: number;
  readonly pool_size?: number;
}

export interface Config {
  readonly file: string;
  readonly settings: Settings;
  readonly databases: ReadonlyMap<string, DatabaseEntry>;
  /** The `*` line; `dbname` is `*` unless the line names one. Use `databaseFor` (load.ts) to look a name up. */
  readonly fallback?: DatabaseEntry;
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly peers: ReadonlyMap<number, PeerEntry>;
  readonly topology: Topology;
  /** Settings named in the file that are accepted but do nothing yet. */
  readonly notImplemented: readonly string[];
  /** After a reload: settings whose new value in the file waits for a restart. */
  readonly restartNeeded?: readonly string[];
}
