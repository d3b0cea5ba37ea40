/**
 * What one statement demands of a sharded database: one shard that is proven to have every row that can matter, any shard, or a refusal.
 * Each relation at each place in the statement is proven on its own, and all must agree; `route.ts` puts the statements of an exchange
 * together and picks the host. A shard that has too few of the rows would give a wrong answer without an error: what is not proven is refused.
 */
import { bucketOf } from './buckets.ts';
import { isDescribing, isSystemRelation, isSystemSchema } from './catalogs.ts';
import type { ColumnName, FunctionName, Operand, Relation, Statement, Verb } from './facts.ts';
import { partitionHash, remainder } from './hash.ts';
import { type KeyContext, type KeyUse, readKey } from './keys.ts';
import type { Catalog, Operands, Why } from './plan.ts';
import * as refuse from './refuse.ts';
import type { KeyType, ShardedDatabase, TableSpec } from './topology.ts';

/** `shard` is an index into the database's shards. `table` is the one that shows it, for the texts of refusals. */
export type Demand =
  | { readonly kind: 'any'; readonly why: Why; readonly detail: string }
  | { readonly kind: 'shard'; readonly shard: number; readonly why: Why; readonly detail: string; readonly table?: string }
  | refuse.Reject;

/** What demands are read with, the same for all statements of an exchange. */
export interface Setting {
  readonly database: ShardedDatabase;
  readonly catalog: Catalog | undefined;
  readonly utf8: boolean;
  readonly pinned: boolean;
  /** Parameters without a value demand nothing: the statement is described, not run. */
  readonly describeOnly: boolean;
}

const any = (why: Why, detail: string): Demand => ({ kind: 'any', why, detail });
const anyShard = any('any_shard', 'no table of a shard');
const anyForSystem = any('any_shard', "only Postgres's own catalogs");
const anyForEverywhere = any('everywhere', 'only tables that are the same on every shard');
const anyForDescribe = any('any_shard', 'only described: every shard has the same tables');
const noRow = any('any_shard', 'its condition on the shard key is true for no row');
const sessionHome: Demand = {
  kind: 'shard',
  shard: 0,
  why: 'any_shard',
  detail: 'notifications and advisory locks live on the first shard',
};

/** Statements about the session or the transaction, which a shard runs as well as any other. */
const sessionVerbs: ReadonlySet<Verb> = new Set<Verb>([
  ...(['show', 'set', 'reset', 'discard', 'deallocate', 'fetch', 'close', 'load', 'unlisten'] as const),
  ...(['begin', 'commit', 'rollback', 'savepoint', 'release', 'rollback_to'] as const),
]);

/** Statements that are judged by their tables. */
const tableVerbs: ReadonlySet<Verb> = new Set<Verb>([
  ...(['select', 'insert', 'update', 'delete', 'merge', 'copy', 'explain', 'declare', 'prepare', 'lock'] as const),
]);

/** The demand of one statement. */
export const demandOf = (statement: Statement, operands: Operands, setting: Setting): Demand => {
  const { verb } = statement;
  const { database } = setting;
  if (verb === 'listen' || verb === 'notify') return sessionHome;
  if (verb === 'execute' || statement.effects.some(({ kind }) => kind === 'execute'))
    return setting.pinned ? anyShard : refuse.executeNotRouted(database);
  if (sessionVerbs.has(verb)) return statement.opaque === undefined ? anyShard : refuse.opaque(database, statement.opaque);
  if (!tableVerbs.has(verb)) return refuse.verbNotRouted(database, verb);
  if (statement.effects.some(({ kind }) => kind === 'temp' || kind === 'ddl' || kind === 'drop'))
    return refuse.verbNotRouted(database, 'ddl');
  if (statement.opaque !== undefined) return refuse.opaque(database, statement.opaque);
  if (statement.copy === 'server') return refuse.copyServer(database);
  // The parameters of PREPARE are given by EXECUTE, later.
  return tablesDemand(statement, verb === 'prepare' ? () => undefined : operands, setting);
};

const tablesDemand = (statement: Statement, operands: Operands, setting: Setting): Demand => {
  let demand: Demand = anyShard;
  for (const relation of statement.relations) {
    demand = both(demand, relationDemand(relation, statement, operands, setting));
    if (demand.kind === 'reject') return demand;
  }
  if (demand.kind === 'any' && demand.why === 'everywhere' && statement.verb === 'select' && !statement.readOnly)
    return refuse.everywhereLock(statement.relations.find(({ name }) => setting.database.tables.has(name))?.name ?? '');
  return codeDemand(demand, statement, setting);
};

/** Two demands that must hold together. */
export const both = (one: Demand, other: Demand): Demand => {
  if (one.kind === 'reject') return one;
  if (other.kind === 'reject') return other;
  if (one.kind === 'shard') return other.kind === 'shard' ? sameShard(one, other) : one;
  if (other.kind === 'shard') return other;
  // Of two demands for any shard, the one that tells more.
  return one === anyShard || (one.why !== 'everywhere' && other.why === 'everywhere') ? other : one;
};

type ShardDemand = Extract<Demand, { kind: 'shard' }>;

const sameShard = (one: ShardDemand, other: ShardDemand): Demand => {
  if (one.shard === other.shard) return one.why === 'key' || other.why !== 'key' ? one : other;
  if (one.table === undefined || other.table === undefined) return refuse.statementsOnManyShards();
  return refuse.tablesOnManyShards(one.table, other.table);
};

/** Functions and operators run on the one shard and see its rows only. */
const codeDemand = (tables: Demand, { functions, operators, effects }: Statement, { database, catalog }: Setting): Demand => {
  let demand = tables;
  for (const fn of functions) {
    demand = both(demand, functionDemand(fn, tables, database, catalog));
    if (demand.kind === 'reject') return demand;
  }
  const operator = operators.find((name) => catalog?.isVolatileOperator(name) === true);
  if (operator !== undefined) return refuse.operatorNotProven(database, operator);
  return effects.some(({ kind }) => kind === 'advisory' || kind === 'advisory_release') ? both(demand, sessionHome) : demand;
};

const functionDemand = (fn: FunctionName, tables: Demand, database: ShardedDatabase, catalog: Catalog | undefined): Demand => {
  if (isDescribing(fn)) return anyShard;
  if (fn.schema === undefined || fn.schema === 'pg_catalog') {
    if (fn.name === 'pg_notify' || /^pg_(try_)?advisory_/.test(fn.name)) return sessionHome;
    if (fn.name === 'nextval' || fn.name === 'setval') return tables.kind === 'shard' ? anyShard : refuse.sequenceNotProven(database, fn);
  }
  return catalog?.volatility(fn) === 'i' ? anyShard : refuse.functionNotProven(database, fn);
};

const shownTable = ({ schema, name }: Relation): string => (schema === undefined ? name : `${schema}.${name}`);

/** The declaration that a relation means, or why none can be meant for certain. */
const declaration = (database: ShardedDatabase, relation: Relation): TableSpec | refuse.Reject => {
  const specs = database.tables.get(relation.name) ?? [];
  const { schema } = relation;
  const bare = specs.find((spec) => spec.schema === undefined);
  // A bare name goes by search_path, which may lead to any of the schemas declared.
  if (schema === undefined && specs.some((spec) => spec.schema !== undefined)) return refuse.unqualified(database, relation.name);
  const spec = specs.find((candidate) => schema !== undefined && candidate.schema === schema) ?? bare;
  return spec && (schema === undefined || !isSystemSchema(schema)) ? spec : refuse.undeclared(database, shownTable(relation));
};

const relationDemand = (relation: Relation, statement: Statement, operands: Operands, setting: Setting): Demand => {
  const { database } = setting;
  const writes = relation.access === 'write';
  const table = shownTable(relation);
  if (isSystemRelation(relation)) return writes ? refuse.systemWrite(database, table) : anyForSystem;
  const spec = declaration(database, relation);
  if ('kind' in spec) return spec;
  const { placement } = spec;
  if (placement.kind === 'on') {
    const shard = database.shards.indexOf(placement.shard);
    return { kind: 'shard', shard, why: 'on', detail: `table "${table}" is on shard "${placement.shard}"`, table };
  }
  if (statement.verb === 'lock') return refuse.verbNotRouted(database, 'lock');
  if (placement.kind === 'everywhere') return writes ? refuse.everywhereWrite(database, table) : anyForEverywhere;
  if (statement.copy === 'in') return refuse.copyIn(database, table);
  if (relation.assigns.includes(placement.column)) return refuse.keyChange(table, placement.column);
  return keyDemand(relation, placement, useOf(relation, statement), operands, setting);
};

/** Only where the relation is the one that is written, the verb tells what happens to it. */
const useOf = (relation: Relation, { verb, relations }: Statement): KeyUse => {
  if (relation.access === 'read') return 'compared';
  if (relations.filter(({ access }) => access === 'write').length !== 1) return 'either';
  return verb === 'insert' ? 'assigned' : verb === 'update' || verb === 'delete' ? 'compared' : 'either';
};

/** Equality is passed on by columns of the key's own type only; of all columns, the types of shard keys are the ones known. */
const isKeyOfType = ({ schema, table, column }: ColumnName, type: KeyType, database: ShardedDatabase): boolean => {
  const spec = declaration(database, { name: table, access: 'read', pins: [], assigns: [], ...(schema === undefined ? {} : { schema }) });
  return !('kind' in spec) && spec.placement.kind === 'key' && spec.placement.column === column && spec.placement.type === type;
};

type ByKey = Extract<TableSpec['placement'], { kind: 'key' }>;

/** The shards of one pin's values, or why it proves nothing. */
type Proof =
  | { readonly kind: 'shards'; readonly shards: readonly number[] }
  | { readonly kind: 'null' }
  | { readonly kind: 'unbound'; readonly reason: string }
  | { readonly kind: 'unproven'; readonly reason: string };

const prove = (pinned: readonly Operand[], placement: ByKey, context: KeyContext, operands: Operands, database: ShardedDatabase): Proof => {
  const shards: number[] = [];
  for (const operand of pinned) {
    const key = readKey(operand, operands, context);
    if (key.kind === 'null' && context.use !== 'compared') return key;
    // `key = NULL` and NULL in a list are true for no row.
    if (key.kind === 'null') continue;
    if (key.kind !== 'value') return key;
    const hash = partitionHash(key.value);
    const shard = placement.shardBy === 'hash' ? remainder(hash, database.shards.length) : database.buckets[bucketOf(hash)]!;
    if (!shards.includes(shard)) shards.push(shard);
  }
  return { kind: 'shards', shards };
};

const keyDemand = (relation: Relation, placement: ByKey, use: KeyUse, operands: Operands, setting: Setting): Demand => {
  const { database } = setting;
  const { column, type } = placement;
  const table = shownTable(relation);
  let shards: readonly number[] | undefined;
  let reason: string | undefined;
  for (const pin of relation.pins) {
    if (pin.column !== column) continue;
    const strange = pin.through?.find((other) => !isKeyOfType(other, type, database));
    if (strange) {
      reason ??= `Its shard key "${column}" is compared with "${strange.table}.${strange.column}", which is no shard key of type ${type}.`;
      continue;
    }
    const proof = prove(pin.operands, placement, { type, use, utf8: setting.utf8 }, operands, database);
    if (proof.kind === 'null') return refuse.nullKey(table, column);
    if (proof.kind === 'unbound' && setting.describeOnly) return anyForDescribe;
    if (proof.kind !== 'shards') reason ??= `Its shard key "${column}" is not proven: ${proof.reason}.`;
    else shards = shards?.filter((shard) => proof.shards.includes(shard)) ?? proof.shards;
  }
  if (relation.columnsUnknown) return refuse.columnsNotNamed(table, column);
  if (!shards || (shards.length === 0 && use !== 'compared')) return refuse.keyNotProven(table, column, type, use === 'assigned', reason);
  if (shards.length > 1) return refuse.keysOnManyShards(table, use === 'assigned', shards.length);
  const [shard] = shards;
  if (shard === undefined) return noRow;
  return {
    kind: 'shard',
    shard,
    why: 'key',
    detail: `shard key "${column}" of table "${table}" is on shard "${database.shards[shard]}"`,
    table,
  };
};
