/**
 * SET in all its forms: of a session, of a transaction, and the SQL spellings that set a parameter by another name (TIME ZONE, NAMES,
 * SCHEMA, ROLE, SESSION AUTHORIZATION, XML OPTION). A value is reported as `set_config` would take it.
 */
import { readModes, type Utility } from './clauses.ts';
import { settingEffect } from './effects.ts';
import type { Effect } from './facts.ts';
import { fold, Token } from './scan.ts';
import { done, kindAt, nameAt, stringAt, take, takeAll, takeQualified, takeSymbol, type Words, written } from './words.ts';

type Scope = 'set' | 'set_local';

/** Reads what follows SET. */
export function readSet(w: Words): Utility | undefined {
  if (takeAll(w, 'session', 'characteristics', 'as', 'transaction')) {
    const transaction = readModes(w);
    return transaction && { verb: 'set', effects: [{ kind: 'set_characteristics' }], transaction };
  }
  if (takeAll(w, 'constraints')) return constraints(w);
  if (takeAll(w, 'session', 'authorization')) return one(authorization(w, 'set'));
  const scope: Scope = take(w, 'session', 'local') === 'local' ? 'set_local' : 'set';
  if (takeAll(w, 'transaction')) return transactionModes(w);
  return one(setting(w, scope));
}

function one(effect: Effect | undefined): Utility | undefined {
  return effect && { verb: 'set', effects: [effect] };
}

/** Of the transaction only: nothing for the session to remember. */
function transactionModes(w: Words): Utility | undefined {
  if (takeAll(w, 'snapshot') && kindAt(w) === Token.string) {
    w.at++;
    return { verb: 'set', effects: [] };
  }
  const transaction = readModes(w);
  return transaction && { verb: 'set', effects: [], transaction };
}

function constraints(w: Words): Utility | undefined {
  const last = w.last - 1;
  if (written(w, last).toLowerCase() !== 'deferred' && written(w, last).toLowerCase() !== 'immediate') return undefined;
  w.at = w.last;
  return { verb: 'set', effects: [] };
}

function setting(w: Words, scope: Scope): Effect | undefined {
  if (takeAll(w, 'session', 'authorization')) return authorization(w, scope);
  if (takeAll(w, 'time', 'zone')) return timeZone(w, scope);
  if (wordIsAlone(w, 'role')) return role(w, scope);
  if (wordIsAlone(w, 'schema')) return searchPath(w, scope);
  if (wordIsAlone(w, 'names')) return names(w, scope);
  if (takeAll(w, 'xml', 'option')) {
    const value = take(w, 'document', 'content');
    return value === undefined ? undefined : { kind: scope, name: 'xmloption', value };
  }
  return parameter(w, scope);
}

/** `SET role x` and not `SET role = x`, which is an ordinary parameter. */
function wordIsAlone(w: Words, word: string): boolean {
  const next = written(w, w.at + 1).toLowerCase();
  if (next === '=' || next === 'to' || next === '.') return false;
  return takeAll(w, word);
}

function authorization(w: Words, scope: Scope): Effect | undefined {
  if (takeAll(w, 'default'))
    return scope === 'set_local' ? { kind: scope, name: 'session_authorization' } : { kind: 'set_session_authorization' };
  const value = takeNameOrString(w);
  return value && settingEffect({ kind: scope, name: 'session_authorization', ...value });
}

function role(w: Words, scope: Scope): Effect | undefined {
  const value = takeNameOrString(w);
  return value && settingEffect({ kind: scope, name: 'role', ...value });
}

function searchPath(w: Words, scope: Scope): Effect | undefined {
  if (kindAt(w) !== Token.string) return undefined;
  const value = stringAt(w);
  w.at++;
  return { kind: scope, name: 'search_path', ...(value === undefined ? {} : { value: quoteIdentifier(value) }) };
}

function names(w: Words, scope: Scope): Effect | undefined {
  if (done(w) || takeAll(w, 'default')) return cleared(scope, 'client_encoding');
  if (kindAt(w) !== Token.string) return undefined;
  const value = stringAt(w);
  w.at++;
  return { kind: scope, name: 'client_encoding', ...(value === undefined ? {} : { value }) };
}

function timeZone(w: Words, scope: Scope): Effect | undefined {
  if (take(w, 'local', 'default') !== undefined) return cleared(scope, 'timezone');
  if (take(w, 'interval') !== undefined) {
    w.at = w.last;
    return { kind: scope, name: 'timezone' };
  }
  const value = takeValue(w);
  return value && { kind: scope, name: 'timezone', ...value };
}

function cleared(scope: Scope, name: string): Effect {
  return scope === 'set' ? { kind: 'reset', name } : { kind: scope, name };
}

function parameter(w: Words, scope: Scope): Effect | undefined {
  const parts = takeQualified(w);
  if (parts === undefined) return undefined;
  const name = fold(parts.join('.'));
  if (takeAll(w, 'from', 'current')) return { kind: scope, name };
  if (!takeSymbol(w, '=') && take(w, 'to') === undefined) return undefined;
  if (takeAll(w, 'default')) {
    if (scope === 'set' && (name === 'role' || name === 'session_authorization')) return settingEffect({ kind: scope, name });
    return cleared(scope, name);
  }
  const values: (string | undefined)[] = [];
  do {
    const value = takeValue(w);
    if (value === undefined) return undefined;
    values.push(value.value);
  } while (takeSymbol(w, ','));
  return settingEffect({ kind: scope, name, ...flatten(name, values) });
}

/** Parameters whose list elements are identifiers. */
const QUOTED_LISTS: ReadonlySet<string> = new Set([
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
  'shared_preload_libraries',
  'unix_socket_directories',
]);

/** As Postgres's flatten_set_variable_args: identifiers quoted where needed, elements joined with a comma. */
function flatten(name: string, values: readonly (string | undefined)[]): { readonly value?: string } {
  if (values.some((value) => value === undefined)) return {};
  return { value: values.map((value) => (QUOTED_LISTS.has(name) ? quoteIdentifier(value!) : value!)).join(', ') };
}

function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function takeNameOrString(w: Words): { readonly value?: string } | undefined {
  const kind = kindAt(w);
  if (kind !== Token.word && kind !== Token.quoted && kind !== Token.string) return undefined;
  const value = kind === Token.string ? stringAt(w) : nameAt(w);
  w.at++;
  return value === undefined ? {} : { value };
}

function takeValue(w: Words): { readonly value?: string } | undefined {
  const sign = kindAt(w) === Token.operator && /^[+-]$/.test(written(w)) ? written(w) : '';
  if (kindAt(w, w.at + sign.length) === Token.number) {
    w.at += sign.length + 1;
    return { value: `${sign === '-' ? '-' : ''}${written(w, w.at - 1)}` };
  }
  return sign === '' ? takeNameOrString(w) : undefined;
}
