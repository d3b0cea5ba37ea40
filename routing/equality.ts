/**
 * Which operands pin which column: a graph of the equalities that hold for every row that matters at one place of a statement.
 * Columns are nodes, `a.k = b.k` is an edge, `a.k = 5` or `a.k IN (5, $1)` puts operands on a node; a column is pinned by what it
 * reaches. The graph is a stack: `levels` adds what a query level proves, reads the pins inside it, and takes it away again, so
 * that nothing flows outwards. Leaving a fact out is always right; so anything unusual is, and searches stop at a fixed size.
 */
import type { ColumnName, Operand, Pin } from './facts.ts';
import type { Column, Expr } from './query.ts';

/** A relation at its place; whoever builds scopes makes one for each table reference. */
export interface Place {
  /** Order of appearance in the level, from 0. */
  readonly index: number;
  readonly schema?: string;
  readonly name: string;
}

interface Node {
  readonly place: Place;
  readonly column: string;
  readonly neighbours: Node[];
  readonly operands: (readonly Operand[])[];
}

/** Finds the relation that a column belongs to, or undefined when the text does not prove it. */
export type Resolve = (column: Column) => Place | undefined;

export interface Equalities {
  readonly nodes: Map<Place, Map<string, Node>>;
  /** What to pop, newest last. */
  readonly trail: unknown[][];
}

const MAX_REACH = 64;
const MAX_PINS = 8;
const MAX_BRANCHES = 1000;

export function noEqualities(): Equalities {
  return { nodes: new Map(), trail: [] };
}

/** Takes away everything that was added since `trail.length` was `mark`. */
export function rollBack(graph: Equalities, mark: number): void {
  while (graph.trail.length > mark) graph.trail.pop()!.pop();
}

/** Adds what a condition proves of every row for which it is true. NULL and false rows do not pass, and all equalities are strict. */
export function addCondition(graph: Equalities, condition: Expr, resolve: Resolve): void {
  switch (condition.kind) {
    case 'and':
      for (const arg of condition.args) addCondition(graph, arg, resolve);
      return;
    case 'equal':
      addEqual(graph, condition.left, condition.right, resolve);
      return;
    case 'in':
      addIn(graph, condition.left, condition.items, resolve);
      return;
    case 'or':
      for (const pinned of pinnedByEach(condition.args, resolve)) addOperands(graph, pinned.place, pinned.column, pinned.operands);
      return;
  }
}

function addEqual(graph: Equalities, left: Expr, right: Expr, resolve: Resolve): void {
  if (left.kind === 'row' && right.kind === 'row') {
    if (left.args.length !== right.args.length) return;
    left.args.forEach((arg, i) => void addEqual(graph, arg, right.args[i]!, resolve));
    return;
  }
  if (left.kind !== 'column') {
    if (right.kind === 'column') addEqual(graph, right, left, resolve);
    return;
  }
  const place = resolve(left);
  if (place === undefined) return;
  if (right.kind === 'column') {
    const other = resolve(right);
    if (other !== undefined) addEdge(graph, place, left.name, other, right.name);
    return;
  }
  const operand = operandOf(right);
  if (operand !== undefined) addOperands(graph, place, left.name, [operand]);
}

function addIn(graph: Equalities, left: Expr, items: readonly Expr[], resolve: Resolve): void {
  if (left.kind === 'row') {
    left.args.forEach((arg, i) => {
      const column = items.map((item) => (item.kind === 'row' && item.args.length === left.args.length ? item.args[i] : undefined));
      if (column.every((item) => item !== undefined)) addIn(graph, arg, column, resolve);
    });
    return;
  }
  const pinned = inList(left, items, resolve);
  if (pinned !== undefined) addOperands(graph, pinned.place, pinned.column, pinned.operands);
}

interface Pinned {
  readonly place: Place;
  readonly column: string;
  readonly operands: readonly Operand[];
}

function inList(left: Expr, items: readonly Expr[], resolve: Resolve): Pinned | undefined {
  if (left.kind !== 'column' || items.length === 0) return undefined;
  const place = resolve(left);
  if (place === undefined) return undefined;
  const operands = operandsOf(items);
  return operands === undefined ? undefined : { place, column: left.name, operands };
}

/** What every branch of an OR pins, each with its own operands: together they pin it. */
function pinnedByEach(branches: readonly Expr[], resolve: Resolve): readonly Pinned[] {
  if (branches.length > MAX_BRANCHES) return [];
  let common = pinnedBy(branches[0]!, resolve);
  for (const branch of branches.slice(1)) {
    if (common.length === 0) return common;
    const here = pinnedBy(branch, resolve);
    common = common.flatMap((a) => {
      const b = here.find((p) => p.place === a.place && p.column === a.column);
      if (b === undefined) return [];
      (a.operands as Operand[]).push(...b.operands);
      return [a];
    });
  }
  return common;
}

function pinnedBy(branch: Expr, resolve: Resolve): readonly Pinned[] {
  switch (branch.kind) {
    case 'and':
      return branch.args.length > MAX_PINS ? [] : branch.args.flatMap((arg) => pinnedBy(arg, resolve));
    case 'or':
      return pinnedByEach(branch.args, resolve);
    case 'in': {
      const pinned = inList(branch.left, branch.items, resolve);
      return pinned === undefined ? [] : [{ ...pinned, operands: [...pinned.operands] }];
    }
    case 'equal': {
      const [column, value] = branch.left.kind === 'column' ? [branch.left, branch.right] : [branch.right, branch.left];
      const operand = operandOf(value);
      const place = column.kind === 'column' && operand !== undefined ? resolve(column) : undefined;
      return column.kind === 'column' && operand !== undefined && place !== undefined
        ? [{ place, column: column.name, operands: [operand] }]
        : [];
    }
    default:
      return [];
  }
}

/** Adds `place.column IN (operands)`. */
export function addOperands(graph: Equalities, place: Place, column: string, operands: readonly Operand[]): void {
  const node = nodeOf(graph, place, column);
  node.operands.push(operands);
  graph.trail.push(node.operands as unknown[]);
}

/** Adds `a.column = b.column`. */
export function addEdge(graph: Equalities, a: Place, aColumn: string, b: Place, bColumn: string): void {
  const from = nodeOf(graph, a, aColumn);
  const to = nodeOf(graph, b, bColumn);
  if (from === to) return;
  from.neighbours.push(to);
  to.neighbours.push(from);
  graph.trail.push(from.neighbours, to.neighbours);
}

function nodeOf(graph: Equalities, place: Place, column: string): Node {
  const columns = graph.nodes.get(place) ?? new Map<string, Node>();
  if (columns.size === 0) graph.nodes.set(place, columns);
  const node = columns.get(column) ?? { place, column, neighbours: [], operands: [] };
  columns.set(column, node);
  return node;
}

/** The pins of a relation by what the graph holds now. */
export function pinsOf(graph: Equalities, place: Place): readonly Pin[] {
  const columns = graph.nodes.get(place);
  return columns === undefined ? [] : [...columns.values()].flatMap((node) => reach(node));
}

/** The pins of one column. */
export function pinsOfColumn(graph: Equalities, place: Place, column: string): readonly Pin[] {
  const node = graph.nodes.get(place)?.get(column);
  return node === undefined ? [] : reach(node);
}

/** Nearest first, so that a direct equality comes before one that was passed on. */
function reach(start: Node): readonly Pin[] {
  if (start.neighbours.length === 0 && start.operands.length === 0) return [];
  const from = new Map<Node, Node | undefined>([[start, undefined]]);
  const pins: Pin[] = [];
  for (const node of from.keys()) {
    for (const operands of node.operands) {
      if (pins.length >= MAX_PINS) return pins;
      const through = node === start ? undefined : path(from, node);
      pins.push({ column: start.column, operands: distinct(operands), ...(through === undefined ? {} : { through }) });
    }
    for (const next of node.neighbours) {
      if (from.size >= MAX_REACH) break;
      if (!from.has(next)) from.set(next, node);
    }
  }
  return pins;
}

function path(from: ReadonlyMap<Node, Node | undefined>, end: Node): readonly ColumnName[] {
  const columns: ColumnName[] = [];
  for (let node: Node | undefined = end; node !== undefined && from.get(node) !== undefined; node = from.get(node)) {
    const { schema, name } = node.place;
    columns.push({ ...(schema === undefined ? {} : { schema }), table: name, column: node.column });
  }
  return columns.reverse();
}

/** Each operand once. */
export function distinct(operands: readonly Operand[]): readonly Operand[] {
  if (operands.length < 2) return operands;
  const seen = new Map<string, Operand>();
  for (const o of operands) {
    const key = o.kind === 'literal' ? `${o.type} ${o.text}` : o.kind === 'param' ? `$${o.index}` : 'null';
    if (!seen.has(key)) seen.set(key, o);
  }
  return [...seen.values()];
}

/** Casts that leave a constant the key value that it is: to the types that keys have, without a modifier. */
const FAITHFUL: ReadonlySet<string> = new Set(['int2', 'int4', 'int8', 'text', 'varchar', 'uuid']);

/** The operand that an expression is, or undefined when it is more than a constant or parameter. */
export function operandOf(expr: Expr): Operand | undefined {
  if (expr.kind === 'value') return expr.operand;
  if (expr.kind !== 'cast' || expr.type === undefined || !FAITHFUL.has(expr.type) || expr.arg.kind !== 'value') return undefined;
  const operand = expr.arg.operand;
  // 1.5::int8 rounds, true::int4 is 1: only whole numbers, strings and parameters keep their value.
  return operand.kind === 'literal' && operand.type === 'other' ? undefined : operand;
}

/** The operands that all of these are, or undefined when one is more. */
export function operandsOf(items: readonly Expr[]): readonly Operand[] | undefined {
  const operands: Operand[] = [];
  for (const item of items) {
    const operand = operandOf(item);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return operands;
}
