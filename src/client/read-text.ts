/**
 * From a statement's bytes to its Facts, whoever does it: the event loop for short texts, a thread of their own for long ones
 * (`reader.ts`). A text that is not plain ASCII from a client with an encoding in which a byte of a character can look like a quote or a
 * backslash is not analyzed at all.
 */
import { type AnalyzeOptions, analyze, type Facts, type ParserName } from '../../routing/index.ts';
import { utf8OfLatin1 } from '../wire/read.ts';

/** How a text must be read. */
export interface TextReading {
  /** client_encoding, upper-case. */
  readonly encoding: string;
  readonly standardConformingStrings: boolean;
}

/** Encodings in which the second byte of a character may be an ASCII one. */
const UNSAFE_ENCODINGS = new Set(['SJIS', 'SHIFT_JIS_2004', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB']);
// biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII is exactly this range
const ASCII = /^[\x00-\x7f]*$/;

/** Only ASCII characters: it means the same in each encoding. */
export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

function unread(why: string): Facts {
  return Object.freeze({
    understood: false,
    params: 0,
    statements: Object.freeze([
      Object.freeze({
        verb: 'other' as const,
        start: 0,
        end: 0,
        readOnly: false,
        relations: Object.freeze([]),
        functions: Object.freeze([]),
        operators: Object.freeze([]),
        effects: Object.freeze([{ kind: 'opaque' as const }]),
        opaque: why,
      }),
    ]),
  });
}

const NOT_READABLE = unread("the client's encoding hides the text");
/** Facts of a text that was never held whole. */
export const TOO_LARGE = unread('the statement is too large to be read');
/** Facts of a text whose reading came to no end. */
export const NOT_READ = unread('the statement could not be read');

/** Facts of a text that came as latin1, one character for each byte. */
export function readText(text: string, reading: TextReading, parser: ParserName, maxParsedLength?: number): Facts {
  const { encoding, standardConformingStrings } = reading;
  const options: AnalyzeOptions = { standardConformingStrings, ...(maxParsedLength === undefined ? {} : { maxParsedLength }) };
  if (isAscii(text)) return analyze(text, parser, options);
  if (UNSAFE_ENCODINGS.has(encoding)) return NOT_READABLE;
  return analyze(encoding === 'UTF8' ? utf8OfLatin1(text) : text, parser, options);
}
