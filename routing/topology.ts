/**
 * The topology as routing sees it: which databases there are, which are sharded, and how a key finds its shard.
 * Compiled from configuration, frozen, with an epoch; no host and no health in it (that is `src/pool`).
 */

export type Reads = 'primary' | 'replicas' | 'any';
export type KeyType = 'integer' | 'text' | 'uuid';
export type ShardBy = 'consistent' | 'hash';

/** What `buildTopology` is given: the configuration's own words, already checked for syntax. */
export interface TopologySpec {
  readonly databases: readonly DatabaseSpec[];
}
export interface DatabaseSpec {
  readonly name: string;
  readonly reads?: Reads;
  /** Names of other databases, in order; present for a sharded database. */
  readonly shards?: readonly string[];
  readonly tables?: readonly TableSpec[];
}
/** One line of [tables.NAME]. `schema` is undefined when the name was not qualified: it then matches any schema but the system's. */
export interface TableSpec {
  readonly schema?: string;
  readonly name: string;
  readonly placement:
    | { readonly kind: 'key'; readonly column: string; readonly type: KeyType; readonly shardBy: ShardBy }
    | { readonly kind: 'everywhere' }
    | { readonly kind: 'on'; readonly shard: string };
}

export interface PlainDatabase {
  readonly kind: 'plain';
  readonly name: string;
  /** undefined: one host list with PgBouncer's meaning; every statement goes there. */
  readonly reads?: Reads;
}
export interface ShardedDatabase {
  readonly kind: 'sharded';
  readonly name: string;
  readonly shards: readonly string[];
  /** Bucket → index into `shards`, for `shard_by = consistent`; 4,096 entries. */
  readonly buckets: readonly number[];
  readonly tables: ReadonlyMap<string, readonly TableSpec[]>;
}
export type Database = PlainDatabase | ShardedDatabase;

export interface Topology {
  readonly epoch: number;
  readonly databases: ReadonlyMap<string, Database>;
  /** Whether a `*` entry takes every name that is not listed. */
  readonly fallback: boolean;
}
