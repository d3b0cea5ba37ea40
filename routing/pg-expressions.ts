/**
 * Expressions of Postgres's own parse tree (as JSON) turned into ours. Each node is `{ NodeName: { fields } }`. What has no meaning
 * for routing becomes `other` by a walk over all its fields, so that a node added by a newer Postgres cannot hide a call.
 */

import type { Operand } from './facts.ts';
import { isBuiltInType } from './functions.ts';
import type { Expr, Query } from './query.ts';

export type Json = { readonly [field: string]: unknown };

/** What is gathered while one statement is turned, and the way from expressions back to queries. */
export interface Context {
  readonly operators: Set<string>;
  query(kind: string, body: Json): Query;
}

const NO_EXPRS: readonly Expr[] = [];
const OTHER: Expr = { kind: 'other', parts: NO_EXPRS };
const DEFAULT: Expr = { kind: 'default' };
const NULL: Expr = { kind: 'value', operand: { kind: 'null' } };

export const field = (node: Json, name: string): Json | undefined => node[name] as Json | undefined;
export const list = (node: Json, name: string): readonly Json[] => (node[name] as readonly Json[] | undefined) ?? [];
export const text = (node: Json, name: string): string | undefined => node[name] as string | undefined;

/** The strings of a qualified name: `[{String: {sval}}, …]`. */
export function strings(nodes: readonly Json[]): readonly string[] {
  return nodes.map((node) => text(field(node, 'String') ?? {}, 'sval') ?? '');
}

/** Every expression of a list; empty slots are left out. */
export function exprs(nodes: readonly Json[], context: Context): readonly Expr[] {
  return nodes.length === 0 ? NO_EXPRS : nodes.map((node) => expr(node, context));
}

/** One `{ NodeName: fields }`. */
export function expr(node: Json, context: Context): Expr {
  for (const kind in node) return byKind(kind, node[kind] as Json, context);
  return OTHER;
}

function byKind(kind: string, body: Json, context: Context): Expr {
  switch (kind) {
    case 'ColumnRef':
      return columnRef(body);
    case 'A_Const':
      return constant(body);
    case 'ParamRef':
      return { kind: 'value', operand: { kind: 'param', index: (body.number as number | undefined) ?? 0 } };
    case 'A_Expr':
      return operator(body, context);
    case 'BoolExpr':
      return boolean(body, context);
    case 'FuncCall':
      return call(body, context);
    case 'TypeCast':
      return cast(body, context);
    case 'SubLink':
      return subLink(body, context);
    case 'RowExpr':
      return { kind: 'row', args: exprs(list(body, 'args'), context) };
    case 'ResTarget':
      return body.val === undefined ? OTHER : expr(body.val as Json, context);
    case 'SetToDefault':
      return DEFAULT;
    case 'MultiAssignRef':
      // (a, b) = (SELECT …): the source is repeated for each column.
      return body.colno === 1 ? expr(field(body, 'source') ?? {}, context) : OTHER;
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return { kind: 'subquery', query: context.query(kind, body), parts: NO_EXPRS };
    case 'TypeName':
      noteType(body, context);
      return OTHER;
    case 'A_Indirection':
      for (const name of strings(list(body, 'indirection').filter((step) => step.String !== undefined))) context.operators.add(`.${name}`);
      break;
    case 'SortBy':
      noteOperator(strings(list(body, 'useOp')), context);
  }
  return { kind: 'other', parts: partsOf(body, context) };
}

/** All expressions among the fields of a node, however deep. */
export function partsOf(body: Json, context: Context): readonly Expr[] {
  const parts: Expr[] = [];
  collect(body, parts, context);
  return parts;
}

function collect(value: unknown, parts: Expr[], context: Context): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, parts, context);
    return;
  }
  for (const key in value) {
    const child = (value as Json)[key];
    if (typeof child !== 'object' || child === null) continue;
    const first = key.charCodeAt(0);
    if (first < 65 || first > 90) {
      if (key === 'typeName') noteType(child as Json, context);
      collect(child, parts, context);
    } else if (key !== 'String' && key !== 'Integer') parts.push(byKind(key, child as Json, context));
  }
}

function columnRef(body: Json): Expr {
  const fields = list(body, 'fields');
  if (fields.length > 3 || fields.some((f) => f.String === undefined)) return OTHER;
  const names = strings(fields);
  const name = names[names.length - 1]!;
  if (names.length === 1) return { kind: 'column', name };
  if (names.length === 2) return { kind: 'column', table: names[0]!, name };
  return { kind: 'column', schema: names[0]!, table: names[1]!, name };
}

function constant(body: Json): Expr {
  if (body.isnull === true) return NULL;
  return { kind: 'value', operand: literal(body) };
}

function literal(body: Json): Operand {
  const ival = field(body, 'ival');
  if (ival !== undefined) return { kind: 'literal', text: String(ival.ival ?? 0), type: 'integer' };
  const sval = field(body, 'sval');
  if (sval !== undefined) return { kind: 'literal', text: text(sval, 'sval') ?? '', type: 'string' };
  const boolval = field(body, 'boolval');
  if (boolval !== undefined) return { kind: 'literal', text: String(boolval.boolval ?? false), type: 'other' };
  const bits = field(body, 'bsval');
  if (bits !== undefined) return { kind: 'literal', text: text(bits, 'bsval') ?? '', type: 'other' };
  return number(text(field(body, 'fval') ?? {}, 'fval') ?? '');
}

/** A numeric constant as written: beyond 32 bits whole numbers come as text, in any of the bases. */
export function number(written: string): Operand {
  const whole = /^-?(\d+(_\d+)*|0[xX](_?[0-9a-fA-F]+)+|0[oO](_?[0-7]+)+|0[bB](_?[01]+)+)$/.test(written) && written.length < 100;
  if (!whole) return { kind: 'literal', text: written, type: 'other' };
  const negative = written.startsWith('-');
  const digits = written.slice(negative ? 1 : 0).replaceAll('_', '');
  const value = BigInt(digits);
  return { kind: 'literal', text: String(negative ? -value : value), type: 'integer' };
}

function boolean(body: Json, context: Context): Expr {
  const args = exprs(list(body, 'args'), context);
  if (body.boolop === 'AND_EXPR') return { kind: 'and', args };
  if (body.boolop === 'OR_EXPR') return { kind: 'or', args };
  return { kind: 'other', parts: args };
}

/** Notes an operator; true when it is Postgres's own `=`. */
function noteOperator(name: readonly string[], context: Context): boolean {
  if (name.length === 0) return false;
  const own = name.length === 1 || (name.length === 2 && name[0] === 'pg_catalog');
  const symbol = own ? name[name.length - 1]! : name.join('.');
  if (symbol.includes('BETWEEN')) context.operators.add('>=').add('<=');
  else context.operators.add(symbol);
  return symbol === '=';
}

function operator(body: Json, context: Context): Expr {
  const isEqual = noteOperator(strings(list(body, 'name')), context);
  const left = body.lexpr === undefined ? undefined : operand(body.lexpr as Json, context);
  const kind = body.kind;
  if (kind === 'AEXPR_IN' && left !== undefined) {
    const items = listItems(body.rexpr as Json, context);
    return isEqual ? { kind: 'in', left, items } : { kind: 'other', parts: [left, ...items] };
  }
  const right = body.rexpr === undefined ? undefined : operand(body.rexpr as Json, context);
  const parts = left === undefined ? (right === undefined ? NO_EXPRS : [right]) : right === undefined ? [left] : [left, right];
  if (!isEqual || left === undefined || right === undefined) return { kind: 'other', parts };
  if (kind === 'AEXPR_OP') return { kind: 'equal', left, right };
  if (kind === 'AEXPR_OP_ANY') {
    const items = arrayItems(body.rexpr as Json, right);
    if (items !== undefined) return { kind: 'in', left, items };
  }
  return { kind: 'other', parts };
}

function operand(node: Json, context: Context): Expr {
  return Array.isArray(node) ? { kind: 'other', parts: exprs(node as readonly Json[], context) } : expr(node, context);
}

function listItems(node: Json, context: Context): readonly Expr[] {
  return exprs(list(field(node, 'List') ?? {}, 'items'), context);
}

/** ARRAY[a, b], also with a cast to an array of a type: the cast is then each element's. `made` is what the node became. */
function arrayItems(node: Json, made: Expr): readonly Expr[] | undefined {
  if (node.A_ArrayExpr !== undefined) return made.kind === 'other' ? made.parts : undefined;
  const castTo = field(node, 'TypeCast');
  if (castTo === undefined || field(castTo, 'arg')?.A_ArrayExpr === undefined) return undefined;
  const typeName = field(castTo, 'typeName') ?? {};
  if (list(typeName, 'arrayBounds').length !== 1 || made.kind !== 'cast' || made.arg.kind !== 'other') return undefined;
  const type = typeOf({ ...typeName, arrayBounds: undefined });
  return made.arg.parts.map((arg) => ({ kind: 'cast', type, arg }));
}

function call(body: Json, context: Context): Expr {
  const names = strings(list(body, 'funcname'));
  const name = names[names.length - 1] ?? '';
  const args = [...exprs(list(body, 'args'), context)];
  collect(body.agg_order, args, context);
  collect(body.agg_filter, args, context);
  collect(body.over, args, context);
  return { kind: 'call', fn: names.length > 1 ? { schema: names[names.length - 2]!, name } : { name }, args };
}

function cast(body: Json, context: Context): Expr {
  const typeName = field(body, 'typeName') ?? {};
  noteType(typeName, context);
  const arg = expr(field(body, 'arg') ?? {}, context);
  return { kind: 'cast', type: typeOf(typeName), arg };
}

function typeOf(typeName: Json): string | undefined {
  if (list(typeName, 'typmods').length > 0 || list(typeName, 'arrayBounds').length > 0 || typeName.pct_type === true) return undefined;
  const names = strings(list(typeName, 'names'));
  const own = names.length === 1 || (names.length === 2 && names[0] === 'pg_catalog');
  return own ? names[names.length - 1] : undefined;
}

function noteType(typeName: Json, context: Context): void {
  const names = strings(list(typeName, 'names'));
  if (names.length === 0) return;
  const name = names[names.length - 1]!;
  const schema = names.length > 1 ? names[names.length - 2] : undefined;
  if (!isBuiltInType(schema, name)) context.operators.add(schema === undefined ? `::${name}` : `::${schema}.${name}`);
}

function subLink(body: Json, context: Context): Expr {
  const type = body.subLinkType;
  if (type === 'ANY_SUBLINK' || type === 'ALL_SUBLINK') {
    const name = strings(list(body, 'operName'));
    noteOperator(name.length === 0 ? ['='] : name, context);
  }
  const test = field(body, 'testexpr');
  const select = field(field(body, 'subselect') ?? {}, 'SelectStmt') ?? {};
  return { kind: 'subquery', query: context.query('SelectStmt', select), parts: test === undefined ? NO_EXPRS : [expr(test, context)] };
}
