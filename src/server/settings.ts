/**
 * Settings labels: which parameters a session has set and which a server connection carries. A label is interned, so that "the same
 * settings" is one comparison of references; what differs is replayed by an internal exchange in front of the client's.
 *
 * Replay runs in a transaction block of its own. If a part of it fails, the server is left in a failed block, and the client's statement
 * that follows in the same write cannot run with the wrong settings: it is refused (25P02) and the session sees the replay's error instead.
 * Values travel as bound parameters, never as SQL text, so that no value and no client encoding can turn into SQL.
 */
import { bind, execute, parse, sync } from '../wire/write.ts';
import type { Base } from './base.ts';
import { Interner, type Parameters } from './interned.ts';

/** An interned set of parameter values. Names are lower-case, and sorted. */
export type Label = Parameters;

const interned = new Interner(4096);

/** The label of a connection on which nothing was set. */
export const CLEAN: Label = interned.of(new Map());

/** The one label with exactly these values. */
export function intern(values: ReadonlyMap<string, string>): Label {
  return interned.of(new Map([...values].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Parameters that change who the session is come last: the others must be set by the login user, who may be the only one allowed to. */
const IDENTITY = ['session_authorization', 'role'];

const BEGIN = Buffer.concat([parse('', 'BEGIN ISOLATION LEVEL READ COMMITTED', []), bind('', '', [], []), execute('', 0)]);
const END = Buffer.concat([parse('', 'COMMIT', []), bind('', '', [], []), execute('', 0), sync]);

/** One statement of the extended protocol with text parameters; `null` stands for SQL's NULL. */
function statement(text: string, values: readonly (string | null)[]): Buffer {
  const types = values.map(() => 25);
  const bytes = values.map((value) => (value === null ? null : Buffer.from(value, 'latin1')));
  return Buffer.concat([parse('', text, types), bind('', '', [], bytes), execute('', 0)]);
}

function setConfig(changes: readonly (readonly [string, string | null])[]): Buffer {
  const calls = changes.map((_, i) => `pg_catalog.set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
  return statement(`SELECT ${calls.join(', ')}`, changes.flat());
}

/** What must change to come from one label, or from nothing, to the other; `null` means back to the default. */
function difference(from: Label | undefined, to: Label, base: Base): [string, string | null][] {
  const changes: [string, string | null][] = [];
  for (const name of from?.values.keys() ?? base.keys()) if (!to.values.has(name)) changes.push([name, base.get(name) ?? null]);
  for (const [name, value] of to.values) if (from?.values.get(name) !== value) changes.push([name, value]);
  return changes;
}

/** Whether `$1` is reset: not in the view are a user's own, which are empty then, and who the session is, of which it is never said. */
const IS_RESET = `coalesce((SELECT source <> 'session' FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = $1),
  coalesce(pg_catalog.current_setting($1, true), '') = '')`;

/** Frames that set parameters to values, some of them only where they are reset, ending in Sync. */
export function restoreFrames(values: readonly (readonly [string, string])[], ifReset: readonly (readonly [string, string])[]): Buffer {
  const conditional = ifReset.map((entry) => statement(`SELECT pg_catalog.set_config($1, $2, false) WHERE ${IS_RESET}`, entry));
  return Buffer.concat([...(values.length > 0 ? [setConfig(values)] : []), ...conditional, sync]);
}

/** Parameters whose value is a list of identifiers: a SET with one string would make one identifier of it. */
const QUOTED_LISTS = new Set(['search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries']);

/** One statement that sets a parameter, as text that means the same whatever standard_conforming_strings says. */
export function quoteSetting(name: string, value: string): string {
  const literal = (text: string): string => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  if (QUOTED_LISTS.has(name)) return `SELECT pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`;
  const quoted = name.split('.').map((part) => `"${part.replaceAll('"', '""')}"`);
  return `SET ${quoted.join('.')} TO ${literal(value)}`;
}

/** The label of a connection on which the identity is not to be trusted: a role may have been dropped, and made again, since it was set. */
export function withoutIdentity(label: Label): Label {
  if (!IDENTITY.some((name) => label.values.has(name))) return label;
  return intern(new Map([...label.values].filter(([name]) => !IDENTITY.includes(name))));
}

/** Statements that bring a connection from one label to another, without Sync; `from` undefined when what it carries is not known. */
export function changeFrames(from: Label | undefined, to: Label, base: Base): readonly Buffer[] {
  const frames: Buffer[] = [];
  if (from === undefined) {
    frames.push(statement('RESET SESSION AUTHORIZATION', []), statement('RESET ROLE', []), statement('RESET ALL', []));
  }
  const changes = difference(from, to, base);
  const identity = changes.filter(([name]) => IDENTITY.includes(name));
  if (identity.length > 0 && from !== undefined) {
    frames.push(statement('RESET SESSION AUTHORIZATION', []), statement('RESET ROLE', []));
  }
  // The encoding first: the bytes of all other values are in it.
  const encoding = changes.filter(([name]) => name === 'client_encoding');
  const others = changes.filter(([name]) => name !== 'client_encoding' && !IDENTITY.includes(name));
  if (encoding.length > 0) frames.push(setConfig(encoding));
  if (others.length > 0) frames.push(setConfig(others));
  for (const name of IDENTITY) {
    const value = to.values.get(name) ?? base.get(name);
    if (identity.length > 0 && value !== undefined) frames.push(setConfig([[name, value]]));
  }
  return frames;
}

/** The frames that bring a connection from one label to another, for good, ending in Sync. */
export function replayFrames(from: Label | undefined, to: Label, base: Base): Buffer {
  return Buffer.concat([BEGIN, ...changeFrames(from, to, base), END]);
}
