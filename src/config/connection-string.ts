/**
 * Connection strings of [databases], [users], [peers] and [tables.*]: `key=value key='va''lue'`.
 * PgBouncer's rules (src/loader.c): split at blanks only, a quoted value doubles its quotes, no backslash, no empty value.
 */

export interface Pair {
  readonly key: string;
  readonly value: string;
  /**
   * False when an unquoted password stands before this pair: if that password has a blank in it, this pair is really its
   * end, so neither key nor value may be shown to anybody.
   */
  readonly showable: boolean;
}

export type PairsResult = { readonly pairs: readonly Pair[] } | { readonly problem: string };

const isBlank = (c: string): boolean => c === ' ' || c === '\t';

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && isBlank(text.charAt(at))) at++;
  return at;
}

function endOfWord(text: string, from: number, stop: string): number {
  let at = from;
  while (at < text.length && !isBlank(text.charAt(at)) && text.charAt(at) !== stop) at++;
  return at;
}

/** Value and position behind the closing quote; `from` is behind the opening one. Undefined when it never closes. */
function quotedValue(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  let value = '';
  for (let at = from; at < text.length; at++) {
    if (text.charAt(at) !== "'") value += text.charAt(at);
    else if (text.charAt(at + 1) === "'") value += text.charAt(at++);
    else return { value, end: at + 1 };
  }
  return undefined;
}

/** Splits a connection string. A problem's text never repeats the string: it may hold a password. */
export function parsePairs(text: string): PairsResult {
  const pairs: Pair[] = [];
  let showable = true;
  for (let at = skipBlanks(text, 0); at < text.length; at = skipBlanks(text, at)) {
    const place = pairs.length === 0 ? 'at its start' : `behind ${showable ? `"${pairs.at(-1)!.key}"` : 'the password'}`;
    const keyEnd = endOfWord(text, at, '=');
    const equals = skipBlanks(text, keyEnd);
    if (keyEnd === at || text.charAt(equals) !== '=')
      return { problem: `expected key=value ${place} (quote a value that has blanks in it: 'a b')` };
    const key = text.slice(at, keyEnd);
    const from = skipBlanks(text, equals + 1);
    const isQuoted = text.charAt(from) === "'";
    const end = endOfWord(text, from, '');
    const found = isQuoted ? quotedValue(text, from + 1) : { value: text.slice(from, end), end };
    if (found === undefined) return { problem: `a quoted value is not closed ${place}` };
    if (found.value === '') return { problem: `an empty value is not allowed ${place}` };
    pairs.push({ key, value: found.value, showable });
    if (key === 'password' && !isQuoted) showable = false;
    at = found.end;
  }
  return { pairs };
}
