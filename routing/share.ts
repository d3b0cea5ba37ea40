/**
 * Which statements may share a server connection with those of other clients, one behind the other (DESIGN.md, "The one idea"). Each rule is
 * a function of the text alone that says why not. What the text cannot tell (that a relation is a plain table, that an operator is what it
 * seems) is asked of the catalog by whoever runs it: `sharingDependsOn` lists what must be asked.
 */
import { isSystemRelation, isSystemSchema } from './catalogs.ts';
import type { Facts, Statement } from './facts.ts';

/** One statement, and nothing hidden behind it. */
export const isOneStatement = ({ understood, statements }: Facts): string | undefined => {
  if (!understood) return 'the text could not be read';
  return statements.length === 1 ? undefined : 'it is not one statement';
};

/** A query that writes nothing and locks no row. */
export const onlyReads = ({ verb, readOnly, opaque, relations }: Statement): string | undefined => {
  if (verb !== 'select') return `${verb} is no query`;
  if (opaque !== undefined) return opaque;
  if (!readOnly) return 'it is not proven to only read';
  const written = relations.find(({ access }) => access === 'write');
  return written === undefined ? undefined : `it writes to ${written.name}`;
};

/** Nothing that it does outlives it. */
export const leavesNothing = ({ effects }: Statement): string | undefined =>
  effects.length === 0 ? undefined : `it changes the session (${effects[0]!.kind})`;

/** Functions that are not known to be harmless may sleep, lock, write, or tell of one connection. */
export const callsNothingElse = ({ functions }: Statement): string | undefined =>
  functions.length === 0 ? undefined : `function ${functions[0]!.name} is not known to be harmless`;

/** They do nothing else than to keep those behind them waiting, for as long as a value says that the shape does not tell. */
const WAITING: ReadonlySet<string> = new Set(['pg_sleep', 'pg_sleep_for', 'pg_sleep_until']);

export const doesNotWait = ({ builtIns }: Statement): string | undefined => {
  const waits = builtIns?.find((name) => WAITING.has(name));
  return waits === undefined ? undefined : `${waits} waits`;
};

/** Sharing lets application_name differ, so nothing that could see it may be shared. */
export const seesNoSettings = ({ builtIns }: Statement): string | undefined =>
  builtIns?.includes('current_setting') ? 'it reads a setting' : undefined;

/** Postgres's own views tell of the connection that they are read on. */
export const readsNoSystemRelation = ({ relations }: Statement): string | undefined => {
  const system = relations.find(
    (relation) => isSystemRelation(relation) || (relation.schema !== undefined && isSystemSchema(relation.schema)),
  );
  return system === undefined ? undefined : `relation ${system.name} belongs to Postgres`;
};

/** A cast to a type of the user's own may call anything. */
export const castsToBuiltIns = ({ operators }: Statement): string | undefined => {
  const cast = operators.find((name) => name.startsWith('::'));
  return cast === undefined ? undefined : `type ${cast.slice(2)} is not built in`;
};

/** `(a).b` calls a function b of the user's own, whatever the type of a, where it is no field. (Of `t.b` the catalog is asked.) */
export const takesNoField = ({ operators }: Statement): string | undefined =>
  operators.some((name) => name.startsWith('.')) ? 'it takes a field of a value' : undefined;

const rules = [
  onlyReads,
  leavesNothing,
  callsNothingElse,
  doesNotWait,
  takesNoField,
  seesNoSettings,
  readsNoSystemRelation,
  castsToBuiltIns,
];

/** The first reason why a text needs a server connection of its own; undefined when, as far as the text tells, it may share one. */
export const whyExclusive = (facts: Facts): string | undefined => {
  const many = isOneStatement(facts);
  if (many !== undefined) return many;
  for (const rule of rules) {
    const reason = rule(facts.statements[0]!);
    if (reason !== undefined) return reason;
  }
  return undefined;
};

/**
 * Whether a statement may be prepared under a name of ours although the client did not ask for it, also inside a transaction, where nothing can be
 * tried again: it gives no rows, so that no change of a definition can make its plan one whose result the server refuses to change.
 */
export const mayBePrepared = ({ understood, statements }: Facts): boolean => {
  const [statement] = statements;
  if (!understood || statements.length !== 1 || statement === undefined) return false;
  const { verb, opaque, returning, effects } = statement;
  return opaque === undefined && returning !== true && WRITES.has(verb) && effects.every(({ kind }) => kind === 'nextval');
};

const WRITES: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'merge']);

/** What must be asked of the catalog before a text may share: all names without their schema, for the search_path is not in the text. */
export interface SharingNeeds {
  /** Must be plain tables, whatever schema they are in. */
  readonly relations: readonly string[];
  /** Must mean nothing but built-ins, or immutable functions in C. */
  readonly operators: readonly string[];
  readonly functions: readonly string[];
}

export const sharingDependsOn = ({ statements }: Facts): SharingNeeds => ({
  relations: [...new Set(statements.flatMap(({ relations }) => relations.map(({ name }) => name)))],
  // USING, NATURAL, CASE and their like compare with `=` without naming it.
  operators: [...new Set(['=', ...statements.flatMap(({ operators }) => operators.map((name) => name.slice(name.lastIndexOf('.') + 1)))])],
  functions: [...new Set(statements.flatMap(({ builtIns }) => builtIns ?? []))],
});
