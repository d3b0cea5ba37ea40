/**
 * What drivers send when a session goes back to their own pool (DISCARD ALL, RESET ALL, CLOSE ALL, UNLISTEN * and their like), answered
 * without a server. A session that holds no server has nothing on any: its settings are tracked, its statement names are its own, and what
 * it drew from sequences is marked. Forgetting these is all that the statements do.
 *
 * Answered here is only what is certain to the letter: a Query made of nothing but such statements, or one of them in the extended protocol,
 * from Parse or Bind to Sync. All else goes to a server.
 */
import { changedParameters, type Reported } from '../server/reported.ts';
import * as code from '../wire/codes.ts';
import { boundParameters } from '../wire/read.ts';
import { commandComplete, dataRow, readyForQuery, rowDescription } from '../wire/write.ts';
import { formOf } from './form.ts';
import { type LocalAnswer, localAnswer, onlyText } from './local.ts';
import type { Request } from './request.ts';
import type { SessionState } from './state.ts';

/** What a statement takes from the session. */
type Takes = 'all' | 'settings' | 'identity' | 'names' | 'sequences' | 'nothing';

interface Forgetting {
  readonly tag: string;
  readonly takes: Takes;
  /** The statement's one row, before its tag. */
  readonly row?: Buffer;
}

const VOID_TYPE = 2278;
const UNLOCKED = Buffer.concat([rowDescription([{ name: 'pg_advisory_unlock_all', typeOid: VOID_TYPE, typeSize: 4 }]), dataRow([''])]);

/** By the statement's words, upper-case. */
const FORGETTING: ReadonlyMap<string, Forgetting> = new Map<string, Forgetting>([
  ['DISCARD ALL', { tag: 'DISCARD ALL', takes: 'all' }],
  ['DISCARD TEMP', { tag: 'DISCARD TEMP', takes: 'nothing' }],
  ['DISCARD TEMPORARY', { tag: 'DISCARD TEMP', takes: 'nothing' }],
  ['DISCARD SEQUENCES', { tag: 'DISCARD SEQUENCES', takes: 'sequences' }],
  ['RESET ALL', { tag: 'RESET', takes: 'settings' }],
  ['RESET ROLE', { tag: 'RESET', takes: 'identity' }],
  ['RESET SESSION AUTHORIZATION', { tag: 'RESET', takes: 'identity' }],
  ['SET SESSION AUTHORIZATION DEFAULT', { tag: 'SET', takes: 'identity' }],
  ['CLOSE ALL', { tag: 'CLOSE CURSOR ALL', takes: 'nothing' }],
  ['UNLISTEN *', { tag: 'UNLISTEN', takes: 'nothing' }],
  ['DEALLOCATE ALL', { tag: 'DEALLOCATE ALL', takes: 'names' }],
  ['DEALLOCATE PREPARE ALL', { tag: 'DEALLOCATE ALL', takes: 'names' }],
  ['SELECT PG_ADVISORY_UNLOCK_ALL()', { tag: 'SELECT 1', takes: 'nothing', row: UNLOCKED }],
  ['SELECT PG_CATALOG.PG_ADVISORY_UNLOCK_ALL()', { tag: 'SELECT 1', takes: 'nothing', row: UNLOCKED }],
]);

/** Verbs that such statements have. */
const VERBS: ReadonlySet<string> = new Set(['discard', 'reset', 'set', 'close', 'unlisten', 'deallocate', 'select']);
/** Longer texts are none of these. */
const TEXT_LIMIT = 400;
/** Blanks to us may be letters to Postgres. */
const NOT_PLAIN = /[^\t\n\r -~]/;

/**
 * The answer to a request of a session that holds no server and is in no transaction, if it does nothing but forget; undefined: a server must
 * be asked. `reported`: what the client was told last. The session has forgotten when this returns.
 */
export function forgetHere(request: Request, state: SessionState, reported: Reported): LocalAnswer | undefined {
  const simple = request.simple !== undefined;
  const facts = simple ? request.simple : request.executed.length === 1 ? request.executed[0] : undefined;
  const first = facts?.statements[0];
  if (first === undefined || !VERBS.has(first.verb) || first.relations.length > 0) return undefined;
  // A SELECT is one of these only by its effect.
  if (first.verb === 'select' && first.effects[0]?.kind !== 'advisory_release') return undefined;
  if (!simple && (first.verb === 'select' || !isAlone(request, state))) return undefined;
  const statements = statementsOf(onlyText(request));
  if (statements === undefined || (!simple && statements.length > 1) || !isCertain(statements, state)) return undefined;
  const after = statements.some(({ takes }) => takes === 'all' || takes === 'settings') ? state.startReported : reported;
  const changes = changedParameters(reported, after);
  // In which order it reports several is the server's affair.
  if (changes.length > 0 && changes.readUInt32BE(1) + 1 < changes.length) return undefined;
  const answer = simple
    ? simpleAnswer(statements, changes, state)
    : localAnswer(request, state.names, statements[0]!.tag, code.STATUS_IDLE, changes);
  for (const { takes } of statements) forget(takes, state);
  return { frames: answer, status: code.STATUS_IDLE, reported: after };
}

function statementsOf(text: string): readonly Forgetting[] | undefined {
  if (text.length > TEXT_LIMIT || NOT_PLAIN.test(text)) return undefined;
  const found: Forgetting[] = [];
  for (const part of text.split(';')) {
    const words = part.trim().replace(/\s+/g, ' ').toUpperCase();
    if (words === '') continue;
    const forgetting = FORGETTING.get(words);
    if (forgetting === undefined) return undefined;
    found.push(forgetting);
  }
  return found.length === 0 ? undefined : found;
}

function isCertain(statements: readonly Forgetting[], state: SessionState): boolean {
  // In a Query of several statements DISCARD ALL is an error.
  if (statements.length > 1 && statements.some(({ takes }) => takes === 'all')) return false;
  // RESET ALL leaves the role, and what a client is told of itself then is the server's to say.
  if (statements.some(({ takes }) => takes === 'settings' || takes === 'identity') && state.settings.hasIdentity) return false;
  // A user's own function may come before the built-in one.
  const { label } = state;
  return !statements.some(({ row }) => row !== undefined) || label.values.get('search_path')?.includes('pg_catalog') !== true;
}

/** One statement of the extended protocol from its Bind to the Sync, perhaps with its Parse, where nothing can be wrong with any part. */
function isAlone({ items, bytes }: Request, { names }: SessionState): boolean {
  if (!/^T?S?BP?EC?\.$/.test(formOf(items))) return false;
  const bound = items.find(({ type }) => type === code.BIND)!;
  if (bound.prepared === undefined || bound.prepared.types.length > 0) return false;
  return items.every((item) => {
    switch (item.type) {
      case code.PARSE:
        return item.prepared === bound.prepared && item.name === bound.name && !names.named.has(item.name!) && !names.inSql.has(item.name!);
      case code.BIND:
        return bytes.readUInt16BE(item.rest!) <= 1 && boundParameters(bytes, item.rest!, item.end)?.length === 0;
      case code.DESCRIBE:
        return item.target === code.TARGET_PORTAL ? item.name === bound.portal : item.name === bound.name;
      case code.EXECUTE:
        return item.portal === bound.portal;
      case code.CLOSE:
        return item.name !== undefined;
      default:
        return true;
    }
  });
}

function simpleAnswer(statements: readonly Forgetting[], changes: Buffer, { names }: SessionState): Buffer {
  names.unnamed = undefined;
  const frames = statements.flatMap(({ tag, row }) => (row === undefined ? [commandComplete(tag)] : [row, commandComplete(tag)]));
  return Buffer.concat([...frames, changes, readyForQuery(code.STATUS_IDLE)]);
}

function forget(takes: Takes, state: SessionState): void {
  if (takes === 'all' || takes === 'settings') state.settings.backToStart();
  if (takes === 'all' || takes === 'names') state.names.forgetAll();
  if (takes === 'all' || takes === 'sequences') state.sequences.forget();
}
