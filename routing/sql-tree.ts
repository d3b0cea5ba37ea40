/**
 * Queries of node-sql-parser's tree turned into ours: SELECT, INSERT, UPDATE and DELETE with joins, WITH and UNION; see sql-parser.ts
 * for the rules. Set operations hang in a chain from the first arm, joins in a flat list.
 */
import type { Cte, Delete, Expr, FromItem, Insert, Join, Query, Select, Table, Update } from './query.ts';
import { exprOf, exprsOf, giveUp, type Node, named, nodes, only, type Reading } from './sql-expressions.ts';

/** One statement, or one query inside it. */
export function sqlBody(node: Node, reading: Reading): Query {
  const withs = nodes(node.with);
  const ctes = withs.map((cte) => cteOf(cte, reading));
  const recursive = withs.some((cte) => cte.recursive === true);
  return { ctes, recursive, body: bodyOf(node, reading) };
}

function cteOf(node: Node, reading: Reading): Cte {
  const { name, stmt } = only(node, 'name', 'stmt', 'recursive');
  const statement = stmt as Node;
  const inner = statement.ast === undefined ? statement : (only(statement, 'ast', 'parentheses', 'tableList', 'columnList').ast as Node);
  return { name: named(reading, name), query: sqlBody(inner, reading) };
}

function bodyOf(node: Node, reading: Reading): Query['body'] {
  switch (node.type) {
    case 'select':
      return node._next === undefined || node._next === null ? select(node, reading) : setOperation(node, reading);
    case 'insert':
      return insert(node, reading);
    case 'update':
      return update(node, reading);
    case 'delete':
      return remove(node, reading);
  }
  return giveUp(String(node.type));
}

const SELECT_FIELDS = [
  'type',
  'with',
  'columns',
  'distinct',
  'into',
  'from',
  'where',
  'groupby',
  'having',
  'orderby',
  'limit',
  'parentheses_symbol',
  'parentheses',
];

function select(node: Node, reading: Reading): Select {
  only(node, ...SELECT_FIELDS, '_next', 'set_op');
  if (node.into !== undefined && node.into !== null) only(node.into as Node);
  const distinct = only((node.distinct as Node | null) ?? {}, 'type');
  if (distinct.type && distinct.type !== 'DISTINCT') giveUp('DISTINCT ON');
  const columns = nodes(node.columns).map((column) => output(column, reading));
  const group = node.groupby as Node | null;
  const groups = group === null || group === undefined ? [] : exprsOf(only(group, 'columns').columns, reading);
  const having = node.having as Node | null;
  const where = node.where as Node | null;
  return {
    kind: 'select',
    from: fromItems(node.from, reading),
    ...(where ? { where: exprOf(where, reading) } : {}),
    outputs: columns.flatMap((column) => (column === undefined ? [] : [column])),
    star: columns.includes(undefined),
    grouped: groups.length > 0,
    rest: [...groups, ...(having ? [exprOf(having, reading)] : []), ...ordering(node, reading)],
    locking: false,
  };
}

function ordering(node: Node, reading: Reading): readonly Expr[] {
  const order = nodes(node.orderby).map((item) => exprOf(only(item, 'expr', 'type', 'nulls').expr as Node, reading));
  const limit = node.limit as Node | null;
  const limits = limit === null || limit === undefined ? [] : exprsOf(only(limit, 'value', 'seperator').value, reading);
  return [...order, ...limits];
}

/** undefined for a star. */
function output(column: Node, reading: Reading): Expr | undefined {
  // A cast in the target list is not wrapped, but is a column itself.
  if (column.type === 'cast' && column.as !== undefined) {
    if (column.as !== null) named(reading, column.as);
    const { as: _name, ...expr } = column;
    return exprOf({ ...expr, keyword: 'cast' }, reading);
  }
  const { expr, as } = only(column, 'type', 'expr', 'as');
  const value = expr as Node;
  if (as !== null && as !== undefined) named(reading, as);
  if (value.type === 'column_ref' && value.column === '*') {
    const { table } = only(value, 'type', 'table', 'column');
    if (table !== null && table !== undefined) named(reading, table);
    return undefined;
  }
  return exprOf(value, reading);
}

/** Arms of UNION; a clause on a later arm may belong to the whole, so arms have none. */
function setOperation(first: Node, reading: Reading): Query['body'] {
  const arms: Query[] = [];
  for (let node: Node | null | undefined = first; node; node = node._next as Node | null | undefined) {
    if (node.type !== 'select' || nodes(node.orderby).length > 0 || nodes((node.limit as Node | null)?.value).length > 0)
      giveUp('a set operation');
    if (node !== first && nodes(node.with).length > 0) giveUp('WITH in an arm');
    if (node.parentheses_symbol === true || node.parentheses === true) giveUp('parentheses');
    if (node.set_op !== undefined && node.set_op !== 'union' && node.set_op !== 'union all') giveUp('a set operation');
    arms.push({ ctes: [], recursive: false, body: select(node, reading) });
  }
  return { kind: 'set', arms, rest: [], locking: false };
}

// FROM

function fromItems(value: unknown, reading: Reading): readonly FromItem[] {
  const items: FromItem[] = [];
  for (const node of nodes(value)) {
    const item = fromItem(node, reading);
    if (node.join === undefined || node.join === null) {
      if (node.on || node.using) giveUp('ON without JOIN');
      items.push(item);
    } else items.push(joined(items.pop() ?? giveUp('a join of nothing'), item, node, reading));
  }
  return items;
}

function fromItem(node: Node, reading: Reading): FromItem {
  const expr = node.expr as Node | undefined;
  if (expr !== undefined) {
    if (expr.ast === undefined) giveUp('FROM of an expression');
    const { as } = only(node, 'expr', 'as', 'join', 'on', 'using');
    const { ast } = only(expr, 'ast', 'parentheses', 'tableList', 'columnList');
    const alias = as === null || as === undefined ? {} : { alias: named(reading, as) };
    return { kind: 'derived', query: reading.query(ast as Node), ...alias, lateral: false };
  }
  return tableOf(node, reading, 'join', 'on', 'using');
}

function tableOf(node: Node, reading: Reading, ...more: readonly string[]): Table {
  const { db, table, as } = only(node, 'db', 'table', 'as', ...more);
  return {
    kind: 'table',
    ...(db === null || db === undefined ? {} : { schema: named(reading, db) }),
    name: named(reading, table),
    ...(as === null || as === undefined ? {} : { alias: named(reading, as) }),
    renamed: false,
    parts: [],
  };
}

const JOINS: ReadonlyMap<string, Join['type']> = new Map<string, Join['type']>([
  ['INNER JOIN', 'inner'],
  ['CROSS JOIN', 'inner'],
  ['LEFT JOIN', 'left'],
  ['LEFT OUTER JOIN', 'left'],
  ['RIGHT JOIN', 'right'],
  ['RIGHT OUTER JOIN', 'right'],
  ['FULL JOIN', 'full'],
  ['FULL OUTER JOIN', 'full'],
]);

function joined(left: FromItem, right: FromItem, node: Node, reading: Reading): Join {
  const type = JOINS.get(String(node.join)) ?? giveUp('a join');
  const using = nodes(node.using).map((column) => named(reading, column));
  if (using.length > 0) reading.operators.delete('');
  const on = node.on as Node | null | undefined;
  const conditions = { ...(on ? { on: exprOf(on, reading) } : {}), ...(using.length > 0 ? { using } : {}) };
  return { kind: 'join', type, left, right, natural: false, ...conditions };
}

// Statements that write

function target(value: unknown, reading: Reading, ...more: readonly string[]): Table {
  const tables = nodes(value);
  return tables.length === 1 ? tableOf(tables[0]!, reading, ...more) : giveUp('a target');
}

function returning(node: Node, reading: Reading): readonly Expr[] {
  const clause = node.returning as Node | null | undefined;
  if (clause === null || clause === undefined) return [];
  return nodes(only(clause, 'type', 'columns').columns).map((column): Expr => output(column, reading) ?? { kind: 'other', parts: [] });
}

function insert(node: Node, reading: Reading): Insert {
  only(node, 'type', 'with', 'table', 'columns', 'values', 'conflict', 'returning', 'prefix');
  if (node.prefix && node.prefix !== 'into') giveUp('INSERT');
  const into = target(node.table, reading);
  const columns =
    node.columns === null || node.columns === undefined ? undefined : nodes(node.columns).map((column) => named(reading, column));
  const source = sourceOf(node.values as Node, reading);
  return {
    kind: 'insert',
    target: into,
    ...(columns === undefined ? {} : { columns }),
    source,
    ...conflict(node.conflict as Node | null | undefined, reading),
    returning: returning(node, reading),
  };
}

function sourceOf(values: Node | null | undefined, reading: Reading): Query {
  if (values === null || values === undefined) return giveUp('DEFAULT VALUES');
  if (values.type === 'select') return reading.query(values);
  if (only(values, 'type', 'values').type !== 'values') giveUp('VALUES');
  const rows = nodes(values.values).map((row) => nodes(only(row, 'type', 'value').value).map((value) => givenValue(value, reading)));
  return { ctes: [], recursive: false, body: { kind: 'values', rows, rest: [] } };
}

/** DEFAULT looks like a column of that name. */
function givenValue(node: Node, reading: Reading): Expr {
  const column = node.type === 'column_ref' && !node.table ? (node.column as { expr?: Node } | undefined) : undefined;
  const name = column?.expr?.type === 'default' ? column.expr.value : undefined;
  return typeof name === 'string' && name.toLowerCase() === 'default' ? { kind: 'default' } : exprOf(node, reading);
}

function conflict(clause: Node | null | undefined, reading: Reading): Pick<Insert, 'assigns' | 'conflict'> {
  if (clause === null || clause === undefined) return { assigns: [], conflict: [] };
  const { target: on, action } = only(clause, 'type', 'keyword', 'target', 'action');
  const parts: Expr[] = [];
  if (on !== null && on !== undefined) {
    if (only(on as Node, 'type', 'expr', 'parentheses').type !== 'column') giveUp('ON CONFLICT');
    parts.push(...exprsOf((on as Node).expr, reading));
  }
  const { expr } = only(action as Node, 'keyword', 'expr');
  const what = expr as Node;
  if (what.type === 'origin') return String(what.value).toLowerCase() === 'nothing' ? { assigns: [], conflict: parts } : giveUp('DO');
  const { set, where, type } = only(what, 'type', 'set', 'where');
  if (type !== 'update') giveUp('DO');
  const assigned = assignments(set, reading);
  if (where) parts.push(exprOf(where as Node, reading));
  return { assigns: assigned.names, conflict: [...parts, ...assigned.values] };
}

function assignments(value: unknown, reading: Reading): { readonly names: readonly string[]; readonly values: readonly Expr[] } {
  const names: string[] = [];
  const values: Expr[] = [];
  for (const node of nodes(value)) {
    const { value: given, ...column } = only(node, 'type', 'table', 'column', 'value');
    const name = exprOf(column, reading);
    if (name.kind !== 'column' || name.table !== undefined) return giveUp('SET');
    // The sign of the assignment is no operator of the tree.
    reading.words.push('operator =');
    names.push(name.name);
    values.push(givenValue(given as Node, reading));
  }
  return { names, values };
}

function update(node: Node, reading: Reading): Update {
  only(node, 'type', 'with', 'table', 'set', 'from', 'where', 'returning');
  const into = target(node.table, reading);
  const { names, values } = assignments(node.set, reading);
  const where = node.where as Node | null;
  return {
    kind: 'update',
    target: into,
    assigns: names,
    values,
    from: fromItems(node.from, reading),
    ...(where ? { where: exprOf(where, reading) } : {}),
    returning: returning(node, reading),
  };
}

function remove(node: Node, reading: Reading): Delete {
  only(node, 'type', 'with', 'table', 'from', 'where', 'returning');
  // `table` repeats what `from` says.
  const tables = nodes(node.table);
  if (tables.length !== 1 || tables[0]!.addition !== true) giveUp('DELETE');
  const where = node.where as Node | null;
  return {
    kind: 'delete',
    target: target(node.from, reading),
    from: [],
    ...(where ? { where: exprOf(where, reading) } : {}),
    returning: returning(node, reading),
  };
}
