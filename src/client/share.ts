/**
 * A request that may share a server with those of other clients: which requests can (`sharableOf`), and how one is put into the queue of such a
 * server (`share`). What may be shared by its text is decided in routing; here it is about the form of the request: one query, all of it there,
 * with no name that others could see.
 */
import { sendBind } from '../relay/send-bind.ts';
import { type SharedClient, SharedExchange, type SharedForm } from '../relay/shared.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import type { Shape } from '../server/shape.ts';
import type { Clock } from '../timers.ts';
import * as code from '../wire/codes.ts';
import { frame, ofStatement, parseComplete } from '../wire/write.ts';
import type { Item, Request } from './request.ts';
import type { StatementNames } from './statements.ts';

/** What the request runs. */
export interface Sharable {
  readonly shape: Shape;
  /** Undefined for a Query. */
  readonly prepared: Prepared | undefined;
}

/** The one query of a request that could be shared by its form; undefined when it is of another form. The request is complete. */
export function sharableOf(request: Request): Sharable | undefined {
  const { items, simpleShape } = request;
  if (simpleShape !== undefined) return items.length === 1 ? { shape: simpleShape, prepared: undefined } : undefined;
  return items.at(-1)?.type === code.SYNC ? sharableItems(items) : undefined;
}

/** Parse of the unnamed statement (or none), Bind, Describe, Execute without a limit, Sync: all of one statement, by one name, and the unnamed portal. */
function sharableItems(items: readonly Item[]): Sharable | undefined {
  const name = items[0]!.name;
  let prepared: Prepared | undefined;
  let bound = false;
  let executed = false;
  for (let at = 0; at < items.length - 1; at += 1) {
    const item = items[at]!;
    if (executed) return undefined;
    switch (item.type) {
      case code.PARSE:
        if (at > 0 || item.name !== '') return undefined;
        prepared = item.prepared;
        break;
      case code.BIND:
        if (bound || item.portal !== '' || item.name !== name || (prepared !== undefined && item.prepared !== prepared)) return undefined;
        prepared = item.prepared;
        bound = true;
        break;
      case code.DESCRIBE:
        if (item.target === code.TARGET_STATEMENT) {
          if (item.name !== name || (prepared !== undefined && item.prepared !== prepared)) return undefined;
          prepared = item.prepared;
        } else if (item.name !== '' || !bound) return undefined;
        break;
      case code.EXECUTE:
        if (!bound || item.portal !== '' || item.limited === true) return undefined;
        executed = true;
        break;
      default:
        return undefined;
    }
    if (prepared === undefined) return undefined;
  }
  return executed && prepared !== undefined ? { shape: prepared.shape, prepared } : undefined;
}

export interface Share {
  readonly client: SharedClient;
  readonly request: Request;
  readonly names: StatementNames;
  readonly sharable: Sharable;
  /** Unnamed statements that were run before become statements of the server. */
  readonly autoPrepare: boolean;
  readonly clock: Clock;
}

/** The exchange stands in the server's queue, and its frames are on their way. */
export function share(server: Server, { client, request, names, sharable, autoPrepare, clock }: Share): SharedExchange {
  const { prepared } = sharable;
  const form = prepared === undefined ? sendQuery(server, request) : sendExtended(server, request, prepared, autoPrepare);
  if (prepared === undefined) names.unnamed = undefined;
  const exchange = new SharedExchange(client, form, clock);
  if (server.pending === 0) server.headSinceMs = clock.nowMs();
  server.enqueue(exchange);
  server.owner.joined(server);
  return exchange;
}

const PLAIN: SharedForm = { absorb: 0, prepared: false };
/** The unnamed statement is on the server, if nothing has gone wrong since. */
const LEFT_THERE: SharedForm = { absorb: 0, prepared: true };

function sendQuery(server: Server, request: Request): SharedForm {
  server.unnamed = undefined;
  server.send(request.bytes, 0, request.length);
  return PLAIN;
}

function sendExtended(server: Server, request: Request, prepared: Prepared, autoPrepare: boolean): SharedForm {
  const [{ name, type }] = request.items as [Item];
  if (name !== '' || (autoPrepare && prepared.shape.runs > 0 && !prepared.shape.noticed)) return sendNamed(server, request, prepared);
  // As it came; a Bind without its Parse finds the statement where the client left it, or it is brought along.
  const parses = type === code.PARSE;
  const brought = !parses && server.unnamed !== prepared;
  if (brought) server.send(frame(code.PARSE, [UNNAMED, prepared.body]));
  server.unnamed = prepared;
  server.send(request.bytes, 0, request.length);
  if (!parses && !brought) return LEFT_THERE;
  const parseRefused = (): void => {
    if (server.unnamed === prepared) server.unnamed = undefined;
  };
  return { absorb: brought ? 1 : 0, prepared: false, parseRefused };
}

const UNNAMED = Buffer.from([0]);

/** Under the name that the statement has on servers, which get it when they lack it. */
function sendNamed(server: Server, request: Request, prepared: Prepared): SharedForm {
  const { items } = request;
  const [{ name, type, end }] = items as [Item];
  const parses = type === code.PARSE;
  const has = server.prepared.use(prepared);
  if (!has) {
    server.prepared.add(prepared);
    server.send(frame(code.PARSE, [prepared.name, prepared.body]));
  }
  sendRenamed(server, request, prepared, parses ? end : 0);
  return {
    prefix: parses && has ? parseComplete : undefined,
    absorb: !parses && !has ? 1 : 0,
    prepared: has,
    parseRefused: has ? undefined : () => server.prepared.delete(prepared),
    parseNoticed: has ? undefined : () => prepared.shape.parseNoticed(),
    names: { ours: prepared.name, clients: name! },
  };
}

/** All that stands behind `from`, with the name on servers in place of the client's. */
function sendRenamed(server: Server, { items, bytes, length }: Request, prepared: Prepared, from: number): void {
  let sent = from;
  for (const item of items) {
    const describes = item.type === code.DESCRIBE && item.target === code.TARGET_STATEMENT;
    if (item.type !== code.BIND && !describes) continue;
    server.send(bytes, sent, item.start);
    if (describes) server.send(ofStatement(code.DESCRIBE, prepared.name));
    else sendBind(server, '', prepared.name, bytes, item.rest!, item.end);
    sent = item.end;
  }
  server.send(bytes, sent, length);
}
