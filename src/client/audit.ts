/**
 * The audit: one question to a server about what the session has left in it. Asked after statements that may have run code which no parser
 * sees (functions, DO, CALL, triggers), and when a pin may have ended. The answer is the truth: pins are made and ended by it.
 *
 * Parameters of the user's own (`app.x`) are in no catalog view: those that the database's functions name (`hidden-code.ts`) are asked for one
 * by one.
 */
import type { StateActions, StateKind } from '../../routing/index.ts';
import { InternalExchange } from '../server/exchange.ts';
import { NAME_PREFIX } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import { DATA_ROW } from '../wire/codes.ts';
import { utf8OfLatin1 } from '../wire/read.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';
import { ANYTHING, type HiddenCode, hiddenCodeFrames, readHiddenCode } from './hidden-code.ts';
import { AUDITED } from './pins.ts';
import type { Learnings } from './place.ts';
import { rowValues } from './rows.ts';

/** What a server was found to have: of each kind the name of one, as latin1, where there is any. */
export interface Found {
  readonly advisory: string | undefined;
  readonly temp: string | undefined;
  /** It has had something temporary: its temporary schema stays. */
  readonly tempSchema: boolean;
  readonly hold: string | undefined;
  readonly listen: string | undefined;
  readonly prepare: string | undefined;
  /** Names of prepared statements that are not ours, with digests of their texts. */
  readonly statements: ReadonlyMap<string, string>;
  readonly slot: string | undefined;
  /** Parameters that the session has set, as the server writes their values. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Parameters that every transaction begins with anew: no session keeps them, although pg_settings may say so. */
export const OF_TRANSACTIONS: ReadonlySet<string> = new Set(['transaction_isolation', 'transaction_read_only', 'transaction_deferrable']);

/** What `digestOf` makes of a text in ASCII. */
const DIGEST = "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(statement, pg_catalog.getdatabaseencoding())), 'hex')";

const QUESTION = `SELECT
  (SELECT CASE objsubid WHEN 1 THEN ((classid::pg_catalog.int8 << 32) | objid::pg_catalog.int8)::pg_catalog.text ELSE classid || ', ' || objid END
    FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() LIMIT 1),
  (SELECT pg_catalog.pg_describe_object(classid, objid, objsubid) FROM pg_catalog.pg_depend WHERE pg_catalog.pg_my_temp_schema() <> 0
    AND refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid = pg_catalog.pg_my_temp_schema() LIMIT 1),
  (SELECT name FROM pg_catalog.pg_cursors WHERE is_holdable LIMIT 1),
  (SELECT channel FROM pg_catalog.pg_listening_channels() channel LIMIT 1),
  (SELECT pg_catalog.string_agg(name || E'\\n' || ${DIGEST}, E'\\x01') FROM pg_catalog.pg_prepared_statements
    WHERE from_sql OR name NOT LIKE '${NAME_PREFIX}%'),
  (SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE temporary AND active_pid = pg_catalog.pg_backend_pid() LIMIT 1),
  pg_catalog.current_setting('role'), pg_catalog.current_setting('session_authorization'),
  (SELECT pg_catalog.string_agg(name || E'\\n' || pg_catalog.current_setting(name), E'\\x01') FROM pg_catalog.pg_settings WHERE source = 'session'),
  (SELECT pg_catalog.string_agg(name || E'\\n' || pg_catalog.current_setting(name, true), E'\\x01') FROM pg_catalog.unnest($1::pg_catalog.text[]) name),
  pg_catalog.pg_my_temp_schema() <> 0`;

/**
 * Asks one server, ending in Sync; `names`: parameters to ask for besides those that pg_settings shows. By the unnamed statement: a client may
 * look at the names of prepared statements, and must not find one of ours.
 */
export function sendAudit(server: Server, names: readonly string[]): void {
  const list = `{${names.map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
  server.send(Buffer.concat([parse('', QUESTION, []), bind('', '', [], [Buffer.from(list, 'latin1')]), execute('', 0), sync]));
}

/** `user`: who the server connection logged in as. */
export function readAudit(row: readonly (string | null)[], user: string): Found {
  const settings = new Map([...pairs(row[8]), ...pairs(row[9])]);
  const [role, authorization] = [row[6] ?? 'none', row[7] ?? user];
  if (role !== 'none') settings.set('role', role);
  if (authorization !== user) settings.set('session_authorization', authorization);
  const name = (i: number): string | undefined => row[i] ?? undefined;
  const statements = statementsIn(row[4]);
  const prepare = statements.keys().next().value;
  const tempSchema = row[10] === 't';
  return { advisory: name(0), temp: name(1), tempSchema, hold: name(2), listen: name(3), prepare, statements, slot: name(5), settings };
}

/** Which kind of state a parameter is. */
function kindOf(parameter: string): 'role' | 'settings' {
  return parameter === 'role' || parameter === 'session_authorization' ? 'role' : 'settings';
}

/** The parameters that were found, but for those of a kind that is ignored: they stay as they were believed to be. */
export function knownSettings({ settings }: Found, label: Label, actions: StateActions): ReadonlyMap<string, string> {
  if (actions.settings !== 'ignore' && actions.role !== 'ignore') return settings;
  const ignored = ([name]: [string, string]): boolean => actions[kindOf(name)] === 'ignore';
  return new Map([...[...label.values].filter(ignored), ...[...settings].filter((entry) => !ignored(entry))]);
}

/** What was found besides what the label says, of kinds that are not ignored. Names as text. */
export function findings(found: Found, label: Label, actions: StateActions): { readonly kind: StateKind; readonly name: string }[] {
  const all: { readonly kind: StateKind; readonly name: string }[] = [];
  for (const kind of AUDITED) if (found[kind] !== undefined) all.push({ kind, name: utf8OfLatin1(found[kind]) });
  for (const [name, value] of found.settings) if (label.values.get(name) !== value) all.push({ kind: kindOf(name), name });
  return all.filter(({ kind }) => actions[kind] !== 'ignore');
}

/** A parameter of the user's own that was rolled back, or never set, reads as empty or as nothing. */
function pairs(text: string | null | undefined): [string, string][] {
  const found: [string, string][] = [];
  for (const pair of (text ?? '').split('\x01')) {
    const at = pair.indexOf('\n');
    const name = pair.slice(0, at).toLowerCase();
    const value = pair.slice(at + 1);
    if (at > 0 && !(name.includes('.') && value === '') && !OF_TRANSACTIONS.has(name)) found.push([name, value]);
  }
  return found;
}

function statementsIn(text: string | null | undefined): ReadonlyMap<string, string> {
  if (text === null || text === undefined) return new Map();
  return new Map(text.split('\x01').map((pair) => [pair.slice(0, pair.indexOf('\n')), pair.slice(pair.indexOf('\n') + 1)]));
}

/** Remembers the last DataRow of an answer. */
export function lastRow(): { readonly see: (chunk: Buffer, start: number, end: number) => void; readonly values: () => (string | null)[] } {
  let values: (string | null)[] = [];
  const see = (chunk: Buffer, start: number, end: number): void => {
    if (chunk[start] === DATA_ROW) values = rowValues(chunk, start, end);
  };
  return { see, values: () => values };
}

/** Whom an audit is about, and which parameters are asked for besides those that all show. */
export interface Asked {
  readonly database: string;
  /** Who the server connection logged in as. */
  readonly serverUser: string;
  readonly learnt: Learnings;
  readonly settings: readonly string[];
}

/** Audits a server: `found` is told what it has, unless it refuses; `done` is told whether it is still there. */
export function audit(
  server: Server,
  asked: Asked,
  found: (found: Found, settings: ReadonlySet<string>, code: HiddenCode) => void,
  done: (ok: boolean) => void,
): void {
  const { learnt, database } = asked;
  server.unnamed = undefined;
  const known = learnt.hiddenCode(database);
  if (known !== undefined) return ask(server, asked, known, found, done);
  const row = lastRow();
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (outcome.status === 0) return done(false);
      // Not readable: then everything must be taken to be possible.
      const code: HiddenCode = outcome.ok ? readHiddenCode(row.values()) : ANYTHING;
      if (outcome.ok) learnt.learnHiddenCode(database, code);
      ask(server, asked, code, found, done);
    }, row.see),
  );
  server.send(hiddenCodeFrames);
}

function ask(
  server: Server,
  { settings, serverUser }: Asked,
  code: HiddenCode,
  found: (found: Found, settings: ReadonlySet<string>, code: HiddenCode) => void,
  done: (ok: boolean) => void,
): void {
  const names = new Set([...code.settings, ...settings]);
  const row = lastRow();
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (outcome.ok) found(readAudit(row.values(), serverUser), names, code);
      done(outcome.status !== 0);
    }, row.see),
  );
  sendAudit(server, [...names]);
}
