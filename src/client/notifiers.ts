/**
 * Who notified: a NotificationResponse names the process of the server connection that NOTIFY ran on, and clients know each other by the ids of
 * BackendKeyData. A sender is told only where it is certain: nobody else has had that server connection since. Else the process stays named.
 */
import type { Server } from '../server/server.ts';
import type { Request } from './request.ts';

/** Server connections that are remembered before those that are closed are forgotten. */
const KEPT = 1024;

const keyOf = ({ host, port }: Server['identity'], pid: number): string => `${host}:${port}:${pid}`;

export class Notifiers {
  readonly #servers = new Map<string, Server>();

  /** A request of the client with this id begins on a server. */
  begins(request: Request, server: Server, clientPid: number): void {
    if (server.notifier !== clientPid) server.notifier = undefined;
    if (!notifies(request)) return;
    server.notifier = clientPid;
    this.#servers.set(keyOf(server.identity, server.identity.pid), server);
    if (this.#servers.size <= KEPT) return;
    for (const [key, { closed }] of this.#servers) if (closed) this.#servers.delete(key);
  }

  /** The client that has notified from a process of the same Postgres as `beside`; undefined where that is not certain. */
  of(beside: Server, pid: number): number | undefined {
    const found = this.#servers.get(keyOf(beside.identity, pid));
    return found?.closed === false ? found.notifier : undefined;
  }
}

function notifies({ simpleShape, executedFrom }: Request): boolean {
  return simpleShape?.notifies === true || executedFrom.some((prepared) => prepared?.shape.notifies === true);
}
