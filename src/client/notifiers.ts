/**
 * Who notified: a NotificationResponse names the process of the server connection that NOTIFY ran on, and clients know each other by the ids of
 * BackendKeyData. A sender is named only where it is certain: since the listener has its own server connection, nobody else has said anything on
 * the sender's that can notify. Else the process stays named. What a listener has not heard yet may be of any time since it began to listen.
 */
import type { Server, ServerIdentity } from '../server/server.ts';
import type { Request } from './request.ts';

/** Server connections that are remembered before those that are closed are forgotten. */
const KEPT = 1024;

const keyOf = ({ host, port }: ServerIdentity, pid: number): string => `${host}:${port}:${pid}`;

export class Notifiers {
  readonly #servers = new Map<string, Server>();

  /** A request of the client with this id begins on a server; `complete`: all of it is known. */
  begins(request: Request, complete: boolean, server: Server, clientPid: number): void {
    if (server.talk.user === undefined) this.#remember(server);
    server.talk.begins(clientPid, server.talk.notifier === clientPid || (complete && isQuiet(request)));
  }

  /** The client that has notified from a process of the same Postgres as `beside`, the listener's own; undefined where that is not certain. */
  of(beside: Server, pid: number): number | undefined {
    const found = this.#servers.get(keyOf(beside.identity, pid));
    return found === undefined || found.closed || beside.talk.userSince <= found.talk.notifierSince ? undefined : found.talk.notifier;
  }

  #remember(server: Server): void {
    this.#servers.set(keyOf(server.identity, server.identity.pid), server);
    if (this.#servers.size <= KEPT) return;
    for (const [key, { closed }] of this.#servers) if (closed) this.#servers.delete(key);
  }
}

/** All of it are statements that run no code: it cannot notify. */
function isQuiet({ simpleShape, executedFrom }: Request): boolean {
  if (simpleShape !== undefined) return simpleShape.isQuietTalk;
  return executedFrom.length > 0 && executedFrom.every((prepared) => prepared?.shape.isQuietTalk === true);
}
