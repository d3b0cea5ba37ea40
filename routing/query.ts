/**
 * Our own small tree of a statement: only what routing decides on. Both parsers are turned into it (`parse` is the port), and
 * relations, pins, read-only and effects are worked out from it alone, so that two parsers cannot give two answers.
 *
 * Invariant: whatever a parser's tree holds and this one has no name for is kept as `other` with its parts, so that no function
 * call and no subquery is ever lost; only its meaning is.
 */
import type { FunctionName, Operand } from './facts.ts';

export interface Column {
  readonly kind: 'column';
  readonly schema?: string;
  /** What stands before the dot: an alias or a table's name. */
  readonly table?: string;
  readonly name: string;
}

export interface Call {
  readonly kind: 'call';
  readonly fn: FunctionName;
  readonly args: readonly Expr[];
}

export type Expr =
  | Column
  | Call
  | { readonly kind: 'value'; readonly operand: Operand }
  /** `type` is Postgres's internal name (int8, not bigint), undefined when it has a modifier or is an array. */
  | { readonly kind: 'cast'; readonly type: string | undefined; readonly arg: Expr }
  | { readonly kind: 'equal'; readonly left: Expr; readonly right: Expr }
  /** IN (list) and = ANY (ARRAY[list]). */
  | { readonly kind: 'in'; readonly left: Expr; readonly items: readonly Expr[] }
  | { readonly kind: 'and' | 'or' | 'row'; readonly args: readonly Expr[] }
  | { readonly kind: 'subquery'; readonly query: Query; readonly parts: readonly Expr[] }
  | { readonly kind: 'default' }
  | { readonly kind: 'other'; readonly parts: readonly Expr[] };

/** One query level with the WITH that stands before it. */
export interface Query {
  readonly ctes: readonly Cte[];
  readonly recursive: boolean;
  readonly body: Body;
}
export interface Cte {
  readonly name: string;
  readonly query: Query;
}

export type Body = Select | SetOperation | Values | Insert | Update | Delete | Merge;

export interface Select {
  readonly kind: 'select';
  readonly from: readonly FromItem[];
  readonly where?: Expr;
  readonly outputs: readonly Expr[];
  /** `*` or `t.*` among the outputs: positions are not known. */
  readonly star: boolean;
  /** There is a GROUP BY: grouping sets may turn any output into NULL. */
  readonly grouped: boolean;
  /** GROUP BY, HAVING, ORDER BY, LIMIT, DISTINCT ON, WINDOW. */
  readonly rest: readonly Expr[];
  /** FOR UPDATE, FOR SHARE and their kin. */
  readonly locking: boolean;
  readonly into?: Into;
}
export interface SetOperation {
  readonly kind: 'set';
  readonly arms: readonly Query[];
  readonly rest: readonly Expr[];
  readonly locking: boolean;
}
export interface Values {
  readonly kind: 'values';
  readonly rows: readonly (readonly Expr[])[];
  readonly rest: readonly Expr[];
}
export interface Insert {
  readonly kind: 'insert';
  readonly target: Table;
  /** undefined: no column list. An entry is undefined when only a part of the column is set. */
  readonly columns?: readonly (string | undefined)[];
  /** undefined: DEFAULT VALUES. */
  readonly source?: Query;
  /** Columns that ON CONFLICT DO UPDATE sets, and every expression of the clause. */
  readonly assigns: readonly string[];
  readonly conflict: readonly Expr[];
  readonly returning: readonly Expr[];
}
export interface Update {
  readonly kind: 'update';
  readonly target: Table;
  readonly assigns: readonly string[];
  readonly values: readonly Expr[];
  readonly from: readonly FromItem[];
  readonly where?: Expr;
  readonly returning: readonly Expr[];
}
export interface Delete {
  readonly kind: 'delete';
  readonly target: Table;
  readonly from: readonly FromItem[];
  readonly where?: Expr;
  readonly returning: readonly Expr[];
}
export interface Merge {
  readonly kind: 'merge';
  readonly target: Table;
  readonly source: FromItem;
  readonly assigns: readonly string[];
  /** The join condition and every expression of the WHEN clauses. */
  readonly parts: readonly Expr[];
  readonly returning: readonly Expr[];
}

/** Where SELECT INTO and CREATE TABLE AS put their rows. */
export interface Into {
  readonly schema?: string;
  readonly name: string;
  readonly temporary: boolean;
}

export type FromItem = Table | Derived | TableFunction | Join;

export interface Table {
  readonly kind: 'table';
  readonly schema?: string;
  readonly name: string;
  readonly alias?: string;
  /** `AS t (a, b)`: its columns have other names here. */
  readonly renamed: boolean;
  /** TABLESAMPLE's arguments. */
  readonly parts: readonly Expr[];
}
export interface Derived {
  readonly kind: 'derived';
  readonly query: Query;
  readonly alias?: string;
  readonly lateral: boolean;
}
export interface TableFunction {
  readonly kind: 'function';
  readonly parts: readonly Expr[];
  /** Its alias, else the function's own name. */
  readonly alias?: string;
}
export interface Join {
  readonly kind: 'join';
  readonly type: 'inner' | 'left' | 'right' | 'full';
  readonly left: FromItem;
  readonly right: FromItem;
  readonly on?: Expr;
  readonly using?: readonly string[];
  readonly natural: boolean;
  /** `(a JOIN b …) AS j` hides the names a and b. */
  readonly alias?: string;
  /** `JOIN b USING (k) AS u`: a name for the merged columns. */
  readonly usingAlias?: string;
}

/** A statement. Utility statements that need no tree (SET, BEGIN, DROP, …) are known by their words: see `utility`. */
export type Tree =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'explain'; readonly analyze: boolean; readonly inner: Tree }
  | { readonly kind: 'prepare'; readonly name: string; readonly inner: Tree }
  | { readonly kind: 'execute'; readonly name: string; readonly args: readonly Expr[] }
  | { readonly kind: 'declare'; readonly name: string; readonly hold: boolean; readonly inner: Tree }
  | {
      readonly kind: 'copy';
      readonly direction: 'in' | 'out' | 'server';
      /** Rows go into the table. */
      readonly into: boolean;
      readonly table?: Table;
      readonly inner?: Tree;
      readonly parts: readonly Expr[];
    }
  | {
      readonly kind: 'create_as';
      readonly into: Into;
      readonly what: 'table' | 'materialized view';
      /** False for WITH NO DATA. */
      readonly executed: boolean;
      readonly inner: Tree;
    }
  | { readonly kind: 'call'; readonly call: Expr }
  /** Anything else, with the expressions in it that run when it runs. */
  | { readonly kind: 'utility'; readonly parts: readonly Expr[] };

/** What a parser makes of one statement. */
export interface Parsed {
  readonly tree: Tree;
  /** Operators that it names, deduplicated, in order; a cast to a type that is not built in is listed as `::name`. */
  readonly operators: readonly string[];
}
