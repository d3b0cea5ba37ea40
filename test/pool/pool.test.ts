/** A pool with scripted servers and a clock of our own: whatever happens in whatever order, nobody is forgotten and no limit is passed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../../src/pool/limits.ts';
import type { PoolPolicy, Waiter } from '../../src/pool/parts.ts';
import { Pool } from '../../src/pool/pool.ts';
import type { ConnectFailure } from '../../src/server/connect.ts';
import type { Server, ServerOwner } from '../../src/server/server.ts';
import { CLEAN } from '../../src/server/settings.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Only what a pool looks at. */
class FakeServer {
  readonly identity: { readonly connectedAtMs: number };
  label = CLEAN;
  freeSinceMs: number;
  closed = false;
  closeNeeded = false;
  cancelsPending = 0;
  pending = 0;
  holder: unknown;
  readonly #owner: ServerOwner;

  constructor(owner: ServerOwner, nowMs: number) {
    this.#owner = owner;
    this.identity = { connectedAtMs: nowMs };
    this.freeSinceMs = nowMs;
  }
  close(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#owner.serverClosed(this as unknown as Server, reason);
  }
}

interface Asked extends Waiter {
  readonly number: number;
  server: Server | undefined;
  refusal: ConnectFailure | 'timeout' | undefined;
  left: boolean;
}

/** A pool, its world, and what has been noticed. */
class World {
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
  ask(pool = this.pool, deadlineMs = Number.POSITIVE_INFINITY): Asked {
    const asked: Asked = {
      number: this.asked.length,
      label: CLEAN,
      wants: undefined,
      sinceMs: this.nowMs,
      deadlineMs,
      server: undefined,
      refusal: undefined,
      left: false,
      granted: (server) => {
        assert.ok(asked.server === undefined && asked.refusal === undefined && !asked.left, 'called once, and not after it has left');
        asked.server = server;
        this.granted.push(asked.number);
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
  async connected(count = this.connecting.length): Promise<void> {
    for (const { ok, owner } of this.connecting.splice(0, count)) ok(new FakeServer(owner, this.nowMs) as unknown as Server);
    await turn();
  }
  async refuse(): Promise<void> {
    for (const { fail } of this.connecting.splice(0)) fail({ reason: 'refused' });
    await turn();
  }
  release({ server }: Asked, pool = this.pool): void {
    if (server !== undefined && !server.closed) pool.release(server);
  }
}

describe('a pool', () => {
  it('opens as many servers as are asked for, up to its size', async () => {
    const world = new World();
    for (let i = 0; i < 5; i++) world.ask();
    assert.equal(world.connecting.length, 3);
    await world.connected();
    assert.deepEqual(world.granted, [0, 1, 2]);
    assert.deepEqual(world.pool.counts(), { ...world.pool.counts(), active: 3, waiting: 2, idle: 0 });
  });

  it('serves those in line first come, first served, also before one who asks just now', async () => {
    const world = new World();
    world.policy = { ...world.policy, poolSize: 1 };
    const asked = [world.ask(), world.ask(), world.ask()];
    await world.connected();
    world.release(asked[0]!);
    world.ask();
    world.release(asked[1]!);
    world.release(asked[2]!);
    assert.deepEqual(world.granted, [0, 1, 2, 3]);
  });

  it('forgets who leaves the line', async () => {
    const world = new World();
    world.policy = { ...world.policy, poolSize: 1 };
    const [a, b, c] = [world.ask(), world.ask(), world.ask()];
    await world.connected();
    world.pool.leave(b);
    b.left = true;
    world.release(a);
    assert.deepEqual(world.granted, [0, 2]);
    assert.ok(c.server);
  });

  it('tells those in line when it cannot connect, and says so at once until server_login_retry is over', async () => {
    const world = new World();
    const [a, b] = [world.ask(), world.ask()];
    await world.refuse();
    assert.deepEqual([a.refusal, b.refusal], [{ reason: 'refused' }, { reason: 'refused' }]);
    const soon = world.ask();
    await turn();
    assert.deepEqual(soon.refusal, { reason: 'refused' });
    world.nowMs = 1500;
    const later = world.ask();
    await world.connected();
    assert.ok(later.server);
  });

  it('refuses at the deadline, and not before', () => {
    const world = new World();
    world.policy = { ...world.policy, poolSize: 1 };
    world.ask();
    const late = world.ask(world.pool, 500);
    world.nowMs = 499;
    world.pool.tick(499, true);
    assert.equal(late.refusal, undefined);
    world.nowMs = 501;
    world.pool.tick(501, true);
    assert.equal(late.refusal, 'timeout');
  });

  it('keeps a server with a cancel request under way from everyone', async () => {
    const world = new World();
    world.policy = { ...world.policy, poolSize: 1 };
    const [a, b] = [world.ask(), world.ask()];
    await world.connected();
    const server = a.server as unknown as FakeServer;
    server.cancelsPending = 2;
    world.release(a);
    assert.equal(b.server, undefined);
    world.pool.cancelDone(a.server!);
    assert.equal(b.server, undefined);
    world.pool.cancelDone(a.server!);
    assert.equal(b.server, a.server);
  });

  it('closes the longest idle server of another pool when the budget is spent', async () => {
    const world = new World(3, 2);
    const [p, q, r] = world.pools as [Pool, Pool, Pool];
    const a = world.ask(p);
    await world.connected();
    world.nowMs = 10;
    const b = world.ask(q);
    await world.connected();
    world.release(a, p);
    world.nowMs = 20;
    world.release(b, q);
    const c = world.ask(r);
    assert.ok(a.server?.closed && !b.server?.closed);
    await world.connected();
    assert.ok(c.server);
    assert.equal(world.budget.used, 2);
    assert.ok(world.log.some((text) => text.includes('evicted')));
  });

  it('a connection that comes up while it is paused is not kept', async () => {
    const world = new World();
    const asked = world.ask();
    world.pool.pause();
    await world.connected();
    assert.equal(world.pool.size, 0);
    assert.equal(asked.server, undefined);
    world.pool.resume();
    await world.connected();
    assert.ok(asked.server);
  });

  type Step = 'ask' | 'connected' | 'refused' | 'release' | 'lost' | 'leave' | 'tick' | 'pause' | 'resume' | 'retire';
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom<Step>(
        'ask',
        'ask',
        'ask',
        'connected',
        'connected',
        'release',
        'release',
        'refused',
        'lost',
        'leave',
        'tick',
        'pause',
        'resume',
        'retire',
      ),
      fc.nat(),
    ),
    { maxLength: 60 },
  );

  it('whatever happens, no limit is passed, the order holds, and in the end everyone was answered', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }), async (script, poolSize, budget) => {
        const world = new World(1, budget);
        world.policy = { ...world.policy, poolSize, loginRetryMs: 50, idleTimeoutMs: 300, lifetimeMs: 900 };
        const held = () => [...world.pool.servers()].flatMap(({ server, state }) => (state === 'active' ? [server] : []));
        let paused = false;
        for (const [step, which] of script) {
          if (step === 'ask') world.ask();
          else if (step === 'connected') await world.connected(1);
          else if (step === 'refused') await world.refuse();
          else if (step === 'release' || step === 'lost') {
            const of = held();
            const server = of[which % of.length];
            if (server === undefined) continue;
            if (step === 'release') world.pool.release(server);
            else server.close('lost');
          } else if (step === 'leave') {
            const of = world.asked.filter(({ server, refusal, left }) => server === undefined && refusal === undefined && !left);
            const asked = of[which % of.length];
            if (asked === undefined) continue;
            asked.left = true;
            world.pool.leave(asked);
          } else if (step === 'tick') {
            world.nowMs += which % 120;
            world.pool.tick(world.nowMs, true);
          } else if (step === 'pause') {
            paused = true;
            world.pool.pause();
          } else if (step === 'resume') {
            paused = false;
            world.pool.resume();
          } else world.pool.retireAll('obsolete connection');
          await turn();
          assert.ok(world.pool.size <= poolSize, `${world.pool.size} of ${poolSize}`);
          assert.equal(world.budget.used, world.pool.size);
          if (budget > 0) assert.ok(world.budget.used <= budget);
        }
        // In order: who was granted later had asked later, those that left or were refused aside.
        assert.deepEqual(
          world.granted,
          world.granted.toSorted((x, y) => x - y),
        );
        // The end: all goes well from here on, so nobody may be left in line.
        if (paused) world.pool.resume();
        for (let rounds = 0; rounds < 200; rounds++) {
          world.nowMs += 100;
          world.pool.tick(world.nowMs, true);
          await world.connected();
          for (const server of held()) world.pool.release(server);
          await turn();
        }
        const forgotten = world.asked.filter(({ server, refusal, left }) => server === undefined && refusal === undefined && !left);
        assert.deepEqual(
          forgotten.map(({ number }) => number),
          [],
        );
      }),
      { seed: 11, numRuns: 60 },
    );
  });
});
