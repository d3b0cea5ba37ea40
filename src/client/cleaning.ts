/**
 * What happens to a server when its session lets go of it in another state than it found it in: rolled back, made clean by DISCARD ALL and
 * given back, or closed where nothing undoes what the session did. A server that is not proven clean never reaches another client.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { CLEAN } from '../server/settings.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import { query } from '../wire/write.ts';

const DISCARD_ALL = /^\s*discard\s+all\s*;?\s*$/i;

/** Runs the queries one after another and gives the server back; closes it when one fails. */
export function cleanAndRelease(server: Server, queries: readonly string[]): void {
  server.holder = undefined;
  if (queries.length === 0) return server.owner.release(server);
  let left = queries.length;
  for (const text of queries) {
    server.enqueue(
      new InternalExchange((_, outcome) => {
        left -= 1;
        if (server.closed) return;
        if (!outcome.ok) return server.close('reset query failed');
        if (left > 0) return;
        if (outcome.status === STATUS_IDLE) server.owner.release(server);
        else server.close('server left in a transaction by its reset query');
      }),
    );
    server.send(query(text));
    server.unnamed = undefined;
    if (DISCARD_ALL.test(text)) {
      server.label = CLEAN;
      server.prepared.clear();
    } else if (text !== 'ROLLBACK') server.label = undefined;
  }
}

/** How a server must be cleaned before anyone else gets it; undefined: it cannot be, it is closed. */
export function cleaningOf(
  server: Server,
  pinned: boolean,
  undoable: boolean,
  resetQuery: string | undefined,
): readonly string[] | undefined {
  if (pinned && !undoable) return undefined;
  const queries = server.status === STATUS_IDLE ? [] : ['ROLLBACK'];
  if (pinned) return [...queries, 'DISCARD ALL'];
  if (resetQuery === undefined || resetQuery.trim() === '') return queries;
  // A reset query that we do not know may take prepared statements away: then none may be believed to be there.
  return DISCARD_ALL.test(resetQuery) ? [...queries, resetQuery] : [...queries, resetQuery, 'DISCARD ALL'];
}
