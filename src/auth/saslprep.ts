/**
 * SASLprep (RFC 4013), as Postgres applies it to passwords before it derives SCRAM keys: both sides must arrive at the same bytes, so
 * Postgres's choices count where they differ from the RFC. It leaves pure ASCII alone, checks the mapped text *before* it is normalized,
 * and falls back to the password's own bytes whenever preparation is not possible (not UTF-8, prohibited, unassigned in Unicode 3.2).
 *
 * Rule: src/common/saslprep.c of Postgres; tables: `saslprep-tables.ts`.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import * as tables from './saslprep-tables.ts';

type CodePointSet = (code: number) => boolean;

/** Membership in a table of hexadecimal ranges, by binary search over their bounds. */
function codePoints(table: string): CodePointSet {
  const bounds = table.split(' ').flatMap((range) => {
    const [first = '', last = first] = range.split('-');
    return [Number.parseInt(first, 16), Number.parseInt(last, 16) + 1];
  });
  const starts = Uint32Array.from(bounds);
  return (code) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= code) low = middle + 1;
      else high = middle;
    }
    // Bounds alternate between the start of a range and the first code after it: inside means an odd number of bounds passed.
    return low % 2 === 1;
  };
}

const isOtherSpace = codePoints(tables.NON_ASCII_SPACES);
const isMappedToNothing = codePoints(tables.MAPPED_TO_NOTHING);
const isProhibited = codePoints(tables.PROHIBITED);
const isUnassigned = codePoints(tables.UNASSIGNED);
const isRightToLeft = codePoints(tables.RIGHT_TO_LEFT);
const isLeftToRight = codePoints(tables.LEFT_TO_RIGHT);

/** RFC 4013, 2.1. U+200B is in both tables; the space comes first, as in Postgres. */
function mapped(text: string): number[] {
  const codes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (isOtherSpace(code)) codes.push(0x20);
    else if (!isMappedToNothing(code)) codes.push(code);
  }
  return codes;
}

/** RFC 3454, 6: text with a right-to-left character begins and ends with one and has no left-to-right character. */
function isBidirectionallySound(codes: readonly number[]): boolean {
  if (!codes.some(isRightToLeft)) return true;
  return !codes.some(isLeftToRight) && isRightToLeft(codes[0]!) && isRightToLeft(codes.at(-1)!);
}

/**
 * The bytes from which SCRAM keys of `password` are derived: its SASLprep form in UTF-8, or `password` itself when it has none.
 * Never fails.
 */
export function saslprep(password: Buffer): Buffer {
  if (isAscii(password) || !isUtf8(password)) return password;
  const codes = mapped(password.toString('utf8'));
  if (codes.length === 0) return password;
  if (codes.some((code) => isProhibited(code) || isUnassigned(code))) return password;
  if (!isBidirectionallySound(codes)) return password;
  return Buffer.from(
    codes
      .map((code) => String.fromCodePoint(code))
      .join('')
      .normalize('NFKC'),
    'utf8',
  );
}
