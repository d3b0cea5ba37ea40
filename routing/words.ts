/**
 * A statement's tokens read one after another: folded words, names, literals. What utility.ts and fallback.ts are written with.
 * It reads only what the scan has already cut, and gives undefined wherever the next token is not what was asked for.
 */
import { fold, type Scan, type Span, Token } from './scan.ts';

export interface Words {
  readonly scanned: Scan;
  /** Index of the next token. */
  at: number;
  readonly last: number;
}

export function wordsOf(scanned: Scan, span: Span): Words {
  return { scanned, at: span.first, last: span.last };
}

/** The next token is past the end. */
export function done(w: Words): boolean {
  return w.at >= w.last;
}

/** Text of token `index` as written; empty past the end. */
export function written(w: Words, index = w.at): string {
  return index < w.last ? w.scanned.text.slice(w.scanned.starts[index], w.scanned.ends[index]) : '';
}

export function kindAt(w: Words, index = w.at): number {
  return index < w.last ? w.scanned.kinds[index]! : 0;
}

/** The folded word at `index`, undefined when that token is not an unquoted word. */
export function wordAt(w: Words, index = w.at): string | undefined {
  return kindAt(w, index) === Token.word ? fold(written(w, index)) : undefined;
}

/** Takes the next word if it is one of these. */
export function take(w: Words, ...names: readonly string[]): string | undefined {
  const word = wordAt(w);
  if (word === undefined || !names.includes(word)) return undefined;
  w.at++;
  return word;
}

/** Takes a sequence of words, all or none. */
export function takeAll(w: Words, ...names: readonly string[]): boolean {
  for (let i = 0; i < names.length; i++) if (wordAt(w, w.at + i) !== names[i]) return false;
  w.at += names.length;
  return true;
}

/** Takes an operator or punctuation exactly as written. */
export function takeSymbol(w: Words, symbol: string): boolean {
  if (kindAt(w) === Token.word || written(w) !== symbol) return false;
  w.at++;
  return true;
}

/** Takes an identifier, quoted or not; undefined when there is none. U&"…" is not read. */
export function takeName(w: Words): string | undefined {
  const name = nameAt(w);
  if (name !== undefined) w.at++;
  return name;
}

/** The identifier at `index`. */
export function nameAt(w: Words, index = w.at): string | undefined {
  if (kindAt(w, index) === Token.word) return fold(written(w, index));
  if (kindAt(w, index) !== Token.quoted) return undefined;
  const quoted = written(w, index);
  return quoted.startsWith('"') ? quoted.slice(1, -1).replaceAll('""', '"') : undefined;
}

/** Takes `a.b.c`. */
export function takeQualified(w: Words): readonly string[] | undefined {
  const first = takeName(w);
  if (first === undefined) return undefined;
  const names = [first];
  while (kindAt(w) === Token.dot) {
    w.at++;
    const next = takeName(w);
    if (next === undefined) return undefined;
    names.push(next);
  }
  return names;
}

/** The value of a plain '…' string token; undefined for the kinds with escapes and for strings continued on another line. */
export function stringAt(w: Words, index = w.at): string | undefined {
  if (kindAt(w, index) !== Token.string) return undefined;
  const raw = written(w, index);
  if (!raw.startsWith("'")) return undefined;
  const content = raw.slice(1, -1);
  return /'(?!')/.test(content.replaceAll("''", '')) ? undefined : content.replaceAll("''", "'");
}

/** Passes over a parenthesis and all in it. */
export function skipParens(w: Words): boolean {
  if (kindAt(w) !== Token.open) return false;
  let depth = 0;
  while (!done(w)) {
    const kind = kindAt(w);
    w.at++;
    if (kind === Token.open) depth++;
    else if (kind === Token.close && --depth === 0) return true;
  }
  return false;
}
