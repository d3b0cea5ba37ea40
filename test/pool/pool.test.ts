/** A pool with scripted servers and a clock of our own: whatever happens in whatever order, nobody is forgotten and no limit is passed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Pool } from '../../src/pool/pool.ts';
import type { Server } from '../../src/server/server.ts';
import { CLEAN, intern } from '../../src/server/settings.ts';
import { connectFailed } from '../../src/wire/errors.ts';
import { type FakeServer, turn, World } from './world.ts';

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

  it('tells those in line when it is not let in, and says so at once until server_login_retry is over', async () => {
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

  it('lets those in line wait while the host cannot be reached, and refuses at once who comes meanwhile', async () => {
    const world = new World();
    const first = world.ask();
    await world.refuse({ reason: 'connect failed: ECONNREFUSED', error: connectFailed, passing: true });
    assert.equal(first.refusal, undefined);
    const told = world.ask();
    assert.ok(typeof told.refusal === 'object');
    assert.equal(told.refusal.error?.message, 'server login has been failing, cached error: connect failed (server_login_retry)');
    const loggingIn = world.ask(world.pool, Number.POSITIVE_INFINITY, undefined, true);
    assert.equal(loggingIn.refusal, undefined);
    world.nowMs = 999;
    world.pool.tick(world.nowMs, true);
    assert.equal(world.connecting.length, 0, 'server_login_retry is not over');
    world.nowMs = 1000;
    world.pool.tick(world.nowMs, true);
    await world.connected();
    assert.deepEqual(world.granted, [first.number, loggingIn.number]);
    assert.ok(told.server === undefined);
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

  type Step =
    | 'ask'
    | 'share'
    | 'answer'
    | 'hold'
    | 'go on'
    | 'connected'
    | 'refused'
    | 'release'
    | 'lost'
    | 'leave'
    | 'tick'
    | 'pause'
    | 'resume'
    | 'retire';
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom<Step>(
        'ask',
        'ask',
        'share',
        'share',
        'share',
        'answer',
        'answer',
        'hold',
        'go on',
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
        const active = () => [...world.pool.servers()].flatMap(({ server, state }) => (state === 'active' ? [server] : []));
        const held = () => active().filter(({ sharing }) => !sharing);
        const shared = () => active().filter(({ sharing }) => sharing) as unknown as FakeServer[];
        const other = intern(new Map([['timezone', 'UTC']]));
        let paused = false;
        for (const [step, which] of script) {
          if (step === 'ask') world.ask();
          else if (step === 'share') world.share(which % 3 === 0 ? other : CLEAN);
          else if (step === 'answer' || step === 'hold' || step === 'go on') {
            const of = shared();
            const server = of[which % of.length];
            if (server === undefined) continue;
            if (step === 'answer') world.answer(server as unknown as Server);
            else server.paused = step === 'hold';
          } else if (step === 'connected') await world.connected(1);
          else if (step === 'refused') await world.refuse();
          else if (step === 'release' || step === 'lost') {
            const of = step === 'release' ? held() : active();
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
        // In order: who was granted later had asked later, those that left or were refused aside, and those of the other kind.
        for (const sharing of [true, false]) {
          const granted = world.granted.filter((number) => (world.asked[number]!.sharing !== undefined) === sharing);
          assert.deepEqual(
            granted,
            granted.toSorted((x, y) => x - y),
          );
        }
        // The end: all goes well from here on, so nobody may be left in line.
        if (paused) world.pool.resume();
        for (let rounds = 0; rounds < 200; rounds++) {
          world.nowMs += 100;
          world.pool.tick(world.nowMs, true);
          await world.connected();
          for (const server of held()) world.pool.release(server);
          for (const server of shared()) {
            server.paused = false;
            world.answer(server as unknown as Server);
          }
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
