/**
 * The leak sentinel: on a sampled share of releases the server is asked, although nothing is suspected, whether the session has left anything
 * in it. The client has its answer by then and waits for nothing; the server is nobody's until it has answered. What is found should not be
 * possible: the connection is closed, and the worker logs and counts it.
 *
 * A parameter that reads otherwise than its label says need not be a leak: the label may have it in the client's words (`45678` for
 * `45678ms`), and parameters of the user's own may have a default that no view shows. So the server is made to compare: it sets each to what
 * the label says, or back to its default, for the length of one statement, and tells which were different.
 */
import { InternalExchange, type Outcome } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { CLEAN } from '../server/settings.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';
import { type Found, findings, lastRow, readAudit, sendAudit } from './audit.ts';
import type { SessionIdentity } from './identity.ts';
import type { Finding, Place } from './place.ts';
import { strangers } from './sql-prepared.ts';
import type { SessionState } from './state.ts';

export interface Letting {
  readonly identity: Pick<SessionIdentity, 'database' | 'user'>;
  readonly place: Place;
  readonly state: Pick<SessionState, 'policy' | 'lastVerb' | 'settings'>;
}

type Leak = Pick<Finding, 'kind' | 'name'>;

const IDENTITY: ReadonlySet<string> = new Set(['role', 'session_authorization']);
/** What a connect_query may have made, and nobody can tell from what a session did. */
const MADE_BY_CONNECT_QUERY: ReadonlySet<string> = new Set(['settings', 'role', 'temp', 'prepare', 'listen', 'slot']);

/** Looks at a server that is clean as far as anybody knows, and gives it back; closes it when it is not. */
export function checkAndRelease(server: Server, letting: Letting): void {
  const { identity, place } = letting;
  const hidden = place.learnt.hiddenCode(identity.database)?.settings ?? [];
  const labelled = [...(server.label ?? CLEAN).values.keys()].filter((name) => !IDENTITY.has(name));
  const row = lastRow();
  server.holder = undefined;
  server.unnamed = undefined;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (!answered(server, outcome)) return;
      const found = readAudit(row.values(), server.identity.user);
      const [prepare] = strangers(found.statements, server.prepared.sql, undefined);
      const [settings, leaks] = suspicions({ ...found, prepare }, server, letting);
      if (settings.length === 0) finish(server, letting, leaks);
      else compare(server, settings, (different) => finish(server, letting, [...leaks, ...different.map(asSetting)]));
    }, row.see),
  );
  sendAudit(server, [...new Set([...labelled, ...hidden])]);
}

const asSetting = (name: string): Leak => ({ kind: 'settings', name });

/** Whether the question was answered. Refused (by a statement_timeout, for a parameter that only others may see) it says nothing. */
function answered(server: Server, outcome: Outcome): boolean {
  if (server.closed || outcome.status === 0) return false;
  if (outcome.ok) return true;
  if (outcome.status === STATUS_IDLE) server.owner.release(server);
  else server.close('server left in a transaction');
  return false;
}

function finish(server: Server, { identity, place, state }: Letting, leaks: readonly Leak[]): void {
  place.leaksLookedFor(
    identity,
    server,
    leaks.map((leak) => ({ ...leak, after: state.lastVerb })),
  );
  if (leaks.length > 0) server.close('session state was left behind');
  else server.owner.release(server);
}

/** Parameters that must be compared, and what is a leak in any case. */
function suspicions(found: Found, server: Server, { state, place }: Letting): [string[], Leak[]] {
  const label = server.label ?? CLEAN;
  const { actions } = state.policy.state;
  const all = findings(found, label, actions);
  for (const name of label.values.keys())
    if (!found.settings.has(name) && actions[kindOf(name)] !== 'ignore') all.push({ kind: kindOf(name), name });
  const made = place.hasConnectQuery(server);
  const leaks = all.filter(({ kind, name }) => !(made && MADE_BY_CONNECT_QUERY.has(kind) && !label.values.has(name)));
  const settings = leaks.filter(({ kind }) => kind === 'settings').map(({ name }) => name);
  return [server.label === undefined ? [] : settings, leaks.filter(({ kind }) => kind !== 'settings')];
}

function kindOf(name: string): 'role' | 'settings' {
  return IDENTITY.has(name) ? 'role' : 'settings';
}

const COMPARE = `SELECT pg_catalog.string_agg(name, E'\\n') FROM (
  SELECT name, pg_catalog.current_setting(name, true) AS now, pg_catalog.set_config(name, value, true) AS should
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS asked(name, value)) AS settings
  WHERE coalesce(now, '') <> coalesce(should, '')`;

/** Asks which parameters are different from what the label says; closes the server when it does not say. */
function compare(server: Server, names: readonly string[], done: (different: readonly string[]) => void): void {
  const { values } = server.label ?? CLEAN;
  const list = (items: readonly (string | undefined)[]): Buffer =>
    Buffer.from(`{${items.map((item) => (item === undefined ? 'NULL' : `"${item.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`, 'latin1');
  const row = lastRow();
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (server.closed || outcome.status === 0) return;
      if (!outcome.ok) return server.close('session state could not be compared');
      done((row.values()[0] ?? '').split('\n').filter((name) => name !== ''));
    }, row.see),
  );
  const asked = [list(names), list(names.map((name) => values.get(name)))];
  server.send(Buffer.concat([parse('', COMPARE, []), bind('', '', [], asked), execute('', 0), sync]));
}
