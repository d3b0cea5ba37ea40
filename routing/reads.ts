/**
 * The read/write split: may a replica answer this statement? Only where everything that the statement runs is known not to write
 * and to say the same on a replica. All that is not known goes to the primary, with the reason, for `SHOW ROUTE` and the log.
 */
import { isReplicatedCatalog, isSystemRelation } from './catalogs.ts';
import type { Facts, FunctionName, Relation, Statement } from './facts.ts';
import { classifyName } from './functions.ts';
import type { Catalog, Role } from './plan.ts';
import type { Reads } from './topology.ts';

/** Where a proven read may go. */
export const readRole = (reads: Reads | undefined): Role => (reads === 'replicas' ? 'replica' : reads === 'any' ? 'any' : 'primary');

/** The first reason why a text must run on the primary; undefined when it is a proven read. */
export const whyPrimary = (facts: Facts, catalog: Catalog | undefined): string | undefined => {
  if (!facts.understood) return 'the text could not be read';
  for (const statement of facts.statements) {
    const reason = whyStatement(statement, catalog);
    if (reason !== undefined) return reason;
  }
  return undefined;
};

const whyStatement = (statement: Statement, catalog: Catalog | undefined): string | undefined => {
  const { verb } = statement;
  if (statement.opaque !== undefined) return statement.opaque;
  if (verb !== 'select' && verb !== 'explain' && !(verb === 'copy' && statement.copy === 'out')) return `${verb} is no read`;
  if (!statement.readOnly) return 'it is not proven to only read';
  // `opaque` says that a function runs code; whether that code writes is what the catalog knows of the function.
  const effect = statement.effects.find(({ kind }) => kind !== 'opaque' || statement.functions.length === 0);
  if (effect) return `it changes the session (${effect.kind})`;
  return (
    whyFunction(statement.functions, catalog) ??
    whyRelation(statement.relations, catalog) ??
    whyOperator(statement.operators, catalog) ??
    whyField(statement, catalog)
  );
};

const isNotHarmless = ({ schema, name }: FunctionName): boolean =>
  (schema === undefined || schema === 'pg_catalog') && classifyName(name) === 'other';

const whyFunction = (functions: readonly FunctionName[], catalog: Catalog | undefined): string | undefined => {
  for (const fn of functions) {
    // Whatever its volatility: the built-ins that are listed at all write, lock, or answer for one host.
    if (isNotHarmless(fn)) return `function ${fn.name} writes, locks or answers for one host only`;
    const volatility = catalog?.volatility(fn);
    if (volatility !== 'i' && volatility !== 's') return `function ${fn.name} ${volatility === 'v' ? 'is volatile' : 'is not known'}`;
  }
  return undefined;
};

const whyRelation = (relations: readonly Relation[], catalog: Catalog | undefined): string | undefined => {
  for (const relation of relations) {
    if (relation.access === 'write') return `it writes to ${relation.name}`;
    if (isReplicatedCatalog(relation)) continue;
    if (isSystemRelation(relation)) return `${relation.name} describes the host`;
    if (catalog?.isPlainRelation(relation.schema, relation.name) !== true)
      return `relation ${relation.name} is not known to be a plain table`;
  }
  return undefined;
};

const whyOperator = (operators: readonly string[], catalog: Catalog | undefined): string | undefined => {
  const unknown = operators.find((operator) => !catalog || catalog.isVolatileOperator(operator));
  return unknown === undefined ? undefined : `operator ${unknown} is ${catalog ? 'volatile' : 'not known'}`;
};

/** `t.name` and `(value).name` may call a function of the user's own. */
const whyField = ({ fields, operators }: Statement, catalog: Catalog | undefined): string | undefined => {
  const names = [...(fields ?? []), ...operators.filter((name) => name.startsWith('.')).map((name) => name.slice(1))];
  const volatile = names.find((name) => catalog?.volatility({ name }) === 'v');
  return volatile === undefined ? undefined : `function ${volatile} is volatile`;
};
