/**
 * What tests of routing build by hand: Facts, values, views and the example database `shop`; a plan as one line of text, and tables
 * of cases. In `shop`, the integer keys 2 and 3 are on shop_0, which has replicas; 5 and 6 are on shop_1.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Facts, Operand, Pin, Relation, Statement, Verb } from '../../routing/facts.ts';
import type { BoundValue, Catalog, Operands, Plan, RouteOptions, View } from '../../routing/plan.ts';
import { route } from '../../routing/route.ts';
import { buildTopology, type Database, type DatabaseSpec } from '../../routing/topology.ts';

/** Facts of one statement that does nothing, with `more` over it. `readOnly` follows the verb unless given. */
export const statement = (verb: Verb, more: Partial<Statement> = {}): Statement => ({
  verb,
  start: 0,
  end: 0,
  readOnly: verb === 'select',
  relations: [],
  functions: [],
  operators: [],
  effects: [],
  ...more,
});
export const facts = (...statements: readonly Statement[]): Facts => ({ statements, understood: true, params: 0 });

export const integer = (value: number): Operand => ({ kind: 'literal', text: String(value), type: 'integer' });
export const string = (text: string): Operand => ({ kind: 'literal', text, type: 'string' });
export const parameter = (index: number): Operand => ({ kind: 'param', index });
export const nothing: Operand = { kind: 'null' };

export const pin = (column: string, ...operands: readonly Operand[]): Pin => ({ column, operands });
export const reads = (name: string, ...pins: readonly Pin[]): Relation => ({ name, access: 'read', pins, assigns: [] });
export const writes = (name: string, ...pins: readonly Pin[]): Relation => ({ name, access: 'write', pins, assigns: [] });

/** Values in the text format, without a type. */
export const values =
  (...texts: readonly (string | null)[]): Operands =>
  (index) => {
    const text = texts[index - 1];
    if (text === undefined) return undefined;
    return { format: 'text', type: 0, bytes: text === null ? null : new TextEncoder().encode(text) } satisfies BoundValue;
  };

export const view = (more: Partial<View> = {}): View => ({
  inTransaction: false,
  pinned: false,
  readOnly: false,
  clientEncoding: 'UTF8',
  ...more,
});

/** A catalog that knows these names; every relation but those of `strange` is a plain table. */
export const catalog = (known: {
  readonly functions?: Readonly<Record<string, 'i' | 's' | 'v'>>;
  readonly volatileOperators?: readonly string[];
  readonly strange?: readonly string[];
}): Catalog => ({
  volatility: ({ name }) => known.functions?.[name],
  isPlainRelation: (_schema, name) => !known.strange?.includes(name),
  isVolatileOperator: (name) => known.volatileOperators?.includes(name) === true,
});

const key = (column: string, type: 'integer' | 'text' | 'uuid', shardBy: 'consistent' | 'hash' = 'consistent') =>
  ({ kind: 'key', column, type, shardBy }) as const;

const specs: readonly DatabaseSpec[] = [
  { name: 'plain' },
  { name: 'primary', reads: 'primary' },
  { name: 'replicas', reads: 'replicas' },
  { name: 'any', reads: 'any' },
  { name: 'shop_0', reads: 'replicas' },
  { name: 'shop_1' },
  {
    name: 'shop',
    shards: ['shop_0', 'shop_1'],
    tables: [
      { name: 'customers', placement: key('id', 'integer') },
      { name: 'orders', placement: key('customer_id', 'integer') },
      { name: 'documents', placement: key('tenant', 'text') },
      { name: 'files', placement: key('id', 'uuid') },
      { name: 'hashed', placement: key('id', 'integer', 'hash') },
      { name: 'ledger', schema: 'finance', placement: key('account', 'integer') },
      { name: 'countries', placement: { kind: 'everywhere' } },
      { name: 'audit', placement: { kind: 'on', shard: 'shop_1' } },
      { name: 'settings', placement: { kind: 'on', shard: 'shop_0' } },
    ],
  },
];

/** A database of the example configuration, by name. `shop` is sharded over `shop_0` (reads=replicas) and `shop_1`. */
export const database = (name: string): Database => {
  const built = buildTopology({ databases: specs }, 1);
  const found = 'topology' in built ? built.topology.databases.get(name) : undefined;
  if (!found) throw new Error(`the example has no valid database ${name}`);
  return found;
};

/** A plan in one line: what, where, why; a refusal with its words, without its hint. */
export const shown = (plan: Plan): string => {
  if (plan.kind === 'one') return `${plan.target.database} ${plan.target.role}: ${plan.why}`;
  if (plan.kind === 'transaction') return `transaction ${plan.verb}: ${plan.why}`;
  return `${plan.sqlstate} ${plan.why}: ${plan.message}`;
};

/** One row of a table: a sentence, and what goes in and comes out. */
export interface Case {
  readonly name: string;
  readonly facts: Statement | Facts;
  readonly view?: Partial<View>;
  readonly values?: Operands;
  readonly options?: RouteOptions;
  readonly plan: string;
}

export const asFacts = (given: Statement | Facts): Facts => ('statements' in given ? given : facts(given));

/** A test for each row, on one database. */
export const check = (title: string, name: string, cases: readonly Case[]): void => {
  describe(title, () => {
    for (const { name: told, facts: given, view: seen, values: bound = values(), options, plan } of cases)
      it(told, () => assert.equal(shown(route(asFacts(given), bound, database(name), view(seen), options)), plan));
  });
};

export const inTransaction: Partial<View> = { inTransaction: true };
/** A view that holds a server of a shard, in a transaction unless told otherwise. */
export const on = (shard: string, more: Partial<View> = inTransaction): Partial<View> => ({
  ...more,
  held: { database: shard, role: 'primary' },
});
export const unread: Facts = { statements: [], understood: false, params: 0 };
export const known = catalog({ functions: { shout: 'i', today: 's', write_log: 'v' }, volatileOperators: ['@@@'], strange: ['a_view'] });

export const selects = (relation: string, more: Partial<Statement> = {}): Statement =>
  statement('select', { relations: [reads(relation)], ...more });
/** A read of `orders` with its key in a list. */
export const order = (...operands: readonly Operand[]): Statement =>
  selects('orders', { relations: [reads('orders', pin('customer_id', ...operands))] });
export const insert = (table: string, ...pins: readonly Pin[]): Statement => statement('insert', { relations: [writes(table, ...pins)] });

export const to0 = 'shop_0 primary: key';
export const to1 = 'shop_1 primary: key';
export const unproven = '0A000 not_proven: cannot prove which shard has the rows of table "orders"';
export const refused = (what: string): string => `0A000 not_proven: ${what} not supported on sharded database "shop"`;
