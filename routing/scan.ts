/**
 * One pass over a text with the exact lexical rules of PostgreSQL (src/backend/parser/scan.l): nested comments, every kind of
 * string and its continuation over a line end, dollar quotes, quoted identifiers, `$n`, operators. It splits statements at the
 * semicolons of the top level, finds the highest `$n`, and bounds how deeply the text can nest, so that no parser is given a text
 * that would exhaust its stack. It knows no grammar; `utility` and `fallback` read its tokens, `analyze` its spans.
 */

import {
  addLevels,
  closeParenthesis,
  endStatement,
  freshExpression,
  type Nesting,
  nestWord,
  noNesting,
  openLevel,
  operatorsIn,
} from './nesting.ts';
import { Tokens } from './tokens.ts';

/** Kinds of token. `word` is an unquoted identifier or keyword. */
export const Token = {
  word: 1,
  quoted: 2,
  string: 3,
  param: 4,
  number: 5,
  operator: 6,
  open: 7,
  close: 8,
  comma: 9,
  semicolon: 10,
  dot: 11,
  cast: 12,
} as const;

/** One statement: its span in the text (UTF-16 code units, without comments around it and without the semicolon) and its tokens `[first, last)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
}

export interface Scan {
  readonly text: string;
  readonly kinds: ArrayLike<number>;
  readonly starts: ArrayLike<number>;
  readonly ends: ArrayLike<number>;
  readonly statements: readonly Span[];
  /** Highest `$n`; 0 when there is none. */
  readonly params: number;
  /** No expression, subquery or join of the text nests deeper than this. */
  readonly depth: number;
  /** A plain '…' string contains a backslash: its meaning depends on standard_conforming_strings. */
  readonly backslash: boolean;
  /** What is wrong with the text as tokens, if anything: the server will refuse it. */
  readonly problem?: string;
}

const OPERATOR = charSet('~!@#^&|`?+-*/%<>=');
const SPACE = charSet(' \t\n\r\f\v');
const DIGIT = charSet('0123456789');
const IDENT_START = charSet('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_');

function charSet(chars: string): Uint8Array {
  const set = new Uint8Array(128);
  for (const c of chars) set[c.charCodeAt(0)] = 1;
  return set;
}
const inSet = (set: Uint8Array, c: number): boolean => c < 128 && set[c] === 1;
const isIdentStart = (c: number): boolean => c >= 128 || IDENT_START[c] === 1;
const isIdentPart = (c: number): boolean => c >= 128 || IDENT_START[c] === 1 || DIGIT[c] === 1 || c === 36;

const NOT_ASCII = /[^ -~]/;

/** Folds as Postgres folds unquoted names: ASCII letters only. */
export function fold(name: string): string {
  if (!/[A-Z]/.test(name)) return name;
  return NOT_ASCII.test(name) ? name.replace(/[A-Z]+/g, (s) => s.toLowerCase()) : name.toLowerCase();
}

interface State {
  readonly text: string;
  readonly tokens: Tokens;
  readonly spans: Span[];
  params: number;
  backslash: boolean;
  problem: string | undefined;
  /** Index of the current statement's first token. */
  first: number;
  parens: number;
  readonly nesting: Nesting;
  /** 0: not CREATE FUNCTION/PROCEDURE; else 1 + the number of open BEGIN ATOMIC and CASE. */
  routine: number;
}

/** Scans the text. Linear in its length; never throws. */
export function scan(text: string): Scan {
  const s: State = {
    text,
    tokens: new Tokens(text.length),
    spans: [],
    params: 0,
    backslash: false,
    problem: undefined,
    first: 0,
    parens: 0,
    nesting: noNesting(),
    routine: 0,
  };
  let i = 0;
  while (i < text.length && s.problem === undefined) i = step(s, i);
  finishStatement(s);
  return {
    text,
    kinds: s.tokens.kinds.subarray(0, s.tokens.count),
    starts: s.tokens.starts,
    ends: s.tokens.ends,
    statements: s.spans,
    params: s.params,
    depth: s.nesting.depth,
    backslash: s.backslash,
    ...(s.problem === undefined ? {} : { problem: s.problem }),
  };
}

/** Takes one token, comment or run of space at `i`; gives the place after it. */
function step(s: State, i: number): number {
  const { text } = s;
  const c = text.charCodeAt(i);
  if (inSet(SPACE, c)) return i + 1;
  if (isIdentStart(c)) return word(s, i, c);
  if (inSet(DIGIT, c)) return number(s, i);
  const next = text.charCodeAt(i + 1);
  switch (c) {
    case 39: // '
      return stringToken(s, i, i + 1, false, true);
    case 34: // "
      return quotedName(s, i, i + 1);
    case 36: // $
      return dollar(s, i, next);
    case 40: // (
    case 91: // [
      if (c === 40) s.parens++;
      s.tokens.push(Token.open, i, i + 1);
      openLevel(s.nesting, false);
      return i + 1;
    case 41: // )
    case 93: // ]
      if (c === 41 && s.parens > 0) s.parens--;
      s.tokens.push(Token.close, i, i + 1);
      closeParenthesis(s.nesting);
      return i + 1;
    case 44: // ,
      s.tokens.push(Token.comma, i, i + 1);
      freshExpression(s.nesting);
      return i + 1;
    case 59: // ;
      return semicolon(s, i);
    case 46: // .
      if (inSet(DIGIT, next)) return number(s, i);
      s.tokens.push(Token.dot, i, next === 46 ? i + 2 : i + 1);
      return next === 46 ? i + 2 : i + 1;
    case 58: // :
      if (next === 58) {
        s.tokens.push(Token.cast, i, i + 2);
        addLevels(s.nesting, 1);
        return i + 2;
      }
      s.tokens.push(Token.operator, i, next === 61 ? i + 2 : i + 1);
      return next === 61 ? i + 2 : i + 1;
  }
  if (c === 45 && next === 45) return lineEnd(text, i + 2);
  if (c === 47 && next === 42) return blockComment(s, i);
  if (inSet(OPERATOR, c)) return operator(s, i);
  s.problem = c === 0 ? 'a zero byte' : `the character ${JSON.stringify(text[i])}`;
  return i + 1;
}

function word(s: State, i: number, c: number): number {
  const { text } = s;
  const next = text.charCodeAt(i + 1);
  if (next === 39) {
    const letter = c | 32;
    if (letter === 101) return stringToken(s, i, i + 2, true, false); // E'…'
    if (letter === 98 || letter === 120) return stringToken(s, i, i + 2, false, false); // B'…' X'…'
    if (letter === 110) return stringToken(s, i, i + 2, false, true); // N'…'
  }
  if (next === 38 && (c | 32) === 117) {
    const quote = text.charCodeAt(i + 2);
    if (quote === 39) return stringToken(s, i, i + 3, false, true); // U&'…'
    if (quote === 34) return quotedName(s, i, i + 3);
  }
  let end = i + 1;
  while (end < text.length && isIdentPart(text.charCodeAt(end))) end++;
  s.tokens.push(Token.word, i, end);
  if (end - i <= 9) keyword(s, fold(text.slice(i, end)));
  return end;
}

function keyword(s: State, name: string): void {
  // After a dot or AS even a reserved word is a name.
  const before = s.tokens.count - 2;
  if (s.tokens.kinds[before] !== Token.dot && !tokenIs(s, before, 'as')) nestWord(s.nesting, name);
  if (s.routine > 0) atomicBody(s, name);
  else if ((name === 'function' || name === 'procedure') && createsRoutine(s)) s.routine = 1;
}

/** CREATE [OR REPLACE] FUNCTION|PROCEDURE: the only statements whose body may hold semicolons (BEGIN ATOMIC … END). */
function createsRoutine(s: State): boolean {
  const at = s.tokens.count - 1 - s.first;
  if (at !== 1 && at !== 3) return false;
  return tokenIs(s, s.first, 'create') && (at === 1 || (tokenIs(s, s.first + 1, 'or') && tokenIs(s, s.first + 2, 'replace')));
}

function atomicBody(s: State, name: string): void {
  if (s.parens > 0) return;
  if (name === 'atomic' && s.tokens.count > 1 && tokenIs(s, s.tokens.count - 2, 'begin')) s.routine++;
  else if (name === 'case' && s.routine > 1) s.routine++;
  else if (name === 'end' && s.routine > 1) s.routine--;
}

function tokenIs(s: State, index: number, name: string): boolean {
  return s.tokens.kinds[index] === Token.word && fold(s.text.slice(s.tokens.starts[index], s.tokens.ends[index])) === name;
}

function number(s: State, i: number): number {
  const { text } = s;
  let end = i;
  // Digits, a fraction, an exponent, 0x… and junk after it: where exactly a wrong number ends does not matter, its server refuses it.
  while (end < text.length) {
    const c = text.charCodeAt(end);
    if (c === 46) {
      if (text.charCodeAt(end + 1) === 46) break;
    } else if ((c === 43 || c === 45) && end > i && (text.charCodeAt(end - 1) | 32) === 101 && !/^0x/i.test(text.slice(i, i + 2))) {
      if (!inSet(DIGIT, text.charCodeAt(end + 1))) break;
    } else if (c === 36 || !isIdentPart(c)) break;
    end++;
  }
  s.tokens.push(Token.number, i, end);
  return end;
}

function dollar(s: State, i: number, next: number): number {
  const { text } = s;
  if (inSet(DIGIT, next)) {
    let end = i + 1;
    while (inSet(DIGIT, text.charCodeAt(end))) end++;
    s.tokens.push(Token.param, i, end);
    const index = Number(text.slice(i + 1, end));
    if (index > 65535) s.problem = 'a parameter number that is too large';
    else if (index > s.params) s.params = index;
    return end;
  }
  let tagEnd = i + 1;
  if (next !== 36) {
    if (!isIdentStart(next)) return illegal(s, i);
    while (tagEnd < text.length && text.charCodeAt(tagEnd) !== 36 && isIdentPart(text.charCodeAt(tagEnd))) tagEnd++;
    if (text.charCodeAt(tagEnd) !== 36) return illegal(s, i);
  }
  const tag = text.slice(i, tagEnd + 1);
  const close = text.indexOf(tag, tagEnd + 1);
  if (close < 0) return unterminated(s, 'dollar-quoted string');
  s.tokens.push(Token.string, i, close + tag.length);
  return close + tag.length;
}

function illegal(s: State, i: number): number {
  s.problem = `the character ${JSON.stringify(s.text[i])}`;
  return i + 1;
}

function unterminated(s: State, what: string): number {
  s.problem = `an unterminated ${what}`;
  return s.text.length;
}

/** A string from `i` whose content begins at `from`; the kinds with escapes keep them over a continuation on the next line. */
function stringToken(s: State, i: number, from: number, escapes: boolean, plain: boolean): number {
  const { text } = s;
  let at = from;
  for (;;) {
    const c = text.charCodeAt(at);
    if (at >= text.length) return unterminated(s, 'quoted string');
    if (c === 0) return unterminated(s, 'quoted string');
    if (c === 92) {
      if (plain) s.backslash = true;
      at += escapes ? 2 : 1;
    } else if (c !== 39) at++;
    else if (text.charCodeAt(at + 1) === 39) at += 2;
    else {
      const again = continuation(text, at + 1);
      if (again < 0) break;
      at = again;
    }
  }
  s.tokens.push(Token.string, i, at + 1);
  return at + 1;
}

/** Where the content goes on when a string is followed by white space with a line end in it and another quote, else -1. */
function continuation(text: string, from: number): number {
  let at = from;
  let newline = false;
  for (;;) {
    const c = text.charCodeAt(at);
    if (c === 10 || c === 13) newline = true;
    else if (c === 45 && text.charCodeAt(at + 1) === 45) {
      at = lineEnd(text, at + 2);
      continue;
    } else if (!inSet(SPACE, c)) return newline && c === 39 ? at + 1 : -1;
    at++;
    if (at > text.length) return -1;
  }
}

function quotedName(s: State, i: number, from: number): number {
  const { text } = s;
  let at = from;
  for (;;) {
    at = text.indexOf('"', at);
    if (at < 0) return unterminated(s, 'quoted identifier');
    if (text.charCodeAt(at + 1) !== 34) break;
    at += 2;
  }
  s.tokens.push(Token.quoted, i, at + 1);
  return at + 1;
}

function lineEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (c === 10 || c === 13) break;
    at++;
  }
  return at;
}

function blockComment(s: State, i: number): number {
  const { text } = s;
  let open = 1;
  let at = i + 2;
  while (open > 0) {
    const star = text.indexOf('*', at);
    if (star < 0) return unterminated(s, '/* comment');
    if (text.charCodeAt(star + 1) === 47) {
      open--;
      at = star + 2;
    } else if (star > at && text.charCodeAt(star - 1) === 47) {
      open++;
      at = star + 1;
    } else at = star + 1;
  }
  return at;
}

function operator(s: State, i: number): number {
  const { text } = s;
  let end = i;
  while (end < text.length && inSet(OPERATOR, text.charCodeAt(end))) {
    const c = text.charCodeAt(end);
    const next = text.charCodeAt(end + 1);
    if (end > i && ((c === 45 && next === 45) || (c === 47 && next === 42))) break;
    end++;
  }
  s.tokens.push(Token.operator, i, end);
  addLevels(s.nesting, operatorsIn(text.slice(i, end)));
  return end;
}

function semicolon(s: State, i: number): number {
  if (s.parens > 0 || s.routine > 1) s.tokens.push(Token.semicolon, i, i + 1);
  else {
    finishStatement(s);
    s.tokens.push(Token.semicolon, i, i + 1);
    s.first = s.tokens.count;
  }
  freshExpression(s.nesting);
  return i + 1;
}

function finishStatement(s: State): void {
  const last = s.tokens.count;
  if (last > s.first) {
    s.spans.push({ start: s.tokens.starts[s.first]!, end: s.tokens.ends[last - 1]!, first: s.first, last });
  }
  s.routine = 0;
  s.parens = 0;
  endStatement(s.nesting);
}
