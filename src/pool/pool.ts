/**
 * A pool: the servers of one (host list, database, user) and the waiters in front of it. The list a server is in is its state; counts are
 * lengths. First come, first served: who finds no free server waits in line, and a server that becomes free goes to the first.
 *
 *   opening → idle ⇄ active          opening: connecting and logging in
 *               ↘ testing ↗          testing: idle for so long that it is asked first (server_check_query)
 *   anything → closed                by the server, by age, by configuration, by a holder that left it unclean
 *
 * The pool does not know what an exchange is, nor what makes a server clean: whoever releases one answers for it.
 */
import type { ConnectFailure } from '../server/connect.ts';
import type { Server, ServerOwner } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import { Failing, isTold } from './failing.ts';
import type { BudgetMember } from './limits.ts';
import type { PoolParts, PoolPolicy, Waiter } from './parts.ts';
import { type PipelineTally, Sharing, type SharingWish, suits } from './sharing.ts';
import { Waiting } from './waiting.ts';

export class Pool implements ServerOwner, BudgetMember {
  readonly #parts: PoolParts;
  readonly #idle: Server[] = [];
  readonly #active = new Set<Server>();
  readonly #testing = new Set<Server>();
  readonly #cancelling = new Set<Server>();
  readonly #waiting = new Waiting();
  /** Those of the active ones that carry shared queries. */
  readonly #sharing: Sharing;
  #opening = 0;
  readonly #failing = new Failing();
  #paused: false | 'closing' | 'keeping' = false;
  #closed = false;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#sharing = new Sharing(
      parts.clock,
      () => this.#idle.length + Math.max(0, (parts.policy().poolSize || Number.POSITIVE_INFINITY) - this.size),
      () => this.#closedOne(),
    );
    for (const budget of parts.budgets) budget.join(this);
  }

  /** Every connection, in whatever state. */
  get size(): number {
    return this.#idle.length + this.#active.size + this.#testing.size + this.#cancelling.size + this.#opening;
  }

  counts() {
    return {
      idle: this.#idle.length,
      active: this.#active.size,
      testing: this.#testing.size,
      cancelling: this.#cancelling.size,
      opening: this.#opening,
      waiting: this.#waiting.size,
      sharing: this.#sharing.size,
      shared: this.#sharing.depth,
    };
  }

  get pipeline(): PipelineTally {
    return this.#sharing.tally;
  }

  /** How long the first in line has waited, in milliseconds. */
  maxWaitMs(): number {
    for (const waiter of this.#waiting) return this.#parts.clock.nowMs() - waiter.sinceMs;
    return 0;
  }

  *servers(): Generator<{ server: Server; state: 'idle' | 'active' | 'tested' | 'being_canceled' }> {
    for (const server of this.#idle) yield { server, state: 'idle' };
    for (const server of this.#active) yield { server, state: 'active' };
    for (const server of this.#testing) yield { server, state: 'tested' };
    for (const server of this.#cancelling) yield { server, state: 'being_canceled' };
  }

  waiters(): Iterable<Waiter> {
    return this.#waiting;
  }

  /** A server at once, or undefined: then the waiter is in line and will be called, or has been refused. */
  acquire(waiter: Waiter): Server | undefined {
    if (!this.#paused && this.#isNext(waiter)) {
      const server = this.#take(waiter);
      if (server !== undefined) return server;
    }
    if (!this.#paused && this.size === 0 && isTold(this.#recentFailure(), waiter)) return undefined;
    this.#waiting.add(waiter);
    this.#grow();
    return undefined;
  }

  /** Nobody is before it: those who wait for room on a shared server, while others are idle, are not before who needs one of its own. */
  #isNext({ sharing }: Waiter): boolean {
    return this.#waiting.size === 0 || (sharing === undefined && this.#idle.length > 0 && this.#waiting.alone === 0);
  }

  /** Leaves the line. */
  leave(waiter: Waiter): void {
    this.#waiting.delete(waiter);
  }

  #take(waiter: Waiter): Server | undefined {
    return waiter.sharing === undefined ? this.#takeAlone(waiter) : this.#takeShared(waiter, waiter.sharing);
  }

  #takeAlone(waiter: Waiter): Server | undefined {
    const server = this.#takeIdle(waiter);
    if (server === undefined) return undefined;
    this.#active.add(server);
    this.#sharing.tally.exclusive += 1;
    return server;
  }

  /** As many servers as the pipeline is wide take turns; a query that finds its settings on none of them gets a server of its own. */
  #takeShared(waiter: Waiter, wish: SharingWish): Server | undefined {
    const { pipelineWidth, pipelineDepth } = this.#parts.policy();
    const found = this.#sharing.pick(wish, pipelineWidth, pipelineDepth);
    if (found !== undefined) return found === 'full' ? undefined : found;
    const server = this.#takeIdle(waiter);
    if (server === undefined) return this.#sharing.best(wish, pipelineDepth);
    this.#active.add(server);
    if (suits(server, wish)) this.#sharing.add(server);
    else this.#sharing.tally.exclusive += 1;
    return server;
  }

  /** A query joins the queue of a server that it shares. */
  joined(server: Server): void {
    this.#sharing.joined(server);
  }

  /** Something that stood in the queue of a shared server is over: there is room for another, or the server is free. */
  sharedDone(server: Server): void {
    if (server.closed || !server.sharing) return;
    if (server.pending === 0) this.release(server);
    else this.#serve();
  }

  /** What is on its way, or was a moment ago, may have run code that nobody was asked about: those servers are used no more. */
  definitionsChanged(): void {
    for (const { server } of this.servers()) if (this.#sharing.isRecent(server)) server.closeNeeded = true;
    for (const server of [...this.#idle]) if (server.closeNeeded) server.close('a definition has changed');
  }

  /** Gives back a server that is clean and has nothing under way. */
  release(server: Server): void {
    this.#active.delete(server);
    this.#testing.delete(server);
    this.#cancelling.delete(server);
    this.#sharing.delete(server);
    server.holder = undefined;
    server.freeSinceMs = this.#parts.clock.nowMs();
    if (server.closed) return;
    if (server.cancelsPending > 0) {
      this.#cancelling.add(server);
      return;
    }
    const reason = this.#paused === 'closing' ? 'pause mode' : this.#closeReason(server);
    if (reason !== undefined) return server.close(reason);
    this.#idle.push(server);
    this.#justReleased = server;
    this.#serve();
    this.#justReleased = undefined;
  }
  /** It has just answered: nobody needs to ask whether it lives. */
  #justReleased: Server | undefined;

  /** A cancel request for this server is through. */
  cancelDone(server: Server): void {
    server.cancelsPending -= 1;
    if (server.cancelsPending === 0 && this.#cancelling.has(server)) this.release(server);
  }

  #closeReason(server: Server): string | undefined {
    if (server.closeNeeded || this.#closed) return 'database configuration changed';
    const age = server.freeSinceMs - server.identity.connectedAtMs;
    const { lifetimeMs } = this.#parts.policy();
    if (age > lifetimeMs && this.#waiting.size === 0) return 'server lifetime over';
    return undefined;
  }

  /** Servers go to those in line, in order, as far as there are any. */
  #serve(): void {
    if (this.#paused) return;
    for (const waiter of this.#waiting) {
      const server = this.#take(waiter);
      if (server === undefined) return this.#serveAlone();
      this.leave(waiter);
      waiter.granted(server);
    }
  }

  /** The first in line waits for room on a shared server; what is idle is for those that need one of their own. */
  #serveAlone(): void {
    if (this.#idle.length === 0 || this.#waiting.alone === 0) return;
    for (const waiter of this.#waiting) {
      if (waiter.sharing !== undefined) continue;
      const server = this.#takeAlone(waiter);
      if (server === undefined) return;
      this.leave(waiter);
      waiter.granted(server);
    }
  }

  /** Prefers a server whose settings are already those of the waiter; stale ones are asked first whether they live. */
  #takeIdle({ label, wants }: Waiter): Server | undefined {
    const policy = this.#parts.policy();
    while (this.#idle.length > 0) {
      const at = policy.roundRobin ? 0 : this.#pick(label, wants);
      const server = this.#idle[at]!;
      this.#idle.splice(at, 1);
      if (!this.#needsCheck(server, policy)) return server;
      this.#startCheck(server, policy.checkQuery!);
    }
    return undefined;
  }

  #pick(label: Label, wants: Server | undefined): number {
    const last = this.#idle.length - 1;
    const wanted = wants === undefined ? -1 : this.#idle.lastIndexOf(wants);
    if (wanted >= 0) return wanted;
    for (let i = last; i >= 0 && i > last - 8; i--) if (this.#idle[i]!.label === label) return i;
    return last;
  }

  #needsCheck(server: Server, policy: PoolPolicy): boolean {
    return (
      policy.checkQuery !== undefined &&
      server !== this.#justReleased &&
      this.#parts.clock.nowMs() - server.freeSinceMs > policy.checkDelayMs
    );
  }

  #startCheck(server: Server, query: Buffer): void {
    this.#testing.add(server);
    server.enqueue(
      this.#parts.check((ok) => {
        if (!ok) return server.close('test query failed');
        this.release(server);
      }),
    );
    server.send(query);
  }

  /** Opens as many connections as are wanted and allowed. */
  #grow(): void {
    if (this.#paused || this.#closed) return;
    while (this.#opening + this.#testing.size < this.#wanted) if (!this.#tryOpen()) return;
  }

  /** Connections that those in line would use at once: who shares needs no more than the pipeline is wide. */
  get #wanted(): number {
    return this.#waiting.wanted((label) => this.#parts.policy().pipelineWidth - this.#sharing.openFor(label));
  }

  #tryOpen(): boolean {
    if (this.#recentFailure() !== undefined || !this.#mayOpen()) return false;
    this.#open();
    return true;
  }

  #recentFailure(): ConnectFailure | undefined {
    return this.#failing.recent(this.#parts.clock.nowMs(), this.#parts.policy().loginRetryMs);
  }

  /** Who is in line will get no server. */
  refuseAll(failure: ConnectFailure): void {
    for (const waiter of this.#waiting.takeAll()) waiter.refused(failure);
  }

  #mayOpen(): boolean {
    const { poolSize, reserveSize, reserveTimeoutMs } = this.#parts.policy();
    if (poolSize > 0 && this.size >= poolSize) {
      if (reserveSize === 0 || reserveTimeoutMs === 0 || this.size >= poolSize + reserveSize) return false;
      if (this.maxWaitMs() < reserveTimeoutMs) return false;
      this.#parts.log(undefined, 'taking connection from reserve_pool');
    }
    for (const budget of this.#parts.budgets) {
      if (budget.full && !budget.evictFor(this)) return false;
      if (budget.full) return false;
    }
    return true;
  }

  #open(): void {
    this.#opening += 1;
    for (const budget of this.#parts.budgets) budget.take();
    this.#parts.connect(this).then(
      (server) => {
        this.#opening -= 1;
        this.#failing.connected();
        this.#active.add(server);
        if (this.#closed) return server.close('database configuration changed');
        this.release(server);
      },
      (failure: ConnectFailure) => {
        this.#opening -= 1;
        this.#giveBudgets();
        this.#failing.failed(failure, this.#parts.clock.nowMs());
        if (this.size === 0 && !failure.passing) this.refuseAll(failure);
      },
    );
  }

  #giveBudgets(): void {
    for (const budget of this.#parts.budgets) budget.give();
  }

  serverClosed(server: Server, reason: string): void {
    const at = this.#idle.indexOf(server);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#active.delete(server);
    this.#testing.delete(server);
    this.#cancelling.delete(server);
    this.#sharing.delete(server);
    this.#giveBudgets();
    this.#parts.log(
      server,
      `closing because: ${reason} (age=${Math.floor((this.#parts.clock.nowMs() - server.identity.connectedAtMs) / 1000)}s)`,
    );
    if (this.#waiting.size > 0) setImmediate(() => this.#closedOne());
  }

  #closedOne(): void {
    this.#serve();
    this.#grow();
  }

  oldestIdleMs(): number | undefined {
    return this.#idle.length === 0 ? undefined : Math.min(...this.#idle.map((server) => server.freeSinceMs));
  }

  closeOldestIdle(reason: string): void {
    const oldest = this.oldestIdleMs();
    const server = this.#idle.find((candidate) => candidate.freeSinceMs === oldest);
    server?.close(reason);
  }

  /** Deadlines, ages, the minimum size; called by the worker's tick. `inUse`: some client is connected to this pool. */
  tick(nowMs: number, inUse: boolean): void {
    for (const waiter of this.#waiting) {
      if (waiter.deadlineMs > nowMs) continue;
      this.leave(waiter);
      waiter.refused('timeout');
    }
    const policy = this.#parts.policy();
    this.#retire(nowMs, policy);
    if (this.#waiting.size > 0) this.#grow();
    else if (inUse && !this.#paused && this.size < policy.minPoolSize) this.#tryOpen();
  }

  #retire(nowMs: number, policy: PoolPolicy): void {
    this.#sharing.retire((server) => nowMs - server.identity.connectedAtMs > policy.lifetimeMs);
    for (const server of [...this.#idle]) {
      const idleFor = nowMs - server.freeSinceMs;
      if (server.closeNeeded) server.close('obsolete connection');
      else if (nowMs - server.identity.connectedAtMs > policy.lifetimeMs) server.close('server lifetime over');
      else if (policy.idleTimeoutMs > 0 && idleFor > policy.idleTimeoutMs && this.size > policy.minPoolSize)
        server.close('server idle timeout');
    }
  }

  /** No server is given out any more; `resume` ends it. Idle connections are closed at once, the others as they come back, unless it `keeps` them. */
  pause(keeps = false): void {
    this.#paused = keeps ? 'keeping' : 'closing';
    if (!keeps) this.retireAll('pause mode');
  }

  resume(): void {
    this.#paused = false;
    this.#serve();
    this.#grow();
  }

  /** Closes what is idle now and the rest when it is released. */
  retireAll(reason: string): void {
    for (const server of [...this.#idle]) server.close(reason);
    for (const { server } of this.servers()) server.closeNeeded = true;
  }

  /** The configuration no longer has this pool: servers close as they come back, and who waits is handed out, in order. */
  close(reason: string): readonly Waiter[] {
    this.#closed = true;
    this.retireAll(reason);
    const waiting = this.#waiting.takeAll();
    for (const budget of this.#parts.budgets) budget.leave(this);
    return waiting;
  }

  /** Closes every connection now, whatever runs on it. */
  closeAll(reason: string): void {
    for (const { server } of [...this.servers()]) server.close(reason);
  }
}
