/**
 * The route decision: Facts, bound values, a database and a view of the session in; a Plan out. Pure, made anew for each exchange.
 *
 * A plain database: the primary, or a replica for what `reads.ts` proves. A sharded one: every statement of the exchange is asked for its
 * demand (`demand.ts`); they go to the server together, so all must agree on one shard, and with the shard the session holds.
 * Nothing is sent for a transaction until a statement shows its shard. Where the proof fails the plan is a refusal (`refuse.ts`).
 */
import { both, type Demand, demandOf, type Setting } from './demand.ts';
import type { Facts, Statement } from './facts.ts';
import type { Operands, Plan, Role, Routable, RouteOptions, Target, View, Why } from './plan.ts';
import { readRole, whyPrimary } from './reads.ts';
import * as refuse from './refuse.ts';
import type { Database, PlainDatabase, ShardedDatabase } from './topology.ts';

/** The plan of an exchange with one text: a simple Query, or one Parse/Bind/Execute. */
export const route = (facts: Facts, operands: Operands, database: Database, view: View, options: RouteOptions = {}): Plan =>
  routeAll([{ facts, operands }], database, view, options);

/** The plan of an exchange with several texts (a pipeline before one Sync): they are sent together, to one server. */
export const routeAll = (list: readonly Routable[], database: Database, view: View, options: RouteOptions = {}): Plan =>
  database.kind === 'plain' ? routePlain(list, database, view) : routeSharded(list, database, view, options);

const one = (database: string, role: Role, why: Why, detail: string): Plan => ({ kind: 'one', target: { database, role }, why, detail });

const heldPlan = (held: Target, view: View): Plan =>
  view.inTransaction
    ? { kind: 'one', target: held, why: 'transaction', detail: 'inside a transaction: where it began' }
    : { kind: 'one', target: held, why: 'pinned', detail: 'the session keeps state on its server connection' };

/** Why the texts of a list must run on the primary; undefined when all are proven reads. */
const whyListPrimary = (list: readonly Routable[], view: View): string | undefined => {
  for (const { facts } of list) {
    const reason = whyPrimary(facts, view.catalog);
    if (reason !== undefined) return reason;
  }
  return undefined;
};

const routePlain = (list: readonly Routable[], { name, reads }: PlainDatabase, view: View): Plan => {
  const heldBack = view.holdsBegin === true ? transactionOfPlain(list, view) : undefined;
  if (heldBack) return heldBack;
  if (reads === undefined || reads === 'primary') return one(name, 'primary', 'unsharded', 'every statement goes to the primary');
  if (view.held) return heldPlan(view.held, view);
  if (view.inTransaction) return one(name, 'primary', 'transaction', 'inside a transaction: on the primary');
  if (view.pinned) return one(name, 'primary', 'pinned', 'the session keeps state: on the primary');
  const reason = whyListPrimary(list, view);
  if (reason !== undefined) return one(name, 'primary', 'write', `to the primary: ${reason}`);
  return one(name, readRole(reads), 'read', 'proven to only read');
};

const routeSharded = (list: readonly Routable[], database: ShardedDatabase, view: View, options: RouteOptions): Plan => {
  const describeOnly = options.describeOnly === true;
  const heldBack = describeOnly ? undefined : transactionPlan(list, view);
  if (heldBack) return heldBack;
  const demand = listDemand(list, {
    database,
    catalog: view.catalog,
    utf8: view.clientEncoding === 'UTF8' || /^(utf-?8|unicode)$/i.test(view.clientEncoding ?? ''),
    pinned: view.pinned,
    describeOnly,
  });
  if (demand.kind === 'reject') return demand;
  if (view.held) return onHeld(demand, database, view.held, view, describeOnly);
  return onShard(demand, list, database, view);
};

const listDemand = (list: readonly Routable[], setting: Setting): Demand => {
  let demand: Demand | undefined;
  for (const { facts, operands } of list) {
    if (!facts.understood) return refuse.unreadable(setting.database);
    for (const statement of facts.statements) {
      const next = demandOf(statement, operands, setting);
      if (next.kind === 'reject') return next;
      demand = demand ? both(withoutTable(demand), withoutTable(next)) : next;
      if (demand.kind === 'reject') return demand;
    }
  }
  return demand ?? { kind: 'any', why: 'any_shard', detail: 'no statement' };
};

/** So that a conflict between two statements is told as one of statements, not of tables. */
const withoutTable = (demand: Demand): Demand => {
  if (demand.kind !== 'shard' || demand.table === undefined) return demand;
  const { table: _, ...rest } = demand;
  return rest;
};

const onHeld = (demand: Demand, database: ShardedDatabase, held: Target, view: View, describeOnly: boolean): Plan => {
  const wanted = demand.kind === 'shard' ? database.shards[demand.shard] : undefined;
  if (wanted !== undefined && wanted !== held.database && !describeOnly)
    return refuse.wrongShard(held.database, wanted, view.inTransaction);
  return heldPlan(held, view);
};

const onShard = (demand: Exclude<Demand, refuse.Reject>, list: readonly Routable[], database: ShardedDatabase, view: View): Plan => {
  const shard = demand.kind === 'shard' ? demand.shard : 0;
  const role = readRole(database.shardReads[shard]);
  const reads = role !== 'primary' && !view.inTransaction && !view.pinned && whyListPrimary(list, view) === undefined;
  return one(
    database.shards[shard]!,
    reads ? role : 'primary',
    demand.why,
    reads ? `${demand.detail}; proven to only read` : demand.detail,
  );
};

/** The only statement of an exchange; undefined where there are several or none. */
const onlyStatement = (list: readonly Routable[]): Statement | undefined => {
  const [first] = list;
  return list.length === 1 && first?.facts.understood && first.facts.statements.length === 1 ? first.facts.statements[0] : undefined;
};

/** The plan for a statement that opens, ends or shapes a transaction which has no shard yet; undefined for all others. */
const transactionPlan = (list: readonly Routable[], view: View): Plan | undefined => {
  const statement = view.held || view.pinned ? undefined : onlyStatement(list);
  if (!statement || statement.opaque !== undefined) return undefined;
  const { verb } = statement;
  if (!view.inTransaction)
    return verb === 'begin' ? transaction('begin', 'the transaction waits for the statement that shows its shard') : undefined;
  if ((verb === 'commit' || verb === 'rollback') && statement.transaction?.chain !== true)
    return transaction(verb, 'nothing was sent to a shard');
  return isHeldBack(statement) ? transaction('other', 'waits behind BEGIN for the statement that shows the shard') : undefined;
};

/** BEGIN that cannot fail, and the end of a transaction of which nothing was sent. */
const transactionOfPlain = (list: readonly Routable[], view: View): Plan | undefined => {
  const statement = view.held || view.pinned ? undefined : onlyStatement(list);
  if (!statement || statement.opaque !== undefined) return undefined;
  const { verb, transaction: options } = statement;
  // READ WRITE is refused on a standby.
  if (!view.inTransaction)
    return verb === 'begin' && options?.readOnly !== false ? transaction('begin', 'travels with the first statement') : undefined;
  return (verb === 'commit' || verb === 'rollback') && options?.chain !== true
    ? transaction(verb, 'nothing was sent to the server')
    : undefined;
};

const transaction = (verb: 'begin' | 'commit' | 'rollback' | 'other', detail: string): Plan => ({
  kind: 'transaction',
  verb,
  why: 'held_back',
  detail,
});

/** Statements without rows whose effect ends with the transaction at the latest: if nothing is ever sent, nothing is lost. */
const isHeldBack = ({ verb, effects }: Statement): boolean =>
  verb === 'savepoint' ||
  verb === 'release' ||
  verb === 'rollback_to' ||
  verb === 'begin' ||
  verb === 'commit' ||
  verb === 'rollback' ||
  (verb === 'set' && effects.every(({ kind }) => kind === 'set_local'));
