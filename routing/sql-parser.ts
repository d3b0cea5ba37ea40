/**
 * The adapter of `node-sql-parser` (its Postgres grammar): the only importer of that package. It reads fewer statements, and its tree
 * drops or confuses things (a NATURAL join becomes an alias, 5::int8 a length, big integers lose digits). So three rules hold:
 * every node's fields must be among those known here; everything that was taken from the tree must be, word for word, everything
 * that stands in the text; and keywords whose tree is not to be trusted make it give up. Giving up is always right.
 * Statements without a query are left to their words (utility.ts).
 */
import sqlParser from 'node-sql-parser/build/postgresql.js';
import type { ParseResult } from './parse.ts';
import type { Parsed, Query } from './query.ts';
import type { Scan, Span } from './scan.ts';
import { GiveUp, type Node, type Reading } from './sql-expressions.ts';
import { sqlBody } from './sql-tree.ts';
import { textBag } from './sql-words.ts';
import { readUtility } from './utility.ts';

const parser = new sqlParser.Parser();

/** This parser takes some 10 µs for each token. */
const MAX_LENGTH = 16_384;

/** Parses statement by statement. Never throws. */
export function parseSqlParser(scanned: Scan): ParseResult {
  if (scanned.text.length > MAX_LENGTH) return { problem: `it is longer than ${MAX_LENGTH} characters`, readable: true };
  const statements: (Parsed | undefined)[] = [];
  for (const span of scanned.statements) {
    const utility = readUtility(scanned, span);
    const parsed = utility === undefined ? parseOne(scanned, span) : undefined;
    if (parsed === undefined && (utility === undefined || utility.evaluates === true)) return { problem: 'the parser cannot read it' };
    statements.push(parsed);
  }
  return { statements };
}

function parseOne(scanned: Scan, span: Span): Parsed | undefined {
  const bag = textBag(scanned, span);
  if (bag === undefined) return undefined;
  try {
    const tree = parser.astify(scanned.text.slice(span.start, span.end), { database: 'postgresql' }) as unknown;
    const reading: Reading = { operators: new Set(), words: [], query: (node) => queryOf(node, reading) };
    const query = queryOf((Array.isArray(tree) && tree.length === 1 ? tree[0] : tree) as Node, reading);
    return sameWords(bag, reading.words) ? { tree: { kind: 'query', query }, operators: [...reading.operators] } : undefined;
  } catch (error) {
    if (error instanceof GiveUp || (error instanceof Error && error.name !== 'TypeError')) return undefined;
    return undefined;
  }
}

function queryOf(node: Node, reading: Reading): Query {
  return sqlBody(node, reading);
}

function sameWords(text: readonly string[], tree: readonly string[]): boolean {
  if (text.length !== tree.length) return false;
  const left = [...text].sort();
  const right = [...tree].sort();
  return left.every((word, i) => word === right[i]);
}
