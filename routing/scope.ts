/**
 * Names at one query level, as Postgres resolves them: which table an alias means, whose column an unqualified name is, what a CTE
 * hides, what LATERAL can see. Where two answers are possible there is none, and nothing is proven from the name.
 */
import type { Place } from './equality.ts';
import type { Column, FromItem, Table } from './query.ts';

/** The names of one query level. */
export interface Scope {
  /** What a name before the dot means here; null when two things have that name. */
  readonly names: Map<string, Place | null>;
  readonly tables: Map<Table, Place>;
  /** Order in FROM of everything in it, because LATERAL sees only what stands before. */
  readonly order: Map<FromItem, number>;
  /** Columns that a USING has merged: whose column an unqualified name means; null when unknown. */
  readonly merged: Map<string, Place | null>;
  /** The place of an unqualified column; undefined when there is not exactly one thing in FROM, and that a table. */
  only: Place | undefined;
  /** Only things before this in FROM can be seen (inside a LATERAL item). */
  readonly limit: number;
  /** Where names are looked up next; what a subquery in FROM that is not LATERAL sees is `parent`. */
  readonly outer: Scope | undefined;
  readonly parent: Scope | undefined;
}

/** The names of the CTEs that can be seen. */
export interface Ctes {
  readonly names: ReadonlySet<string>;
  readonly outer: Ctes | undefined;
}

/** An empty level inside `outer`. */
export function newScope(outer: Scope | undefined, parent = outer): Scope {
  return { names: new Map(), tables: new Map(), order: new Map(), merged: new Map(), only: undefined, limit: Infinity, outer, parent };
}

/** True when the name means a CTE; a qualified one never does. */
export function isCte(ctes: Ctes | undefined, table: Table): boolean {
  if (table.schema !== undefined) return false;
  for (let at = ctes; at !== undefined; at = at.outer) if (at.names.has(table.name)) return true;
  return false;
}

/** Declares what an item of FROM brings: its name, its columns' owner, and what its USING merges. */
export function declare(scope: Scope, item: FromItem, ctes: Ctes | undefined): void {
  if (item.kind === 'join' && item.alias === undefined) {
    declare(scope, item.left, ctes);
    declare(scope, item.right, ctes);
    for (const column of item.using ?? []) {
      const place = provider(scope, item, column);
      scope.merged.set(column, scope.merged.get(column) === null || place === undefined ? null : place);
    }
    if (item.usingAlias !== undefined) setName(scope, item.usingAlias, null);
    return;
  }
  const index = scope.order.size;
  scope.order.set(item, index);
  const place = item.kind === 'table' && !isCte(ctes, item) ? placeOf(item, index) : undefined;
  if (place !== undefined && item.kind === 'table') scope.tables.set(item, place);
  const usable = place !== undefined && !hidesColumns(item) ? place : null;
  scope.only = index === 0 ? (usable ?? undefined) : undefined;
  const name = item.alias ?? (item.kind === 'table' ? item.name : undefined);
  if (name !== undefined) setName(scope, name, usable);
}

/** Its columns have other names here. */
export const hidesColumns = (item: FromItem): boolean => item.kind === 'table' && item.renamed;

function placeOf(table: Table, index: number): Place {
  return { index, ...(table.schema === undefined ? {} : { schema: table.schema }), name: table.name };
}

function setName(scope: Scope, name: string, place: Place | null): void {
  scope.names.set(name, scope.names.has(name) ? null : place);
}

/** Whose column a USING's merged column is: the preserved side's; null for FULL, where it is neither's. */
export function provider(scope: Scope, item: FromItem, column: string): Place | undefined {
  if (item.kind === 'table') return hidesColumns(item) ? undefined : scope.tables.get(item);
  if (item.kind !== 'join' || item.alias !== undefined || !item.using?.includes(column) || item.type === 'full') return undefined;
  return provider(scope, item.type === 'right' ? item.right : item.left, column);
}

/** Inner levels hide outer ones; a name that is found but not usable proves nothing. */
export function resolve(scope: Scope, column: Column): Place | undefined {
  if (column.table === undefined) {
    const merged = scope.merged.get(column.name);
    return seen(scope, merged === undefined ? scope.only : merged);
  }
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const place = at.names.get(column.table);
    if (place === undefined) continue;
    return column.schema === undefined || column.schema === place?.schema ? seen(at, place) : undefined;
  }
  return undefined;
}

function seen(scope: Scope, place: Place | null | undefined): Place | undefined {
  return place && place.index < scope.limit ? place : undefined;
}

/** The level as a LATERAL item of it sees it. */
export function before(scope: Scope, item: FromItem): Scope {
  return { ...scope, limit: scope.order.get(item) ?? 0 };
}
