/**
 * The first of routing's two steps: text → Facts. Pure and without a cache (that is src's); it never throws, and its work is linear in
 * the text. Order: lexer; the commonest utility statements by their words alone; else a parser, whose trees are turned into facts;
 * else, when the parser cannot read the text or would take too long for it, the lexer's words and nothing claimed.
 */
import type { Facts, Statement } from './facts.ts';
import { statementsByWords } from './fallback.ts';
import type { ParserName } from './parse.ts';
import { loadPgQuery, parsePgQuery } from './pg-query.ts';
import type { Parsed } from './query.ts';
import { type Scan, type Span, scan } from './scan.ts';
import { parseSqlParser } from './sql-parser.ts';
import { treeStatement, unknownStatement, utilityStatement } from './statement.ts';
import { readUtility } from './utility.ts';

export type { ParserName } from './parse.ts';

export interface AnalyzeOptions {
  /**
   * Longer texts (UTF-16 code units) are not parsed: a parser takes about 0.25 µs for each, and nothing else runs meanwhile.
   * Default 65,536.
   */
  readonly maxParsedLength?: number;
  /** The session's standard_conforming_strings; default true. When it is off, a backslash in a plain string makes the text unreadable. */
  readonly standardConformingStrings?: boolean;
}

const MAX_PARSED_LENGTH = 65_536;
/** Parsers recurse; libpg-query's WebAssembly stack holds some three times this. */
const MAX_DEPTH = 1000;

/** Makes the parsers ready (WebAssembly starts asynchronously); call once before `analyze`, more often does no harm. */
export async function loadParsers(): Promise<void> {
  await loadPgQuery();
}

/** All that is true of the text on its own. Never throws; the result is deeply frozen. */
export function analyze(text: string, parser: ParserName = 'libpg-query', options: AnalyzeOptions = {}): Facts {
  const scanned = scan(text);
  if (options.standardConformingStrings === false && scanned.backslash) return frozen(misread(scanned));
  const { params } = scanned;
  try {
    return frozen({ ...read(scanned, parser, options), params });
  } catch {
    // A fault of ours must not become one of the client's.
    return frozen({ statements: statementsByWords(scanned, 'it could not be analyzed', false), understood: false, params });
  }
}

type Reading = Pick<Facts, 'statements' | 'understood'>;

/** Even where strings end is unknown: one statement of which nothing is said. */
function misread(scanned: Scan): Facts {
  const whole = { start: 0, end: scanned.text.length };
  const statement = unknownStatement(whole, 'other', 'a string with a backslash while standard_conforming_strings is off');
  return { statements: [{ ...statement, effects: [{ kind: 'opaque' }] }], understood: false, params: scanned.params };
}

function read(scanned: Scan, parser: ParserName, options: AnalyzeOptions): Reading {
  if (scanned.problem !== undefined) return notRead(scanned, `it has ${scanned.problem}`, false);
  const { statements } = scanned;
  if (statements.length === 0) return { statements: [], understood: true };
  if (statements.length === 1) {
    const utility = readUtility(scanned, statements[0]!);
    if (utility !== undefined && utility.outline !== true)
      return { statements: [utilityStatement(statements[0]!, utility)], understood: true };
  }
  const limit = options.maxParsedLength ?? MAX_PARSED_LENGTH;
  if (scanned.text.length > limit) return notRead(scanned, `it is longer than ${limit} characters`, true);
  if (scanned.depth > MAX_DEPTH) return notRead(scanned, 'it nests too deeply', true);
  const result = parser === 'libpg-query' ? parsePgQuery(scanned) : parseSqlParser(scanned);
  if ('problem' in result) return notRead(scanned, result.problem, result.readable === true);
  return { statements: statements.map((span, i) => oneStatement(scanned, span, result.statements[i])), understood: true };
}

function notRead(scanned: Scan, why: string, readable: boolean): Reading {
  return { statements: statementsByWords(scanned, why, readable), understood: false };
}

function oneStatement(scanned: Scan, span: Span, parsed: Parsed | undefined): Statement {
  if (parsed !== undefined && parsed.tree.kind !== 'utility') return treeStatement(span, parsed);
  const utility = readUtility(scanned, span);
  if (utility !== undefined) return utilityStatement(span, utility, parsed);
  return { ...unknownStatement(span, 'other', 'a kind of statement that is not known'), effects: [{ kind: 'ddl' }, { kind: 'opaque' }] };
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key in value) frozen(value[key]);
  }
  return value;
}
