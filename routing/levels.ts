/**
 * Walks a query, level by level, with Postgres's scoping of names: which tables it touches at which place, what pins each of them,
 * which functions it calls, and whether it writes or locks. What a level proves (WHERE, ON of inner joins) holds inside it and in the
 * subqueries that it runs; ON of an outer join holds on the nullable side alone; nothing holds outside the level that says it.
 *
 * An unqualified column is taken as the column of the level's only relation. It may in truth belong to an outer level; but pins are
 * used only for the declared key column, which that relation has by declaration.
 */
import { addCondition, addEdge, distinct, type Equalities, noEqualities, operandsOf, pinsOf, pinsOfColumn, rollBack } from './equality.ts';
import type { Pin, Relation } from './facts.ts';
import type { Call, Cte, Delete, Expr, FromItem, Insert, Join, Merge, Query, Select, Table, Update } from './query.ts';
import { before, type Ctes, declare, hidesColumns, newScope, provider, resolve, type Scope } from './scope.ts';

/** What is found on the way, in order of appearance. */
export interface Findings {
  readonly relations: Relation[];
  readonly calls: Call[];
  /** Names taken of a row (`t.name`): columns, or functions that take the row. */
  readonly fields: Set<string>;
  /** A data-modifying statement at any level, or SELECT INTO. */
  writes: boolean;
  /** FOR UPDATE and its kin at any level. */
  locks: boolean;
}

export function noFindings(): Findings {
  return { relations: [], calls: [], fields: new Set(), writes: false, locks: false };
}

interface Walk {
  readonly found: Findings;
  readonly graph: Equalities;
}

/** Walks a statement's query and adds what it finds. */
export function walkStatement(query: Query, found: Findings): void {
  walkQuery({ found, graph: noEqualities() }, query, undefined, undefined);
}

/** Collects the calls of expressions that stand outside any query (arguments of CALL and EXECUTE, defaults of ALTER TABLE). */
export function walkParts(parts: readonly Expr[], found: Findings): void {
  walkExprs({ found, graph: noEqualities() }, parts, newScope(undefined), undefined);
}

function walkQuery(walk: Walk, query: Query, outer: Scope | undefined, ctes: Ctes | undefined): void {
  const visible = query.ctes.length === 0 ? ctes : walkCtes(walk, query, outer, ctes);
  const { body } = query;
  switch (body.kind) {
    case 'select':
      return walkSelect(walk, body, outer, visible);
    case 'set': {
      for (const arm of body.arms) walkQuery(walk, arm, outer, visible);
      if (body.locking) walk.found.locks = true;
      return walkExprs(walk, body.rest, newScope(outer), visible);
    }
    case 'values': {
      const scope = newScope(outer);
      for (const row of body.rows) walkExprs(walk, row, scope, visible);
      return walkExprs(walk, body.rest, scope, visible);
    }
    case 'insert':
      return walkInsert(walk, body, outer, visible);
    case 'update':
    case 'delete':
      return walkChange(walk, body, outer, visible);
    case 'merge':
      return walkMerge(walk, body, outer, visible);
  }
}

/** Without RECURSIVE a CTE sees those before it; with RECURSIVE all see all. */
function walkCtes(walk: Walk, query: Query, outer: Scope | undefined, ctes: Ctes | undefined): Ctes {
  const names = new Set<string>(query.recursive ? query.ctes.map((cte: Cte) => cte.name) : []);
  const visible: Ctes = { names, outer: ctes };
  for (const cte of query.ctes) {
    walkQuery(walk, cte.query, outer, visible);
    names.add(cte.name);
  }
  return visible;
}

function walkSelect(walk: Walk, select: Select, outer: Scope | undefined, ctes: Ctes | undefined): void {
  const { graph } = walk;
  const mark = graph.trail.length;
  const scope = enterSelect(walk, select, outer, ctes);
  walkFrom(walk, select.from, scope, ctes);
  walkExprs(walk, select.outputs, scope, ctes);
  if (select.where !== undefined) walkExpr(walk, select.where, scope, ctes);
  walkExprs(walk, select.rest, scope, ctes);
  if (select.locking) walk.found.locks = true;
  if (select.into !== undefined) walk.found.writes = true;
  rollBack(graph, mark);
}

/** Makes the scope of a SELECT and adds what holds for its rows; the caller rolls back. */
function enterSelect(walk: Walk, select: Select, outer: Scope | undefined, ctes: Ctes | undefined): Scope {
  const scope = newScope(outer);
  for (const item of select.from) declare(scope, item, ctes);
  if (select.where !== undefined) addCondition(walk.graph, select.where, (column) => resolve(scope, column));
  for (const item of select.from) addJoins(walk, item, scope);
  return scope;
}

// FROM

/** Adds the conditions of the joins that every row must pass: inner ones, and those on the preserved side of outer ones. */
function addJoins(walk: Walk, item: FromItem, scope: Scope): void {
  if (item.kind !== 'join' || item.alias !== undefined) return;
  if (item.type === 'inner') addOn(walk, item, scope);
  if (item.type === 'inner' || item.type === 'left') addJoins(walk, item.left, scope);
  if (item.type === 'inner' || item.type === 'right') addJoins(walk, item.right, scope);
}

function addOn(walk: Walk, join: Join, scope: Scope): void {
  if (join.on !== undefined) addCondition(walk.graph, join.on, (column) => resolve(scope, column));
  for (const column of join.using ?? []) {
    const left = provider(scope, join.left, column);
    const right = provider(scope, join.right, column);
    if (left !== undefined && right !== undefined) addEdge(walk.graph, left, column, right, column);
  }
}

function walkFrom(walk: Walk, from: readonly FromItem[], scope: Scope, ctes: Ctes | undefined): void {
  for (const item of from) walkItem(walk, item, scope, ctes);
}

function walkItem(walk: Walk, item: FromItem, scope: Scope, ctes: Ctes | undefined): void {
  switch (item.kind) {
    case 'table': {
      const place = scope.tables.get(item);
      if (place !== undefined) addRelation(walk, item, 'read', hidesColumns(item) ? [] : pinsOf(walk.graph, place), []);
      return walkExprs(walk, item.parts, scope, ctes);
    }
    case 'derived':
      return walkQuery(walk, item.query, item.lateral ? before(scope, item) : scope.parent, ctes);
    case 'function':
      return walkExprs(walk, item.parts, before(scope, item), ctes);
    case 'join':
      return item.alias === undefined ? walkJoin(walk, item, scope, ctes) : walkAliased(walk, item, scope, ctes);
  }
}

/** `(a JOIN b …) AS j`: inside the parentheses a and b are names, outside only j is. */
function walkAliased(walk: Walk, aliased: Join, scope: Scope, ctes: Ctes | undefined): void {
  const { alias: _hidden, ...join } = aliased;
  const mark = walk.graph.trail.length;
  const inner = newScope(before(scope, aliased), scope.parent);
  declare(inner, join, ctes);
  addJoins(walk, join, inner);
  walkJoin(walk, join, inner, ctes);
  rollBack(walk.graph, mark);
}

function walkJoin(walk: Walk, join: Join, scope: Scope, ctes: Ctes | undefined): void {
  walkSide(walk, join, join.left, join.type === 'right' || join.type === 'full', scope, ctes);
  walkSide(walk, join, join.right, join.type === 'left' || join.type === 'full', scope, ctes);
  if (join.on !== undefined) walkExpr(walk, join.on, scope, ctes);
}

/** Rows of the nullable side matter only where ON holds; in a FULL join each side's rows matter anyway. */
function walkSide(walk: Walk, join: Join, side: FromItem, nullable: boolean, scope: Scope, ctes: Ctes | undefined): void {
  const mark = walk.graph.trail.length;
  if (nullable) {
    if (join.type !== 'full') addOn(walk, join, scope);
    addJoins(walk, side, scope);
  }
  walkItem(walk, side, scope, ctes);
  rollBack(walk.graph, mark);
}

function addRelation(
  walk: Walk,
  table: Table,
  access: Relation['access'],
  pins: readonly Pin[],
  assigns: readonly string[],
  columnsUnknown = false,
): void {
  const { schema, name } = table;
  walk.found.relations.push({
    ...(schema === undefined ? {} : { schema }),
    name,
    access,
    pins,
    assigns,
    ...(columnsUnknown ? { columnsUnknown: true as const } : {}),
  });
}

// Statements that write

function walkInsert(walk: Walk, insert: Insert, outer: Scope | undefined, ctes: Ctes | undefined): void {
  walk.found.writes = true;
  const pins =
    insert.columns === undefined || insert.source === undefined ? [] : insertPins(walk, insert.columns, insert.source, outer, ctes);
  const unknown = insert.columns === undefined && insert.source !== undefined;
  addRelation(walk, insert.target, 'write', pins, insert.assigns, unknown);
  if (insert.source !== undefined) walkQuery(walk, insert.source, outer, ctes);
  const scope = newScope(outer);
  declare(scope, insert.target, undefined);
  walkExprs(walk, insert.conflict, scope, ctes);
  walkExprs(walk, insert.returning, scope, ctes);
}

/** A listed column is pinned when its value in every row is a constant, a parameter, or a column that is pinned itself. */
function insertPins(
  walk: Walk,
  columns: readonly (string | undefined)[],
  source: Query,
  outer: Scope | undefined,
  ctes: Ctes | undefined,
): readonly Pin[] {
  const { body } = source;
  if (body.kind === 'values') return valuesPins(columns, body.rows);
  if (body.kind !== 'select' || body.star || body.grouped || body.outputs.length !== columns.length || source.ctes.length > 0) return [];
  const mark = walk.graph.trail.length;
  const scope = enterSelect(walk, body, outer, ctes);
  const pins = body.outputs.flatMap((output, i): readonly Pin[] => outputPins(walk, scope, columns[i], output));
  rollBack(walk.graph, mark);
  return pins;
}

function valuesPins(columns: readonly (string | undefined)[], rows: readonly (readonly Expr[])[]): readonly Pin[] {
  if (rows.some((row) => row.length !== columns.length)) return [];
  return columns.flatMap((column, i): readonly Pin[] => {
    const operands = column === undefined ? undefined : operandsOf(rows.map((row) => row[i]!));
    return operands === undefined || column === undefined ? [] : [{ column, operands: distinct(operands) }];
  });
}

function outputPins(walk: Walk, scope: Scope, column: string | undefined, output: Expr): readonly Pin[] {
  if (column === undefined) return [];
  const operands = operandsOf([output]);
  if (operands !== undefined) return [{ column, operands }];
  const place = output.kind === 'column' ? resolve(scope, output) : undefined;
  if (output.kind !== 'column' || place === undefined) return [];
  const from = { ...(place.schema === undefined ? {} : { schema: place.schema }), table: place.name, column: output.name };
  return pinsOfColumn(walk.graph, place, output.name).map((pin) => ({
    column,
    operands: pin.operands,
    through: [...(pin.through ?? []), from],
  }));
}

function walkChange(walk: Walk, change: Update | Delete, outer: Scope | undefined, ctes: Ctes | undefined): void {
  const { graph } = walk;
  walk.found.writes = true;
  const mark = graph.trail.length;
  const scope = newScope(outer);
  declare(scope, change.target, undefined);
  for (const item of change.from) declare(scope, item, ctes);
  if (change.where !== undefined) addCondition(graph, change.where, (column) => resolve(scope, column));
  for (const item of change.from) addJoins(walk, item, scope);
  const place = scope.tables.get(change.target)!;
  const pins = hidesColumns(change.target) ? [] : pinsOf(graph, place);
  addRelation(walk, change.target, 'write', pins, change.kind === 'update' ? change.assigns : []);
  walkFrom(walk, change.from, scope, ctes);
  if (change.kind === 'update') walkExprs(walk, change.values, scope, ctes);
  if (change.where !== undefined) walkExpr(walk, change.where, scope, ctes);
  rollBack(graph, mark);
  // RETURNING sees the new row, of which WHERE proves nothing.
  walkExprs(walk, change.returning, scope, ctes);
}

/** The source's rows matter whether they match or not, and unmatched ones are inserted: MERGE pins nothing by itself. */
function walkMerge(walk: Walk, merge: Merge, outer: Scope | undefined, ctes: Ctes | undefined): void {
  walk.found.writes = true;
  const scope = newScope(outer);
  declare(scope, merge.target, undefined);
  declare(scope, merge.source, ctes);
  addRelation(walk, merge.target, 'write', [], merge.assigns);
  walkItem(walk, merge.source, scope, ctes);
  walkExprs(walk, merge.parts, scope, ctes);
  walkExprs(walk, merge.returning, scope, ctes);
}

// Expressions: only calls and subqueries matter.

function walkExprs(walk: Walk, exprs: readonly Expr[], scope: Scope, ctes: Ctes | undefined): void {
  for (const expr of exprs) walkExpr(walk, expr, scope, ctes);
}

function walkExpr(walk: Walk, expr: Expr, scope: Scope, ctes: Ctes | undefined): void {
  switch (expr.kind) {
    case 'column':
      if (expr.table !== undefined) walk.found.fields.add(expr.name);
      return;
    case 'value':
    case 'default':
      return;
    case 'call':
      walk.found.calls.push(expr);
      return walkExprs(walk, expr.args, scope, ctes);
    case 'cast':
      return walkExpr(walk, expr.arg, scope, ctes);
    case 'equal':
      walkExpr(walk, expr.left, scope, ctes);
      return walkExpr(walk, expr.right, scope, ctes);
    case 'in':
      walkExpr(walk, expr.left, scope, ctes);
      return walkExprs(walk, expr.items, scope, ctes);
    case 'subquery':
      walkExprs(walk, expr.parts, scope, ctes);
      return walkQuery(walk, expr.query, scope, ctes);
    case 'other':
      return walkExprs(walk, expr.parts, scope, ctes);
    default:
      return walkExprs(walk, expr.args, scope, ctes);
  }
}
