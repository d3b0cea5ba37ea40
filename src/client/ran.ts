/** What an exchange has executed, as the session's state looks at it: its statements, the texts that they came in, and what their verbs can do. */
import type { Facts } from '../../routing/index.ts';
import type { ClientExchange } from '../relay/exchange.ts';
import type { Prepared } from '../server/prepared.ts';
import { latin1, utf8OfLatin1 } from '../wire/read.ts';

/** A statement that was executed. */
export type Ran = Pick<
  Facts['statements'][number],
  'effects' | 'verb' | 'relations' | 'readOnly' | 'operators' | 'words' | 'fields' | 'start' | 'end'
>;

export const NOTHING: Ran = { effects: [], verb: 'other', relations: [], operators: [], readOnly: false, start: 0, end: 0 };
/** A function called by its number is not looked up: it may be any. */
export const FUNCTION_CALL: Ran = { ...NOTHING, verb: 'call', effects: [{ kind: 'opaque' }] };
/** A request that calls a function by its number. */
interface FunctionCall {
  readonly bytes: Buffer;
  readonly items: readonly { readonly start: number; readonly end: number }[];
}

const SET_CONFIG_OID = 2078;

/** What a function call stands for: set_config() is known by its number. */
export function textOfCall({ bytes, items }: FunctionCall): Origin {
  const { start, end } = items[0]!;
  return end - start >= 9 && bytes.readUInt32BE(start + 5) === SET_CONFIG_OID ? 'set_config' : undefined;
}

/** A statement that was prepared well enough cannot be used: somebody has changed a definition behind our back. */
export function isStale({ failed, sqlstate, owed }: ClientExchange): boolean {
  if (!failed || (owed?.refused !== 'bind' && owed?.refused !== 'describe')) return false;
  return sqlstate === '0A000' || sqlstate?.startsWith('42') === true;
}

const TEXT_CHARACTERS = 200;

/** What a statement came in: the text of its Query (latin1), or what was prepared. */
export type Origin = string | Pick<Prepared, 'body'> | undefined;

/** The whole text, as latin1. */
export function textOf(origin: Origin): string {
  if (origin === undefined || typeof origin === 'string') return origin ?? '';
  return latin1(origin.body, 0, origin.body.indexOf(0));
}

const LONG_TEXT = 64 * 1024;

/** The SQL to show for a statement; `span`: its place in the text, where that is known. */
export function textToShow(origin: Origin, span?: { readonly start: number; readonly end: number }): string {
  const text = textOf(origin);
  // Of a long one the beginning has to do: to find the place of a statement, all that is before it must be decoded.
  if (span === undefined || span.start > LONG_TEXT)
    return utf8OfLatin1(text.slice(0, 8 * TEXT_CHARACTERS))
      .trim()
      .slice(0, TEXT_CHARACTERS);
  const until = 4 * (span.start + 8 * TEXT_CHARACTERS);
  return utf8OfLatin1(text.slice(0, until)).slice(span.start, span.end).trim().slice(0, TEXT_CHARACTERS);
}

/** DDL that can take something temporary away, and whatever hides behind a comment or another statement. */
export const MAY_DROP = /^\s*(?:drop|reassign)\b|--|\/\*|;./is;
/** A block of code that may change definitions. */
export const MAY_DEFINE = /\b(?:create|alter|drop|execute)\b/i;

/** Kinds of statements that can draw from a sequence, or read what was drawn. What a cursor does, the statement that declared it does. */
export const MAY_DRAW: ReadonlySet<string> = new Set([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'copy',
  'explain',
  'execute',
  'call',
  'do',
  'declare',
  'fetch',
  'ddl',
  'maintenance',
  'other',
]);
