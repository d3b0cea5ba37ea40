/**
 * Statements that are known by their words: transaction control, SET and its kin, cursors, LISTEN, DISCARD, and the outlines of
 * schema changes. Both parsers use it, because these statements hold no query; for the commonest of them no parser runs at all.
 * A statement that does not read to its end by these rules is not claimed: `undefined`, and whoever asked takes the safe road.
 */
import { readModes, readTables, type Utility } from './clauses.ts';
import type { Effect, Verb } from './facts.ts';
import { isHostSetting } from './functions.ts';
import { fold, type Scan, type Span, Token } from './scan.ts';
import { readSchemaChange } from './utility-schema.ts';
import { readSet } from './utility-set.ts';
import { done, kindAt, take, takeAll, takeName, takeQualified, takeSymbol, type Words, wordsOf } from './words.ts';

/** Reads a statement by its words; undefined when it is not a utility statement or not read to its end. */
export function readUtility(scanned: Scan, span: Span): Utility | undefined {
  const w = wordsOf(scanned, span);
  const verb = takeName(w);
  const reader = verb === undefined ? undefined : READERS.get(verb);
  if (reader === undefined || kindAt(w, span.first) !== Token.word) return undefined;
  const utility = reader(w);
  return utility !== undefined && done(w) ? utility : undefined;
}

type Reader = (w: Words) => Utility | undefined;

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['begin', (w) => begin(w)],
  ['start', (w) => (take(w, 'transaction') ? withModes(w, 'begin') : undefined)],
  ['commit', (w) => (takeAll(w, 'prepared') ? named(w, 'commit_prepared') : end(w, 'commit'))],
  ['end', (w) => end(w, 'commit')],
  ['abort', (w) => end(w, 'rollback')],
  ['rollback', (w) => rollback(w)],
  ['savepoint', (w) => (takeName(w) === undefined ? undefined : plain('savepoint'))],
  ['release', (w) => release(w)],
  ['prepare', (w) => (takeAll(w, 'transaction') ? named(w, 'prepare_transaction') : undefined)],
  ['set', readSet],
  ['reset', (w) => reset(w)],
  ['show', (w) => show(w)],
  ['listen', (w) => effectOfName(w, 'listen', 'listen')],
  [
    'unlisten',
    (w) => (takeSymbol(w, '*') ? { verb: 'unlisten', effects: [{ kind: 'unlisten' }] } : effectOfName(w, 'unlisten', 'unlisten')),
  ],
  ['notify', (w) => notify(w)],
  ['discard', (w) => discard(w)],
  ['deallocate', (w) => deallocate(w)],
  ['close', (w) => (take(w, 'all') ? { verb: 'close', effects: [{ kind: 'close' }] } : effectOfName(w, 'close', 'close'))],
  ['fetch', (w) => rest(w, 'fetch')],
  ['move', (w) => rest(w, 'fetch')],
  ['load', (w) => named(w, 'load', [{ kind: 'load' }])],
  ['do', (w) => rest(w, 'do', [{ kind: 'opaque' }])],
  ['lock', (w) => lock(w)],
  ['checkpoint', (w) => rest(w, 'maintenance')],
  ['vacuum', (w) => rest(w, 'maintenance')],
  ['analyze', (w) => rest(w, 'maintenance')],
  ['analyse', (w) => rest(w, 'maintenance')],
  ['cluster', (w) => rest(w, 'maintenance')],
  ['reindex', (w) => rest(w, 'maintenance')],
  ['refresh', (w) => rest(w, 'maintenance', [{ kind: 'ddl' }])],
  ['truncate', (w) => truncate(w)],
  ...['create', 'alter', 'drop', 'grant', 'revoke', 'comment', 'security', 'import', 'reassign'].map((verb): [string, Reader] => [
    verb,
    (w) => readSchemaChange(verb, w),
  ]),
]);

const NO_EFFECTS: readonly Effect[] = [];

function plain(verb: Verb, effects = NO_EFFECTS): Utility {
  return { verb, effects };
}

/** Takes everything that is left: the statement is known well enough by its first word. */
function rest(w: Words, verb: Verb, effects = NO_EFFECTS): Utility {
  w.at = w.last;
  return { verb, effects, outline: true };
}

/** A verb and one string: COMMIT PREPARED 'x', LOAD 'x'. */
function named(w: Words, verb: Verb, effects = NO_EFFECTS): Utility | undefined {
  if (kindAt(w) !== Token.string) return undefined;
  w.at++;
  return { verb, effects };
}

function effectOfName(w: Words, verb: Verb, kind: Effect['kind']): Utility | undefined {
  const name = takeName(w);
  return name === undefined ? undefined : { verb, effects: [{ kind, name }] };
}

// Transactions

function begin(w: Words): Utility | undefined {
  take(w, 'work', 'transaction');
  return withModes(w, 'begin');
}

function withModes(w: Words, verb: Verb): Utility | undefined {
  const transaction = readModes(w);
  if (transaction === undefined) return undefined;
  return { verb, effects: NO_EFFECTS, ...(Object.keys(transaction).length === 0 ? {} : { transaction }) };
}

function end(w: Words, verb: Verb): Utility | undefined {
  take(w, 'work', 'transaction');
  if (takeAll(w, 'and', 'chain')) return { verb, effects: NO_EFFECTS, transaction: { chain: true } };
  takeAll(w, 'and', 'no', 'chain');
  return plain(verb);
}

function rollback(w: Words): Utility | undefined {
  if (takeAll(w, 'prepared')) return named(w, 'rollback_prepared');
  const before = w.at;
  take(w, 'work', 'transaction');
  if (take(w, 'to') === undefined) {
    w.at = before;
    return end(w, 'rollback');
  }
  skipKeyword(w, 'savepoint');
  return takeName(w) === undefined ? undefined : plain('rollback_to');
}

function release(w: Words): Utility | undefined {
  skipKeyword(w, 'savepoint');
  return takeName(w) === undefined ? undefined : plain('release');
}

/** Takes an optional keyword that may also be the name itself (RELEASE savepoint). */
function skipKeyword(w: Words, keyword: string): void {
  if (w.at + 1 < w.last) take(w, keyword);
}

// The session

function reset(w: Words): Utility | undefined {
  if (takeAll(w, 'all')) return plain('reset', [{ kind: 'reset_all' }]);
  if (takeAll(w, 'session', 'authorization')) return plain('reset', [{ kind: 'set_session_authorization' }]);
  if (takeAll(w, 'time', 'zone')) return plain('reset', [{ kind: 'reset', name: 'timezone' }]);
  if (takeAll(w, 'transaction', 'isolation', 'level')) return plain('reset', [{ kind: 'reset', name: 'transaction_isolation' }]);
  const parts = takeQualified(w);
  if (parts === undefined) return undefined;
  const name = fold(parts.join('.'));
  if (name === 'role') return plain('reset', [{ kind: 'set_role' }]);
  if (name === 'session_authorization') return plain('reset', [{ kind: 'set_session_authorization' }]);
  return plain('reset', [{ kind: 'reset', name }]);
}

function show(w: Words): Utility | undefined {
  let name: string | undefined;
  if (takeAll(w, 'time', 'zone')) name = 'timezone';
  else if (takeAll(w, 'transaction', 'isolation', 'level')) name = 'transaction_isolation';
  else if (takeAll(w, 'session', 'authorization')) name = 'session_authorization';
  else name = takeQualified(w)?.join('.');
  return name === undefined ? undefined : { verb: 'show', effects: NO_EFFECTS, readOnly: !isHostSetting(name) };
}

function notify(w: Words): Utility | undefined {
  if (takeName(w) === undefined) return undefined;
  if (kindAt(w) === Token.comma && kindAt(w, w.at + 1) === Token.string) w.at += 2;
  return plain('notify');
}

function discard(w: Words): Utility | undefined {
  const what = take(w, 'all', 'temp', 'temporary', 'plans', 'sequences');
  if (what === undefined) return undefined;
  const kinds = {
    all: 'discard_all',
    temp: 'discard_temp',
    temporary: 'discard_temp',
    plans: 'discard_plans',
    sequences: 'discard_sequences',
  } as const;
  return plain('discard', [{ kind: kinds[what as keyof typeof kinds] }]);
}

function deallocate(w: Words): Utility | undefined {
  skipKeyword(w, 'prepare');
  if (takeAll(w, 'all')) return plain('deallocate', [{ kind: 'deallocate' }]);
  return effectOfName(w, 'deallocate', 'deallocate');
}

// Tables

function lock(w: Words): Utility | undefined {
  skipKeyword(w, 'table');
  const relations = readTables(w);
  if (relations === undefined) return undefined;
  w.at = w.last;
  return { verb: 'lock', effects: NO_EFFECTS, relations, outline: true };
}

function truncate(w: Words): Utility | undefined {
  skipKeyword(w, 'table');
  const relations = readTables(w);
  if (relations === undefined) return undefined;
  w.at = w.last;
  return { verb: 'other', effects: NO_EFFECTS, relations, outline: true };
}
