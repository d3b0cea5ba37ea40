/**
 * The leak sentinel: on a sampled share of releases the server is asked, although nothing is suspected, whether the session has left anything
 * in it. The client has its answer by then and waits for nothing; the server is nobody's until it has answered. What is found should not be
 * possible: the connection is closed, and the worker logs and counts it.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { CLEAN } from '../server/settings.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import { type Found, findings, lastRow, readAudit, sendAudit } from './audit.ts';
import type { SessionIdentity } from './identity.ts';
import type { Finding, Place } from './place.ts';
import type { SessionState } from './state.ts';

export interface Letting {
  readonly identity: Pick<SessionIdentity, 'database' | 'user'>;
  readonly place: Place;
  readonly state: Pick<SessionState, 'policy' | 'lastVerb'>;
}

const IDENTITY: ReadonlySet<string> = new Set(['role', 'session_authorization']);

/** Looks at a server that is clean as far as anybody knows, and gives it back; closes it when it is not. */
export function checkAndRelease(server: Server, letting: Letting): void {
  const { identity, place } = letting;
  const label = server.label ?? CLEAN;
  const hidden = place.learnt.hiddenCode(identity.database)?.settings ?? [];
  const names = [...new Set([...[...label.values.keys()].filter((name) => !IDENTITY.has(name)), ...hidden])];
  const row = lastRow();
  server.holder = undefined;
  server.unnamed = undefined;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (server.closed || outcome.status === 0) return;
      // It may have been refused (a statement_timeout, a setting that only others may see): that says nothing.
      const leaks = outcome.ok ? leaksIn(readAudit(row.values(), server.identity.user), server, letting) : [];
      if (outcome.ok) place.leaksLookedFor(identity, server, leaks);
      if (leaks.length > 0) server.close('session state was left behind');
      else if (outcome.status === STATUS_IDLE) server.owner.release(server);
      else server.close('server left in a transaction');
    }, row.see),
  );
  sendAudit(server, names);
}

function leaksIn(found: Found, server: Server, { state, place }: Letting): Finding[] {
  const { label } = server;
  const { actions } = state.policy.state;
  const after = state.lastVerb;
  if (label === undefined) return findings({ ...found, settings: CLEAN.values }, CLEAN, actions).map((leak) => ({ ...leak, after }));
  const leaks = findings(found, label, actions);
  for (const name of label.values.keys()) {
    // Parameters of the user's own that are empty look like none.
    if (name.includes('.') || found.settings.has(name)) continue;
    const kind = IDENTITY.has(name) ? 'role' : 'settings';
    if (actions[kind] !== 'ignore') leaks.push({ kind, name });
  }
  const bare = !place.hasConnectQuery(server);
  const ours = ({ kind, name }: Pick<Finding, 'kind' | 'name'>): boolean => MADE_BY_CONNECT_QUERY.has(kind) && !label.values.has(name);
  return leaks.filter((leak) => bare || !ours(leak)).map((leak) => ({ ...leak, after }));
}

/** What a connect_query may have made, and nobody can tell from what a session did. */
const MADE_BY_CONNECT_QUERY: ReadonlySet<string> = new Set(['settings', 'role', 'temp', 'prepare', 'listen', 'slot']);
