/**
 * What happens to a server when its session lets go of it in another state than it found it in: rolled back, made clean by DISCARD ALL and
 * given back, or closed where nothing undoes what the session did. A server that is not proven clean never reaches another client.
 */

import { CLOSE, STATUS_IDLE } from '../wire/codes.ts';
import { ofStatement, query, sync } from '../wire/write.ts';
import { InternalExchange } from './exchange.ts';
import type { Server } from './server.ts';
import { CLEAN } from './settings.ts';

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
      server.label = server.base.size === 0 ? CLEAN : undefined;
      server.prepared.clear();
      server.sequenceUser = 'nobody';
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

/** Takes away the least recently used statements above the limit, behind what is under way; nothing waits for it but who asks to be told. */
export function trimPrepared(server: Server, limit: number, done: () => void = () => {}): void {
  const closes: Buffer[] = [];
  for (let old = server.prepared.excess(limit); old !== undefined; old = server.prepared.excess(limit)) {
    server.prepared.delete(old);
    closes.push(ofStatement(CLOSE, old.name));
  }
  if (closes.length === 0) return;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (!outcome.ok && !server.closed) server.close('prepared statements could not be closed');
      done();
    }),
  );
  server.send(Buffer.concat([...closes, sync]));
}

/** What the session that lets go has done to its server, and how its pool mode cleans. */
export interface Leaving {
  /** An exchange of the session is under way. */
  readonly busy: boolean;
  readonly pinned: boolean;
  readonly undoable: boolean;
  /** It set parameters in the open transaction, or in one that this one was chained to: those are there to stay. */
  readonly touched: boolean;
  /** The reset query that holds for it; undefined: none. */
  readonly resetQuery: string | undefined;
  /** Why the pooler ended the session; undefined when the client did. */
  readonly reason: string | undefined;
}

/** The session is over: its server is given back clean, or closed. */
export function letGo(server: Server | undefined, { busy, pinned, undoable, touched, resetQuery, reason }: Leaving): void {
  if (server === undefined || server.closed) return;
  server.holder = undefined;
  if (busy || server.pending > 0) return server.close(reason ?? 'client disconnect while server was not ready');
  if (touched) server.label = undefined;
  const cleaning = cleaningOf(server, pinned, undoable, resetQuery);
  server.resume();
  if (cleaning === undefined) return server.close('session state that nothing undoes');
  cleanAndRelease(server, cleaning);
}

/** Makes the server's open transaction fail, as any error would: it is given a statement that cannot be one. */
export function failTransaction(server: Server, done: (status: number) => void): void {
  server.unnamed = undefined;
  server.enqueue(new InternalExchange((_, outcome) => done(outcome.status)));
  server.send(query('shardyard refused a statement of this transaction'));
}
