/**
 * Expressions of node-sql-parser's tree turned into ours; see sql-parser.ts for the rules. `Reading.words` takes down every name,
 * literal, parameter and operator that is taken from the tree.
 */
import type { Expr, Query } from './query.ts';
import { fold } from './scan.ts';
import { isKeyword } from './sql-words.ts';

export type Node = { readonly [field: string]: unknown };

export interface Reading {
  readonly operators: Set<string>;
  readonly words: string[];
  query(node: Node): Query;
}

/** Thrown when the tree holds something that is not known for certain. */
export class GiveUp extends Error {}

export function giveUp(why: string): never {
  throw new GiveUp(why);
}

/** Checks that a node says nothing but these fields. */
export function only(node: Node, ...fields: readonly string[]): Node {
  for (const key in node) {
    const value = node[key];
    const empty = value === null || value === undefined || value === false || value === '' || (Array.isArray(value) && value.length === 0);
    if (!empty && !fields.includes(key)) giveUp(`${String(node.type)}.${key}`);
  }
  return node;
}

export function nodes(value: unknown): readonly Node[] {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Node[]) : giveUp('no list');
}

/** Takes down a name, folded. */
export function named(reading: Reading, value: unknown): string {
  const text = typeof value === 'string' ? value : nameNode(value as Node);
  const name = fold(text);
  if (isKeyword(name) && !/^(max|min|sum|count|avg)$/.test(name)) giveUp(`the name ${name}`);
  reading.words.push(`name ${name}`);
  return name;
}

function nameNode(node: Node): string {
  const { type, value } = only(node, 'type', 'value');
  return (type === 'default' || type === 'double_quote_string' || type === 'origin') && typeof value === 'string'
    ? value
    : giveUp('a name');
}

export function exprsOf(value: unknown, reading: Reading): readonly Expr[] {
  return nodes(value).map((node) => exprOf(node, reading));
}

/** One expression; parentheses around it do not matter. */
export function exprOf(node: Node, reading: Reading): Expr {
  if (node.ast !== undefined) {
    const { ast } = only(node, 'ast', 'parentheses', 'tableList', 'columnList');
    return { kind: 'subquery', query: reading.query(ast as Node), parts: [] };
  }
  switch (node.type) {
    case 'column_ref':
      return columnRef(node, reading);
    case 'number':
      return numberOf(only(node, 'type', 'value', 'parentheses'), reading);
    case 'single_quote_string': {
      const { value } = only(node, 'type', 'value', 'parentheses');
      reading.words.push(`string '${String(value)}'`);
      return { kind: 'value', operand: { kind: 'literal', text: String(value), type: 'string' } };
    }
    case 'bool':
      only(node, 'type', 'value', 'parentheses');
      return { kind: 'value', operand: { kind: 'literal', text: String(node.value), type: 'other' } };
    case 'null':
      only(node, 'type', 'value', 'parentheses');
      return { kind: 'value', operand: { kind: 'null' } };
    case 'var':
      return parameter(only(node, 'type', 'name', 'prefix', 'parentheses'), reading);
    case 'binary_expr':
      return binary(only(node, 'type', 'operator', 'left', 'right', 'parentheses'), reading);
    case 'unary_expr':
      return unary(only(node, 'type', 'operator', 'expr', 'parentheses'), reading);
    case 'expr_list':
      // `JOIN b ON x, c` comes as a list without parentheses.
      if (node.parentheses !== true) giveUp('a list');
      return { kind: 'row', args: exprsOf(only(node, 'type', 'value', 'parentheses').value, reading) };
    case 'function':
      return call(only(node, 'type', 'name', 'args', 'parentheses'), reading);
    case 'aggr_func':
      return aggregate(only(node, 'type', 'name', 'args', 'parentheses'), reading);
    case 'cast':
      return cast(only(node, 'type', 'keyword', 'expr', 'symbol', 'target', 'parentheses'), reading);
    case 'case':
      return { kind: 'other', parts: caseParts(only(node, 'type', 'expr', 'args', 'parentheses'), reading) };
  }
  return giveUp(String(node.type));
}

function columnRef(node: Node, reading: Reading): Expr {
  const { schema, table, column } = only(node, 'type', 'schema', 'table', 'column', 'parentheses');
  const name =
    typeof column === 'object' && column !== null && 'expr' in column
      ? named(reading, (only(column as Node, 'expr') as Node).expr)
      : giveUp('a column');
  if (table === null || table === undefined) return schema ? giveUp('a schema alone') : { kind: 'column', name };
  const tableName = named(reading, table);
  if (schema === null || schema === undefined) return { kind: 'column', table: tableName, name };
  return { kind: 'column', schema: named(reading, schema), table: tableName, name };
}

function numberOf(node: Node, reading: Reading): Expr {
  const value = Number(node.value);
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) giveUp('a number');
  if (value < 0) reading.words.push('operator -');
  reading.words.push(`number ${Math.abs(value)}`);
  return { kind: 'value', operand: { kind: 'literal', text: String(value), type: 'integer' } };
}

function parameter(node: Node, reading: Reading): Expr {
  const { name, prefix } = node;
  if (prefix !== '$' || typeof name !== 'number') return giveUp('a variable');
  reading.words.push(`param $${name}`);
  return { kind: 'value', operand: { kind: 'param', index: name } };
}

/** Keyword operators by the operators that they stand for. */
const KEYWORDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['LIKE', ['~~']],
  ['NOT LIKE', ['!~~']],
  ['ILIKE', ['~~*']],
  ['NOT ILIKE', ['!~~*']],
  ['BETWEEN', ['>=', '<=']],
  ['NOT BETWEEN', ['>=', '<=']],
]);

/** How tightly Postgres binds an operator; what is not listed binds as any other operator does. */
const BINDING: ReadonlyMap<string, number> = new Map([
  ['OR', 1],
  ['AND', 2],
  ['NOT', 3],
  ['IS', 4],
  ['IS NOT', 4],
  ...['=', '<>', '!=', '<', '>', '<=', '>='].map((operator): [string, number] => [operator, 5]),
  ...['IN', 'NOT IN', 'BETWEEN', 'NOT BETWEEN', 'LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE'].map((operator): [string, number] => [
    operator,
    6,
  ]),
  ['+', 8],
  ['-', 8],
  ['*', 9],
  ['/', 9],
  ['%', 9],
]);

function binding(node: Node): number {
  if (node.parentheses === true || (node.type !== 'binary_expr' && node.type !== 'unary_expr')) return 10;
  return BINDING.get(String(node.operator).toUpperCase()) ?? 7;
}

/** The parser's own idea of what binds tighter is not always Postgres's: then its tree is not used. */
function checkBinding(node: Node): void {
  const own = binding({ ...node, parentheses: false });
  const left = binding(node.left as Node);
  if (left < own || (left === own && own >= 4 && own <= 6) || binding(node.right as Node) <= own) giveUp('what binds tighter');
}

function binary(node: Node, reading: Reading): Expr {
  checkBinding(node);
  const operator = String(node.operator).toUpperCase();
  if (operator === 'AND' || operator === 'OR') return logical(operator === 'AND' ? 'and' : 'or', node, reading);
  if (operator === 'IS' || operator === 'IS NOT') return isNull(node, reading);
  if (operator === 'IN' || operator === 'NOT IN') return inList(operator, node, reading);
  for (const symbol of KEYWORDS.get(operator) ?? [symbolOf(operator, reading)]) reading.operators.add(symbol);
  const left = exprOf(node.left as Node, reading);
  if (KEYWORDS.has(operator) && operator.endsWith('BETWEEN'))
    return { kind: 'other', parts: [left, ...between(node.right as Node, reading)] };
  const right = exprOf(node.right as Node, reading);
  if (right.kind === 'call' && (right.fn.name === 'any' || right.fn.name === 'all')) giveUp('ANY');
  return operator === '=' ? { kind: 'equal', left, right } : { kind: 'other', parts: [left, right] };
}

function between(bounds: Node, reading: Reading): readonly Expr[] {
  if (bounds.type !== 'expr_list') giveUp('BETWEEN');
  return exprsOf(only(bounds, 'type', 'value').value, reading);
}

function symbolOf(operator: string, reading: Reading): string {
  const symbol = operator === '!=' ? '<>' : operator;
  // `*` is not counted, because it is also the star.
  if (symbol !== '*') reading.words.push(`operator ${symbol}`);
  return symbol;
}

/** Chains of one word are one list, as in Postgres's tree; a parenthesis on the left is flattened there too. */
function logical(kind: 'and' | 'or', node: Node, reading: Reading): Expr {
  const left = exprOf(node.left as Node, reading);
  const right = exprOf(node.right as Node, reading);
  return { kind, args: left.kind === kind ? [...left.args, right] : [left, right] };
}

function isNull(node: Node, reading: Reading): Expr {
  const right = node.right as Node;
  if (right.type !== 'null' && right.type !== 'bool') giveUp('IS');
  return { kind: 'other', parts: [exprOf(node.left as Node, reading), exprOf(right, reading)] };
}

function inList(operator: string, node: Node, reading: Reading): Expr {
  const left = exprOf(node.left as Node, reading);
  const right = only(node.right as Node, 'type', 'value', 'parentheses');
  if (right.type !== 'expr_list') giveUp('IN');
  const items = exprsOf(right.value, reading);
  if (items.some((item) => item.kind === 'subquery')) {
    // NOT IN (SELECT …) is NOT (x = ANY (SELECT …)).
    reading.operators.add('=');
    return items.length === 1 && items[0]!.kind === 'subquery' ? { ...items[0]!, parts: [left] } : giveUp('IN of queries');
  }
  reading.operators.add(operator === 'IN' ? '=' : '<>');
  return operator === 'IN' ? { kind: 'in', left, items } : { kind: 'other', parts: [left, ...items] };
}

function unary(node: Node, reading: Reading): Expr {
  const operator = String(node.operator).toUpperCase();
  if (operator === 'NOT' && binding(node.expr as Node) < 3) giveUp('what binds tighter');
  const arg = exprOf(node.expr as Node, reading);
  if (operator === 'NOT') return { kind: 'other', parts: [arg] };
  if (operator === 'EXISTS' || operator === 'NOT EXISTS') return arg.kind === 'subquery' ? arg : giveUp('EXISTS');
  return giveUp(operator);
}

function call(node: Node, reading: Reading): Expr {
  const { name, schema } = only(node.name as Node, 'name', 'schema');
  const parts = nodes(name);
  if (parts.length !== 1) giveUp('a qualified name');
  const lower = String(parts[0]!.value).toLowerCase();
  if (lower === 'exists' || lower === 'not') return keywordCall(lower, node, reading);
  const fn = named(reading, parts[0]);
  const args = node.args as Node | null;
  const list = args === null || args === undefined ? [] : exprsOf(only(args, 'type', 'value').value, reading);
  return {
    kind: 'call',
    fn: schema === null || schema === undefined ? { name: fn } : { schema: named(reading, schema), name: fn },
    args: list,
  };
}

/** EXISTS (…) and NOT (…) come as calls. */
function keywordCall(keyword: string, node: Node, reading: Reading): Expr {
  const args = exprsOf(only((node.args as Node | null) ?? {}, 'type', 'value').value, reading);
  if (args.length !== 1 || (keyword === 'exists' && args[0]!.kind !== 'subquery')) return giveUp(keyword);
  return keyword === 'exists' ? args[0]! : { kind: 'other', parts: args };
}

function aggregate(node: Node, reading: Reading): Expr {
  const fn = named(reading, node.name);
  const { expr } = only(node.args as Node, 'expr');
  const arg = expr as Node;
  return { kind: 'call', fn: { name: fn }, args: arg.type === 'star' ? [] : [exprOf(arg, reading)] };
}

const CASTS: ReadonlyMap<string, string> = new Map([
  ['BIGINT', 'int8'],
  ['INT 8', 'int8'],
  ['INT8', 'int8'],
  ['INT', 'int4'],
  ['INT 4', 'int4'],
  ['INTEGER', 'int4'],
  ['SMALLINT', 'int2'],
  ['TEXT', 'text'],
  ['VARCHAR', 'varchar'],
  ['UUID', 'uuid'],
]);

function cast(node: Node, reading: Reading): Expr {
  if (node.symbol !== '::') giveUp('CAST');
  const targets = nodes(node.target);
  const target = only(targets[0] ?? {}, 'dataType', 'length');
  const length = target.length === undefined || target.length === null ? '' : ` ${String(target.length)}`;
  const type = CASTS.get(`${String(target.dataType).toUpperCase()}${length}`);
  if (type === undefined || targets.length !== 1) giveUp('a type');
  const arg = exprOf(node.expr as Node, reading);
  // -5::int8 is -(5::int8) and not (-5)::int8.
  if (arg.kind === 'value' && arg.operand.kind === 'literal' && arg.operand.text.startsWith('-') && arg.operand.type === 'integer')
    giveUp('a cast of a negative number');
  return { kind: 'cast', type, arg };
}

function caseParts(node: Node, reading: Reading): readonly Expr[] {
  const subject = node.expr as Node | null;
  if (subject !== null && subject !== undefined) giveUp('CASE x');
  return nodes(node.args).flatMap((arm) => {
    const { cond, result } = only(arm, 'type', 'cond', 'result');
    return [...(cond === undefined ? [] : [exprOf(cond as Node, reading)]), exprOf(result as Node, reading)];
  });
}
