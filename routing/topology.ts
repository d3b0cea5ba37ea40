/**
 * The topology as routing sees it: which databases there are, which are sharded, and how a key finds its shard.
 * Compiled from configuration by `buildTopology`, frozen, with an epoch; no host and no health in it (that is `src/pool`).
 * All problems of a configuration are found at once; where they stand in the file is known to `src/config`.
 */
import { fillBuckets, ringIsIntact } from './buckets.ts';
import { isSystemSchema } from './catalogs.ts';

export type Reads = 'primary' | 'replicas' | 'any';
export type KeyType = 'integer' | 'text' | 'uuid';
export type ShardBy = 'consistent' | 'hash';

/** What `buildTopology` is given: the configuration's own words, already checked for syntax. */
export interface TopologySpec {
  readonly databases: readonly DatabaseSpec[];
}
/** One line of [databases]. The name `*` is the fallback. */
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
  /** `reads` of each shard, in the order of `shards`. */
  readonly shardReads: readonly (Reads | undefined)[];
  /** Bucket → index into `shards`, for `shard_by = consistent`; 4,096 entries. */
  readonly buckets: readonly number[];
  /** By bare name: the same name may be declared in several schemas. */
  readonly tables: ReadonlyMap<string, readonly TableSpec[]>;
}
export type Database = PlainDatabase | ShardedDatabase;

export interface Topology {
  readonly epoch: number;
  /** The listed databases, without `*`. */
  readonly databases: ReadonlyMap<string, Database>;
  /** Whether a `*` entry takes every name that is not listed. */
  readonly fallback: boolean;
  /** `reads` of the `*` entry. */
  readonly fallbackReads?: Reads;
}

/** Something that the configuration must not say. `table` is the bare or qualified name as declared. */
export interface TopologyProblem {
  readonly database: string;
  readonly table?: string;
  readonly message: string;
}

/** As many shards as there are buckets: a further one could not get any row. */
export const maxShards = 4096;

/** The topology of a configuration, or everything that is wrong with it. `epoch` counts reloads. */
export const buildTopology = (
  spec: TopologySpec,
  epoch: number,
): { readonly topology: Topology } | { readonly problems: readonly TopologyProblem[] } => {
  const byName = new Map<string, DatabaseSpec>();
  const problems: TopologyProblem[] = [];
  for (const database of spec.databases) {
    if (byName.has(database.name)) problems.push({ database: database.name, message: 'the database is listed twice' });
    byName.set(database.name, database);
  }
  for (const database of byName.values()) problems.push(...shardProblems(database, byName), ...tableProblems(database));
  if (spec.databases.some(({ shards }) => shards) && !ringIsIntact())
    problems.push({
      database: '*',
      message: 'this version of the package consistent-hash places keys elsewhere than before; install the version of package-lock.json',
    });
  return problems.length > 0 ? { problems } : { topology: compile(byName, epoch) };
};

/** The database a client asks for by name, `*` included; undefined where there is none. */
export const findDatabase = (topology: Topology, name: string): Database | undefined =>
  topology.databases.get(name) ?? (topology.fallback ? plain({ name, ...readsOf(topology.fallbackReads) }) : undefined);

const readsOf = (reads: Reads | undefined): { readonly reads?: Reads } => (reads === undefined ? {} : { reads });

const shardProblems = (database: DatabaseSpec, byName: ReadonlyMap<string, DatabaseSpec>): readonly TopologyProblem[] => {
  const { name, shards, reads } = database;
  if (!shards) return [];
  const messages: string[] = [];
  if (name === '*') messages.push('the fallback database "*" cannot be sharded');
  if (reads !== undefined) messages.push('reads= belongs on the lines of the shards, not on a sharded database');
  if (shards.length === 0) messages.push('shards= must name at least one database');
  if (shards.length > maxShards) messages.push(`shards= names ${shards.length} databases; at most ${maxShards} are possible`);
  for (const shard of new Set(shards)) {
    const named = byName.get(shard);
    if (shards.filter((other) => other === shard).length > 1) messages.push(`shard "${shard}" is named twice in shards=`);
    if (shard === name) messages.push('a sharded database cannot be its own shard');
    else if (shard === '*' || !named) messages.push(`shard "${shard}" is not a database of this configuration`);
    else if (named.shards) messages.push(`shard "${shard}" is itself sharded; a shard must be a database with hosts`);
  }
  return messages.map((message) => ({ database: name, message }));
};

const declaredName = ({ schema, name }: TableSpec): string => (schema === undefined ? name : `${schema}.${name}`);

const tableProblems = (database: DatabaseSpec): readonly TopologyProblem[] => {
  const problems: TopologyProblem[] = [];
  const seen = new Set<string>();
  for (const table of database.tables ?? []) {
    const shown = declaredName(table);
    const report = (message: string): number => problems.push({ database: database.name, table: shown, message });
    const identity = JSON.stringify([table.schema ?? null, table.name]);
    if (!database.shards) report(`table "${shown}" is declared, but database "${database.name}" is not sharded`);
    if (seen.has(identity)) report(`table "${shown}" is declared twice`);
    seen.add(identity);
    if (table.schema !== undefined && isSystemSchema(table.schema))
      report(`table "${shown}" is in a schema of the system and cannot be declared`);
    if (table.name === '') report('a table needs a name');
    const { placement } = table;
    if (placement.kind === 'key' && placement.column === '') report(`table "${shown}" needs the name of its key column`);
    if (placement.kind === 'on' && database.shards && !database.shards.includes(placement.shard))
      report(`table "${shown}" is on "${placement.shard}", which is not a shard of "${database.name}"`);
  }
  return problems;
};

const plain = ({ name, reads }: DatabaseSpec): PlainDatabase => Object.freeze({ kind: 'plain', name, ...readsOf(reads) });

const sharded = (database: DatabaseSpec, shards: readonly string[], byName: ReadonlyMap<string, DatabaseSpec>): ShardedDatabase => {
  const tables = new Map<string, readonly TableSpec[]>();
  for (const table of database.tables ?? []) tables.set(table.name, [...(tables.get(table.name) ?? []), table]);
  return Object.freeze({
    kind: 'sharded',
    name: database.name,
    shards: Object.freeze([...shards]),
    shardReads: Object.freeze(shards.map((shard) => byName.get(shard)?.reads)),
    buckets: Object.freeze(fillBuckets(shards)),
    tables,
  });
};

const compile = (byName: ReadonlyMap<string, DatabaseSpec>, epoch: number): Topology => {
  const databases = new Map<string, Database>();
  for (const spec of byName.values())
    if (spec.name !== '*') databases.set(spec.name, spec.shards ? sharded(spec, spec.shards, byName) : plain(spec));
  const fallback = byName.get('*');
  return Object.freeze({
    epoch,
    databases,
    fallback: fallback !== undefined,
    ...(fallback?.reads === undefined ? {} : { fallbackReads: fallback.reads }),
  });
};
