/**
 * What must be known of a server before a request is sent to it: that it has the names of SQL's PREPARE as the session does (`sql-bring.ts`), and
 * that statements of the protocol which it lacks would be there what the client knows (`known-results.ts`). Costs nothing where both are so.
 */
import type { Target } from '../../routing/index.ts';
import { bringAlone } from '../relay/bring.ts';
import { InternalExchange } from '../server/exchange.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { messageFields } from '../wire/read.ts';
import { frame, type MessageFields, ofStatement, sync } from '../wire/write.ts';
import type { Moment } from './known-results.ts';
import { whileAsked } from './phase.ts';
import type { Place } from './place.ts';
import { renewableFrom } from './renew.ts';
import type { Request } from './request.ts';
import { type Bringer, namesFirst } from './sql-bring.ts';
import { Described } from './sql-prepared.ts';

/** The session, as it waits for what a server says of its statements. */
export interface Asker extends Bringer {
  readonly identity: { readonly database: string };
  readonly place: Place;
  readonly status: number;
  /** Where the server is that the session holds. */
  readonly target: Target | undefined;
  /** The request can be sent. */
  settled(server: Server, target: Target): void;
  refuse(error: MessageFields): void;
}

/** All that must be settled on a server before the session's request is sent; true: the session is told when it is. */
export function settledFirst(session: Asker, server: Server, target: Target): boolean {
  const { named, sql } = session.state.names;
  if (named.size === 0 && sql.size === 0 && server.prepared.sql.size === 0) return false;
  const go = (): void => session.settled(server, target);
  const next = (): void => {
    if (!resultsFirst(session, server, go)) go();
  };
  return namesFirst(session, server, next) || resultsFirst(session, server, go);
}

export function momentOf({ place, state }: Pick<Asker, 'place' | 'state'>): Moment {
  return { generation: place.texts.generation, label: state.label, atMs: place.clock.nowMs() };
}

const NONE: ReadonlySet<Prepared> = new Set();

/** Statements of the request whose rows the client would misread, or whose parameters it would miswrite, were they other ones on this server. */
export function misleading(session: Pick<Asker, 'place' | 'state' | 'request' | 'status'>, server: Server): ReadonlySet<Prepared> {
  const { request, state } = session;
  const { results, named } = state.names;
  if (named.size === 0) return NONE;
  const found = new Set<Prepared>();
  for (const { type, name, prepared } of request.items) {
    if (type !== code.BIND || prepared === undefined || name === '' || request.gives(name!) || server.prepared.has(prepared)) continue;
    results.forgive(prepared);
    if (results.isDoubtful(prepared, momentOf(session))) found.add(prepared);
  }
  // In a transaction Postgres's error has its place, whichever server it is on.
  return found.size > 0 && session.status === code.STATUS_IDLE && isTold(request) ? NONE : found;
}

function isTold(request: Request): boolean {
  return (renewableFrom(request, 'bind') ?? renewableFrom(request, 'describe')) !== undefined;
}

function resultsFirst(session: Asker, server: Server, go: () => void): boolean {
  if (server.status === code.STATUS_FAILED) return false;
  const doubtful = misleading(session, server);
  if (doubtful.size === 0) return false;
  const waiting = whileAsked(server);
  session.enter(waiting);
  const done = (error: Buffer | undefined): void => {
    if (session.phase !== waiting) return;
    if (server.closed) return session.fail(errors.serverCrashed, 'prepared statements could not be looked at');
    // The client's transaction has failed with it.
    if (error !== undefined && server.status === code.STATUS_FAILED) return session.refuse(fieldsOf(error));
    go();
    session.inputWanted();
  };
  const ask = (): void => askAll(session, server, doubtful, done);
  if (session.target !== undefined) ask();
  else
    bringAlone(server, session.state.label, [], (ok) => {
      // What is wrong with the settings the client hears with its request.
      if (!ok) server.label = undefined;
      if (ok) ask();
      else done(undefined);
    });
  return true;
}

function fieldsOf(error: Buffer): MessageFields {
  const { sqlstate = 'XX000', message = '' } = messageFields(error, 0, error.length);
  return { severity: 'ERROR', sqlstate, message };
}

/** Prepares statements on a server that lacks them; those that are not what the client knows are taken away again. */
function askAll(session: Asker, server: Server, all: ReadonlySet<Prepared>, done: (error: Buffer | undefined) => void): void {
  const { place, identity, state } = session;
  const moment = momentOf(session);
  let [left, first] = [all.size, undefined as Buffer | undefined];
  for (const prepared of all) {
    const described = new Described();
    const answered = (ok: boolean, error: Buffer | undefined): void => {
      left -= 1;
      first ??= error;
      const news = state.names.results.isCurrent(prepared, moment);
      if (ok && !state.names.results.confirm(prepared, described, moment)) {
        server.prepared.delete(prepared);
        server.enqueue(new InternalExchange(() => {}));
        server.send(Buffer.concat([ofStatement(code.CLOSE, prepared.name), sync]));
        if (news) place.definitionsChanged(identity.database);
      } else if (!ok) server.prepared.delete(prepared);
      if (left === 0) done(first);
    };
    server.prepared.add(prepared);
    server.enqueue(new InternalExchange((_, { ok, error }) => answered(ok, error), described.see));
    const body = typedBody(prepared, state.names.results.types(prepared));
    const frames = [frame(code.PARSE, [prepared.name, body]), ofStatement(code.DESCRIBE, prepared.name), sync];
    server.send(Buffer.concat(frames));
  }
}

/** What follows the name in its Parse, with the types that its parameters had when the client was told: Postgres keeps them, too. */
function typedBody({ body }: Prepared, types: readonly number[]): Buffer {
  if (types.length === 0) return body;
  const declared = Buffer.alloc(2 + 4 * types.length);
  declared.writeUInt16BE(types.length, 0);
  types.forEach((type, i) => {
    declared.writeUInt32BE(type, 2 + 4 * i);
  });
  return Buffer.concat([body.subarray(0, body.indexOf(0) + 1), declared]);
}
