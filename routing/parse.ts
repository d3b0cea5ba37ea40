/**
 * The port to the SQL parsers: a text in, one small tree (query.ts) for each of its statements out, or the reason why not.
 * Two adapters stand behind it. `libpg-query` is Postgres's own grammar; `node-sql-parser` reads less, and says so rather than guess.
 */
import type { Parsed } from './query.ts';
import type { Scan } from './scan.ts';

/** The setting `sql_parser`. */
export type ParserName = 'libpg-query' | 'node-sql-parser';

/** A statement may be undefined: this parser leaves it to the words (utility.ts) or cannot tell. */
export type ParseResult =
  | { readonly statements: readonly (Parsed | undefined)[] }
  | { readonly problem: string /** Not refused, only spared: the statement may be well formed. */; readonly readable?: boolean };

/** A parser: never throws; gives as many statements as the scan has, or a problem. */
export type Parser = (scanned: Scan) => ParseResult;
