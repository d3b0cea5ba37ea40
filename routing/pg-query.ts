/**
 * The adapter of `libpg-query`, Postgres's own grammar compiled to WebAssembly (version 18's): the only importer of that package.
 * Statements of its parse tree become ours; expressions are in pg-expressions.ts.
 *
 * A stack overflow inside the WebAssembly module leaves its memory in disorder for good, and it would then answer nonsense. So texts
 * that nest deeply never get here (`Scan.depth`), and after a fault that happens all the same the module is not trusted again.
 */
import { loadModule, parseSync } from 'libpg-query';
import type { ParseResult } from './parse.ts';
import { type Context, expr, exprs, field, type Json, list, partsOf, strings, text } from './pg-expressions.ts';
import type { Body, Cte, Expr, FromItem, Into, Parsed, Query, Select, Table, Tree } from './query.ts';
import type { Scan } from './scan.ts';

/** Faults of the module so far; it is not used after the first that may have hurt it. */
let broken = false;

/** Makes the WebAssembly module ready; needed once for each process before `parsePgQuery`. */
export async function loadPgQuery(): Promise<void> {
  await loadModule();
}

/** Parses the whole text. Never throws. */
export function parsePgQuery(scanned: Scan): ParseResult {
  if (broken) return { problem: 'the parser failed earlier and is off', readable: true };
  let stmts: readonly Json[];
  try {
    stmts = (parseSync(scanned.text) as unknown as { stmts?: readonly Json[] }).stmts ?? [];
  } catch (error) {
    // SqlError is the grammar's own; Error the package's. Anything else came out of the machine.
    broken = !(error instanceof Error) || (error.name !== 'SqlError' && error.name !== 'Error');
    return { problem: error instanceof RangeError ? 'it nests too deeply' : 'the parser cannot read it' };
  }
  if (stmts.length !== scanned.statements.length) return { problem: 'the parser and the lexer see different statements' };
  return { statements: stmts.map((stmt) => parsed(field(stmt, 'stmt') ?? {})) };
}

function parsed(stmt: Json): Parsed {
  const operators = new Set<string>();
  const context: Context = { operators, query: (kind, body) => queryOf(kind, body, context) };
  return { tree: treeOf(stmt, context), operators: [...operators] };
}

function treeOf(stmt: Json, context: Context): Tree {
  for (const kind in stmt) return statement(kind, stmt[kind] as Json, context);
  return { kind: 'utility', parts: [] };
}

function inner(body: Json, context: Context): Tree {
  return treeOf(field(body, 'query') ?? {}, context);
}

function statement(kind: string, body: Json, context: Context): Tree {
  switch (kind) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return { kind: 'query', query: queryOf(kind, body, context) };
    case 'ExplainStmt':
      return { kind: 'explain', analyze: list(body, 'options').some(isAnalyze), inner: inner(body, context) };
    case 'PrepareStmt':
      return { kind: 'prepare', name: text(body, 'name') ?? '', inner: inner(body, context) };
    case 'ExecuteStmt':
      return { kind: 'execute', name: text(body, 'name') ?? '', args: exprs(list(body, 'params'), context) };
    case 'DeclareCursorStmt': {
      const hold = (((body.options as number | undefined) ?? 0) & 0x20) !== 0; // CURSOR_OPT_HOLD
      return { kind: 'declare', name: text(body, 'portalname') ?? '', hold, inner: inner(body, context) };
    }
    case 'CopyStmt':
      return copy(body, context);
    case 'CreateTableAsStmt':
      return {
        kind: 'create_as',
        into: intoOf(field(body, 'into') ?? {}),
        what: body.objtype === 'OBJECT_MATVIEW' ? 'materialized view' : 'table',
        executed: field(body, 'into')?.skipData !== true,
        inner: inner(body, context),
      };
    case 'CallStmt':
      return { kind: 'call', call: expr({ FuncCall: field(body, 'funccall') ?? {} }, context) };
    // The other utility statements evaluate nothing that has calls, or nothing at all.
    case 'AlterTableStmt':
    case 'AlterDomainStmt':
    case 'IndexStmt':
      return { kind: 'utility', parts: partsOf(body, context) };
    default:
      return { kind: 'utility', parts: [] };
  }
}

function isAnalyze(option: Json): boolean {
  const definition = field(option, 'DefElem') ?? {};
  if (text(definition, 'defname')?.toLowerCase() !== 'analyze') return false;
  const arg = field(definition, 'arg');
  if (arg === undefined) return true;
  const said = text(field(arg, 'String') ?? {}, 'sval') ?? field(arg, 'Boolean')?.boolval ?? field(arg, 'Integer')?.ival;
  return (
    !/^(false|off|0|undefined)$/i.test(String(said)) || (arg.String === undefined && arg.Boolean === undefined && arg.Integer === undefined)
  );
}

function copy(body: Json, context: Context): Tree {
  const into = body.is_from === true;
  const elsewhere = body.is_program === true || body.filename !== undefined;
  const relation = field(body, 'relation');
  return {
    kind: 'copy',
    direction: elsewhere ? 'server' : into ? 'in' : 'out',
    into,
    ...(relation === undefined ? {} : { table: tableOf(relation) }),
    ...(body.query === undefined ? {} : { inner: inner(body, context) }),
    parts: body.whereClause === undefined ? [] : [expr(body.whereClause as Json, context)],
  };
}

// Queries

function queryOf(kind: string, body: Json, context: Context): Query {
  const clause = field(body, 'withClause');
  const ctes = clause === undefined ? [] : list(clause, 'ctes').map((node) => cteOf(field(node, 'CommonTableExpr') ?? {}, context));
  return { ctes, recursive: clause?.recursive === true, body: bodyOf(kind, body, context) };
}

function cteOf(body: Json, context: Context): Cte {
  const node = field(body, 'ctequery') ?? {};
  for (const kind in node) return { name: text(body, 'ctename') ?? '', query: queryOf(kind, node[kind] as Json, context) };
  return { name: text(body, 'ctename') ?? '', query: { ctes: [], recursive: false, body: { kind: 'values', rows: [], rest: [] } } };
}

function bodyOf(kind: string, body: Json, context: Context): Body {
  switch (kind) {
    case 'InsertStmt':
      return insert(body, context);
    case 'UpdateStmt': {
      const targets = list(body, 'targetList');
      return {
        kind: 'update',
        ...changed(body, 'fromClause', context),
        assigns: assigned(targets),
        values: [...exprs(targets, context), ...subscripts(targets, context)],
      };
    }
    case 'DeleteStmt':
      return { kind: 'delete', ...changed(body, 'usingClause', context) };
    case 'MergeStmt':
      return merge(body, context);
    default:
      return select(body, context);
  }
}

function select(body: Json, context: Context): Body {
  const rest = partsOf({ s: body.sortClause, o: body.limitOffset, c: body.limitCount }, context);
  const locking = body.lockingClause !== undefined;
  if (body.op !== 'SETOP_NONE' && body.op !== undefined) return { kind: 'set', arms: arms(body, context), rest, locking };
  const rows = list(body, 'valuesLists');
  if (rows.length > 0) return { kind: 'values', rows: rows.map((row) => exprs(list(field(row, 'List') ?? {}, 'items'), context)), rest };
  const targets = list(body, 'targetList');
  const into = field(body, 'intoClause');
  const plain: Select = {
    kind: 'select',
    from: list(body, 'fromClause').map((node) => fromItem(node, context)),
    ...(body.whereClause === undefined ? {} : { where: expr(body.whereClause as Json, context) }),
    outputs: exprs(targets, context),
    star: targets.some(isStar),
    grouped: body.groupClause !== undefined,
    rest: [...partsOf({ d: body.distinctClause, g: body.groupClause, h: body.havingClause, w: body.windowClause }, context), ...rest],
    locking,
    ...(into === undefined ? {} : { into: intoOf(into) }),
  };
  return plain;
}

function isStar(target: Json): boolean {
  const value = field(field(target, 'ResTarget') ?? {}, 'val') ?? {};
  const fields = list(field(value, 'ColumnRef') ?? {}, 'fields');
  const indirection = list(field(value, 'A_Indirection') ?? {}, 'indirection');
  return [...fields, ...indirection].some((f) => f.A_Star !== undefined);
}

/** The arms of UNION and its kin from left to right; a long chain is a deep tree to the left. */
function arms(body: Json, context: Context): readonly Query[] {
  const found: Query[] = [];
  let node = body;
  for (;;) {
    const left = field(node, 'larg') ?? {};
    found.push(queryOf('SelectStmt', field(node, 'rarg') ?? {}, context));
    const plain = ['withClause', 'sortClause', 'limitOffset', 'limitCount', 'lockingClause'].every((name) => left[name] === undefined);
    if (left.op === 'SETOP_NONE' || left.op === undefined || !plain) {
      found.push(queryOf('SelectStmt', left, context));
      return found.reverse();
    }
    node = left;
  }
}

function intoOf(clause: Json): Into {
  const rel = field(clause, 'rel') ?? {};
  const schema = text(rel, 'schemaname');
  const temporary = rel.relpersistence === 't' || (schema !== undefined && /^pg_temp(_\d+)?$/.test(schema));
  return { ...(schema === undefined ? {} : { schema }), name: text(rel, 'relname') ?? '', temporary };
}

function insert(body: Json, context: Context): Body {
  const cols = list(body, 'cols').map((node) => field(node, 'ResTarget') ?? {});
  const source = field(field(body, 'selectStmt') ?? {}, 'SelectStmt');
  const conflict = field(body, 'onConflictClause') ?? {};
  return {
    kind: 'insert',
    target: tableOf(field(body, 'relation') ?? {}),
    ...(cols.length === 0 ? {} : { columns: cols.map((col) => (col.indirection === undefined ? text(col, 'name') : undefined)) }),
    ...(source === undefined ? {} : { source: queryOf('SelectStmt', source, context) }),
    assigns: assigned(list(conflict, 'targetList')),
    conflict: partsOf(conflict, context),
    returning: returning(body, context),
  };
}

function returning(body: Json, context: Context): readonly Expr[] {
  return partsOf({ a: body.returningClause, b: body.returningList }, context);
}

function changed(body: Json, from: string, context: Context) {
  return {
    target: tableOf(field(body, 'relation') ?? {}),
    from: list(body, from).map((node) => fromItem(node, context)),
    ...(body.whereClause === undefined ? {} : { where: expr(body.whereClause as Json, context) }),
    returning: returning(body, context),
  };
}

function assigned(targets: readonly Json[]): readonly string[] {
  return targets.flatMap((node) => text(field(node, 'ResTarget') ?? {}, 'name') ?? []);
}

function subscripts(targets: readonly Json[], context: Context): readonly Expr[] {
  return targets.flatMap((node) => partsOf({ i: field(node, 'ResTarget')?.indirection }, context));
}

function merge(body: Json, context: Context): Body {
  const clauses = list(body, 'mergeWhenClauses').map((node) => field(node, 'MergeWhenClause') ?? {});
  const updates = clauses.filter((clause) => clause.commandType === 'CMD_UPDATE');
  return {
    kind: 'merge',
    target: tableOf(field(body, 'relation') ?? {}),
    source: fromItem(field(body, 'sourceRelation') ?? {}, context),
    assigns: updates.flatMap((clause) => assigned(list(clause, 'targetList'))),
    parts: partsOf({ j: body.joinCondition, w: body.mergeWhenClauses }, context),
    returning: returning(body, context),
  };
}

// FROM

function tableOf(body: Json, parts: readonly Expr[] = []): Table {
  const alias = field(body, 'alias');
  const schema = text(body, 'schemaname');
  return {
    kind: 'table',
    ...(schema === undefined ? {} : { schema }),
    name: text(body, 'relname') ?? '',
    ...aliasOf(body),
    renamed: alias !== undefined && list(alias, 'colnames').length > 0,
    parts,
  };
}

function aliasOf(body: Json): { readonly alias?: string } {
  const alias = text(field(body, 'alias') ?? {}, 'aliasname');
  return alias === undefined ? {} : { alias };
}

function fromItem(node: Json, context: Context): FromItem {
  const table = field(node, 'RangeVar');
  if (table !== undefined) return tableOf(table);
  const join = field(node, 'JoinExpr');
  if (join !== undefined) return joinOf(join, context);
  const derived = field(node, 'RangeSubselect');
  if (derived !== undefined) {
    const query = queryOf('SelectStmt', field(field(derived, 'subquery') ?? {}, 'SelectStmt') ?? {}, context);
    return { kind: 'derived', query, ...aliasOf(derived), lateral: derived.lateral === true };
  }
  const sample = field(node, 'RangeTableSample');
  const sampled = field(field(sample ?? {}, 'relation') ?? {}, 'RangeVar');
  if (sample !== undefined && sampled !== undefined) return tableOf(sampled, sampleParts(sample, context));
  return tableFunction(node, context);
}

function sampleParts(sample: Json, context: Context): readonly Expr[] {
  const method = strings(list(sample, 'method'));
  const args = partsOf({ a: sample.args, r: sample.repeatable }, context);
  const name = method[method.length - 1] ?? '';
  return [{ kind: 'call', fn: method.length > 1 ? { schema: method[method.length - 2]!, name } : { name }, args }];
}

function tableFunction(node: Json, context: Context): FromItem {
  const parts = partsOf(node, context);
  let body: Json = {};
  for (const kind in node) body = node[kind] as Json;
  const { alias } = aliasOf(body);
  const first = functionName(parts);
  const name = alias ?? first;
  return { kind: 'function', parts, ...(name === undefined ? {} : { alias: name }) };
}

function functionName(parts: readonly Expr[]): string | undefined {
  for (const part of parts) {
    if (part.kind === 'call') return part.fn.name;
    const name = part.kind === 'other' ? functionName(part.parts) : undefined;
    if (name !== undefined) return name;
  }
  return undefined;
}

function joinOf(body: Json, context: Context): FromItem {
  const types = { JOIN_LEFT: 'left', JOIN_RIGHT: 'right', JOIN_FULL: 'full' } as const;
  const using = list(body, 'usingClause');
  const usingAlias = text(field(body, 'join_using_alias') ?? {}, 'aliasname');
  return {
    kind: 'join',
    type: types[body.jointype as keyof typeof types] ?? 'inner',
    left: fromItem(field(body, 'larg') ?? {}, context),
    right: fromItem(field(body, 'rarg') ?? {}, context),
    ...(body.quals === undefined ? {} : { on: expr(body.quals as Json, context) }),
    ...(using.length === 0 ? {} : { using: strings(using) }),
    natural: body.isNatural === true,
    ...aliasOf(body),
    ...(usingAlias === undefined ? {} : { usingAlias }),
  };
}
