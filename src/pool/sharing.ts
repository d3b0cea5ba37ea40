/**
 * The servers of one pool that carry the queries of several clients, one behind the other (DESIGN.md, "The one idea"). A server is here while
 * such queries are on it, and back among the idle ones when the last is answered, so that who needs a connection of his own still gets one.
 *
 * Nobody waits behind a slow statement: a server whose head takes too long is given no more, and what stands behind the head is told to go
 * elsewhere. That costs a second run, so it may happen for a small share of the queries only.
 */
import type { Reported } from '../server/reported.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import type { Clock } from '../timers.ts';

/** What a query that may be shared must find on a server: settings and reported parameters, but for application_name. */
export interface SharingWish {
  readonly label: Label;
  readonly reported: Reported;
}

/** Counted for each pool. */
export interface PipelineTally {
  /** Exchanges that shared a server, and those that had one of their own. */
  shared: number;
  exclusive: number;
  /** Asked again because the server was lost, because the head was slow, because of another client's cancel, because a plan was stale. */
  resentLost: number;
  resentSlow: number;
  resentCanceled: number;
  resentStale: number;
  /** Answers that nobody wanted any more. */
  wasted: number;
  maxDepth: number;
}

/** How long the head of a queue may take before those behind it go elsewhere, in milliseconds. */
const PATIENCE_MS = 25;
/** A server whose head takes so long is given nothing more. */
const DOUBT_MS = 8;
/** Second runs that each shared query allows, and how many may be saved up. */
const ALLOWANCE = 0.05;
const ALLOWANCE_LIMIT = 100;

/** May a query with this wish run on the server as it is? */
export function suits(server: Server, { label, reported }: SharingWish): boolean {
  return server.label?.nameless === label && server.reported.nameless === reported;
}

export class Sharing {
  readonly #servers = new Set<Server>();
  readonly #clock: Clock;
  /** Servers that could be had for those that leave a slow queue. */
  readonly #room: () => number;
  #watch: NodeJS.Timeout | undefined;
  #allowance = ALLOWANCE_LIMIT / 2;
  readonly tally: PipelineTally = {
    shared: 0,
    exclusive: 0,
    resentLost: 0,
    resentSlow: 0,
    resentCanceled: 0,
    resentStale: 0,
    wasted: 0,
    maxDepth: 0,
  };

  constructor(clock: Clock, room: () => number) {
    this.#clock = clock;
    this.#room = room;
  }

  get size(): number {
    return this.#servers.size;
  }

  /** Queries under way on them. */
  get depth(): number {
    let depth = 0;
    for (const server of this.#servers) depth += server.pending;
    return depth;
  }

  /** The server carries shared queries from now on. */
  add(server: Server): void {
    server.sharing = true;
    server.headSinceMs = this.#clock.nowMs();
    this.#servers.add(server);
    this.#watch ??= setInterval(() => this.#look(), PATIENCE_MS / 2).unref();
  }

  /** It does no longer. */
  delete(server: Server): void {
    server.sharing = false;
    this.#servers.delete(server);
  }

  /** The least loaded server for this wish that has room; `full`: there are such servers, but each has its `depth` of queries. */
  pick(wish: SharingWish, depth: number): Server | 'full' | undefined {
    let best: Server | undefined;
    let full = false;
    for (const server of this.#servers) {
      if (server.closeNeeded || server.paused || server.cancelsPending > 0 || !suits(server, wish)) continue;
      full = true;
      const { pending } = server;
      if (pending >= depth || (best !== undefined && best.pending <= pending)) continue;
      if (this.#clock.nowMs() - server.headSinceMs <= DOUBT_MS) best = server;
    }
    return best ?? (full ? 'full' : undefined);
  }

  /** A query joins a server's queue. */
  joined(server: Server): void {
    const { tally } = this;
    tally.shared += 1;
    if (server.pending > tally.maxDepth) tally.maxDepth = server.pending;
    this.#allowance = Math.min(ALLOWANCE_LIMIT, this.#allowance + ALLOWANCE);
  }

  /** Connections past their lifetime are given nothing more, and so come back to be closed. */
  retire(isOver: (server: Server) => boolean): void {
    for (const server of this.#servers) if (isOver(server)) server.closeNeeded = true;
  }

  #look(): void {
    if (this.#servers.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
      return;
    }
    const now = this.#clock.nowMs();
    for (const server of this.#servers) {
      if (server.pending < 2 || now - server.headSinceMs < PATIENCE_MS) continue;
      const most = Math.min(Math.floor(this.#allowance), this.#room());
      if (most <= 0) return;
      this.#allowance -= server.displace(most);
    }
  }

  stop(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }
}
