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
/** Behind a head that takes so long nobody is left, whatever it costs, as far as there is room elsewhere. */
const STUCK_MS = 200;
/** By the time that we hear of a change of definitions, what ran under it may be over: so long ago at most. */
const RECENT_MS = 1000;
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
  /** Some server is slow: who waits for it may need another. */
  readonly #stalled: () => void;
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

  constructor(clock: Clock, room: () => number, stalled: () => void) {
    this.#clock = clock;
    this.#room = room;
    this.#stalled = stalled;
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

  /**
   * The least loaded server for this wish that has room for one more, where `width` of them carry such queries; `full`: they do, but each has
   * its `depth` of them. Undefined: another server may join them.
   */
  pick(wish: SharingWish, width: number, depth: number): Server | 'full' | undefined {
    const best = this.best(wish, depth);
    return this.#fitting >= width ? (best ?? 'full') : undefined;
  }

  /** The least loaded server for this wish that has room for one more, however many there are. */
  best(wish: SharingWish, depth: number): Server | undefined {
    const now = this.#clock.nowMs();
    let best: Server | undefined;
    this.#fitting = 0;
    for (const server of this.#servers) {
      if (!suits(server, wish) || !this.#isOpen(server, now)) continue;
      this.#fitting += 1;
      const { pending } = server;
      if (pending >= depth || (best !== undefined && best.pending <= pending)) continue;
      if (now - server.headSinceMs <= DOUBT_MS) best = server;
    }
    return best;
  }
  /** Servers that the last look found to suit, with room or without. */
  #fitting = 0;

  /** Servers that can be given queries of a session with this label. */
  openFor(label: Label): number {
    const now = this.#clock.nowMs();
    let open = 0;
    for (const server of this.#servers) if (server.label?.nameless === label && this.#isOpen(server, now)) open += 1;
    return open;
  }

  /** Nothing keeps it from taking queries but what it has, for a moment. */
  #isOpen(server: Server, now: number): boolean {
    return !server.closeNeeded && !server.paused && server.cancelsPending === 0 && now - server.headSinceMs < PATIENCE_MS;
  }

  /** It carries shared queries, or did a moment ago. */
  isRecent(server: Server): boolean {
    return server.sharing || this.#clock.nowMs() - server.headSinceMs < RECENT_MS;
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
    let stalled = false;
    for (const server of [...this.#servers]) {
      const headMs = now - server.headSinceMs;
      if (headMs < PATIENCE_MS) continue;
      stalled = true;
      if (server.pending > 1) this.#hedge(server, headMs >= STUCK_MS);
    }
    if (stalled) this.#stalled();
  }

  #hedge(server: Server, free: boolean): void {
    const room = this.#room();
    const told = server.displace(free ? room : Math.min(Math.floor(this.#allowance), room));
    if (!free) this.#allowance -= told;
  }
}
