/** A pool with scripted servers and a clock of our own, and what has been noticed of it. */
import assert from 'node:assert/strict';
import { Budget } from '../../src/pool/limits.ts';
import type { PoolPolicy, Waiter } from '../../src/pool/parts.ts';
import { Pool } from '../../src/pool/pool.ts';
import type { SharingWish } from '../../src/pool/sharing.ts';
import type { ConnectFailure } from '../../src/server/connect.ts';
import { internReported } from '../../src/server/reported.ts';
import type { Server, ServerOwner } from '../../src/server/server.ts';
import { CLEAN, type Label } from '../../src/server/settings.ts';

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const REPORTED = internReported(new Map());

/** Only what a pool looks at. */
export class FakeServer {
  readonly identity: { readonly connectedAtMs: number };
  label: Label | undefined = CLEAN;
  readonly reported = REPORTED;
  freeSinceMs: number;
  closed = false;
  closeNeeded = false;
  cancelsPending = 0;
  pending = 0;
  holder: unknown;
  sharing = false;
  paused = false;
  headSinceMs = 0;
  /** How many of its queue were told to go elsewhere, each time. */
  readonly displaced: number[] = [];
  readonly #owner: ServerOwner;

  constructor(owner: ServerOwner, nowMs: number) {
    this.#owner = owner;
    this.identity = { connectedAtMs: nowMs };
    this.freeSinceMs = nowMs;
  }
  /** All but the head can go. */
  displace(most: number): number {
    const told = Math.min(most, this.pending - 1 - this.displaced.reduce((sum, count) => sum + count, 0));
    if (told > 0) this.displaced.push(told);
    return told;
  }
  close(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#owner.serverClosed(this as unknown as Server, reason);
  }
}

export interface Asked extends Waiter {
  readonly number: number;
  server: Server | undefined;
  refusal: ConnectFailure | 'timeout' | undefined;
  left: boolean;
}

/** A pool, its world, and what has been noticed. */
export class World {
  nowMs = 0;
  policy: PoolPolicy = {
    poolSize: 3,
    minPoolSize: 0,
    reserveSize: 0,
    reserveTimeoutMs: 0,
    lifetimeMs: 1_000_000,
    idleTimeoutMs: 0,
    checkDelayMs: 1_000_000,
    loginRetryMs: 1000,
    roundRobin: false,
    pipelineWidth: 2,
    pipelineDepth: 4,
  };
  readonly log: string[] = [];
  readonly asked: Asked[] = [];
  readonly granted: number[] = [];
  readonly connecting: {
    readonly ok: (server: Server) => void;
    readonly fail: (failure: ConnectFailure) => void;
    readonly owner: ServerOwner;
  }[] = [];
  readonly pools: Pool[];
  readonly budget: Budget;
  most = 0;

  constructor(pools = 1, budget = 0) {
    this.budget = new Budget(() => budget);
    this.pools = Array.from({ length: pools }, () => this.#pool());
  }
  #pool(): Pool {
    return new Pool({
      clock: { nowMs: () => this.nowMs },
      policy: () => this.policy,
      connect: (owner) => new Promise((ok, fail) => void this.connecting.push({ ok, fail, owner })),
      check: () => assert.fail('no check is configured'),
      budgets: [this.budget],
      log: (_, text) => void this.log.push(text),
    });
  }
  get pool(): Pool {
    return this.pools[0]!;
  }
  /** Someone whose query may travel with others. */
  share(label = CLEAN): Asked {
    return this.ask(this.pool, Number.POSITIVE_INFINITY, { label, reported: REPORTED });
  }
  ask(pool = this.pool, deadlineMs = Number.POSITIVE_INFINITY, sharing?: SharingWish, patient = false): Asked {
    const asked: Asked = {
      number: this.asked.length,
      label: sharing?.label ?? CLEAN,
      wants: undefined,
      patient,
      sharing,
      sinceMs: this.nowMs,
      deadlineMs,
      server: undefined,
      refusal: undefined,
      left: false,
      line: undefined,
      leave: () => asked.line?.leave(asked),
      granted: (server) => {
        assert.ok(asked.server === undefined && asked.refusal === undefined && !asked.left, 'called once, and not after it has left');
        asked.server = server;
        this.granted.push(asked.number);
        this.#joined(server, sharing);
      },
      refused: (error) => {
        assert.ok(asked.server === undefined && asked.refusal === undefined && !asked.left, 'called once, and not after it has left');
        asked.refusal = error;
      },
    };
    this.asked.push(asked);
    const server = pool.acquire(asked);
    if (server !== undefined) asked.granted(server);
    return asked;
  }
  /** As a session does at once: its query stands in the queue, or its settings are brought to the server. */
  #joined(server: Server, sharing: SharingWish | undefined): void {
    const fake = server as unknown as FakeServer;
    assert.ok(!fake.closed && !fake.closeNeeded, 'nobody gets a server that is to be closed');
    if (!server.sharing) {
      assert.equal(fake.pending, 0, 'a server of his own is nobody else’s');
      if (sharing !== undefined) fake.label = sharing.label;
      return;
    }
    assert.ok(sharing !== undefined && fake.label?.nameless === sharing.label, 'only who may share does, with the same settings');
    assert.ok(fake.pending < this.policy.pipelineDepth && !fake.paused && fake.cancelsPending === 0);
    if (fake.pending === 0) fake.headSinceMs = this.nowMs;
    fake.pending += 1;
    this.pool.joined(server);
  }
  /** The head of a shared queue is answered. */
  answer(server: Server): void {
    const fake = server as unknown as FakeServer;
    fake.pending -= 1;
    fake.headSinceMs = this.nowMs;
    this.pool.sharedDone(server);
  }
  async connected(count = this.connecting.length): Promise<void> {
    for (const { ok, owner } of this.connecting.splice(0, count)) ok(new FakeServer(owner, this.nowMs) as unknown as Server);
    await turn();
  }
  async refuse(failure: ConnectFailure = { reason: 'refused' }): Promise<void> {
    for (const { fail } of this.connecting.splice(0)) fail(failure);
    await turn();
  }
  release({ server }: Asked, pool = this.pool): void {
    if (server !== undefined && !server.closed) pool.release(server);
  }
}
