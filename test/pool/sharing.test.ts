/** Which servers carry the queries of several clients: few, none of them slow, and never at the cost of who needs one of his own. */
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { CLEAN, intern } from '../../src/server/settings.ts';
import { type Asked, type FakeServer, turn, World } from './world.ts';

const fake = ({ server }: Asked): FakeServer => server as unknown as FakeServer;
/** So many servers, all idle. */
async function idle(world: World, count: number): Promise<void> {
  world.policy = { ...world.policy, poolSize: count };
  const asked = Array.from({ length: count }, () => world.ask());
  await world.connected();
  for (const one of asked) world.release(one);
  world.granted.length = 0;
}
const times = <T>(count: number, make: () => T): readonly T[] => Array.from({ length: count }, make);
const LABEL = intern(new Map([['timezone', 'UTC']]));

describe('servers that are shared', () => {
  it('are as many as the pipeline is wide, each with as many queries as it is deep, the least loaded first', async () => {
    const world = new World();
    await idle(world, 5);
    const asked = times(8, () => world.share());
    assert.equal(new Set(asked.map(({ server }) => server)).size, 2);
    assert.deepEqual(
      asked.map(fake).map(({ pending }) => pending),
      times(8, () => 4),
    );
    const ninth = world.share();
    assert.equal(ninth.server, undefined);
    assert.equal(world.pool.counts().idle, 3);
    world.answer(asked[0]!.server!);
    assert.equal(ninth.server, asked[0]!.server);
  });

  it('are opened no more than the pipeline is wide', async () => {
    const world = new World();
    world.policy = { ...world.policy, poolSize: 9 };
    times(30, () => world.share());
    assert.equal(world.connecting.length, 2);
    await world.connected();
    assert.equal(world.granted.length, 8);
    assert.equal(world.connecting.length, 0);
  });

  it('go back to the idle ones when the last is answered', async () => {
    const world = new World();
    await idle(world, 1);
    const [a, b] = [world.share(), world.share()];
    world.answer(a.server!);
    assert.deepEqual([world.pool.counts().active, fake(a).sharing], [1, true]);
    world.answer(b.server!);
    assert.deepEqual([world.pool.counts().idle, fake(b).sharing], [1, false]);
  });

  it('are given nothing more while someone waits for a server of his own', async () => {
    const world = new World();
    await idle(world, 1);
    const first = world.share();
    const alone = world.ask();
    const later = times(3, () => world.share());
    assert.deepEqual(
      [alone.server, ...later.map(({ server }) => server)],
      times(4, () => undefined),
    );
    world.answer(first.server!);
    assert.ok(alone.server !== undefined && later.every(({ server }) => server === undefined));
    world.release(alone);
    assert.ok(later.every(({ server }) => server !== undefined));
  });

  it('keep nobody who needs a server of his own from those that are idle, full or not', async () => {
    const world = new World();
    await idle(world, 4);
    times(9, () => world.share());
    const [a, b] = [world.ask(), world.ask()];
    assert.ok(a.server !== undefined && b.server !== undefined);
    const c = world.ask();
    assert.equal(c.server, undefined);
    world.release(a);
    assert.ok(c.server !== undefined, 'although someone waits longer for room on a shared one');
  });

  it('that are slow are given nothing more, and others take their place', async () => {
    const world = new World();
    await idle(world, 4);
    const slow = times(2, () => world.share());
    world.nowMs += 1000;
    const next = times(2, () => world.share());
    assert.ok(next.every(({ server }) => server !== undefined && !slow.some((one) => one.server === server)));
  });

  it('that are slow do not keep others from being opened', async () => {
    const world = new World();
    await idle(world, 2);
    world.policy = { ...world.policy, poolSize: 4 };
    times(2, () => world.share());
    world.nowMs += 1000;
    const next = world.share();
    assert.equal(world.connecting.length, 1);
    await world.connected();
    assert.ok(next.server !== undefined);
  });

  it('that turn slow while someone waits for room on them make way for another, also without a further event', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const world = new World();
      await idle(world, 3);
      times(8, () => world.share());
      const waiting = world.share();
      assert.equal(waiting.server, undefined);
      world.nowMs += 30;
      mock.timers.tick(30);
      assert.ok(waiting.server !== undefined);
    } finally {
      mock.timers.reset();
    }
  });

  for (const [what, spoil] of Object.entries<(server: FakeServer) => void>({
    'a slow reader holds up': (server) => {
      server.paused = true;
    },
    'are to be closed': (server) => {
      server.closeNeeded = true;
    },
    'are being cancelled': (server) => {
      server.cancelsPending = 1;
    },
  })) {
    it(`that ${what} are given nothing more, and others take their place`, async () => {
      const world = new World();
      await idle(world, 2);
      world.policy = { ...world.policy, poolSize: 4 };
      for (const one of times(2, () => world.share())) spoil(fake(one));
      const next = times(2, () => world.share());
      await world.connected();
      assert.ok(next.every(({ server }) => server !== undefined));
    });
  }

  it('have the settings that a query needs; for others there are servers of their own', async () => {
    const world = new World();
    await idle(world, 2);
    world.policy = { ...world.policy, poolSize: 6 };
    const mine = times(4, () => world.share());
    const theirs = world.share(LABEL);
    assert.equal(theirs.server, undefined);
    assert.equal(world.connecting.length, 1);
    await world.connected();
    assert.ok(theirs.server !== undefined && !mine.some(({ server }) => server === theirs.server));
    assert.equal(fake(theirs).sharing, false, 'it brings its settings, alone');
    world.release(theirs);
    const [a, b] = [world.share(LABEL), world.share(LABEL)];
    assert.ok(a.server === theirs.server && b.server === theirs.server && fake(a).sharing);
  });

  it('may differ in application_name', async () => {
    const world = new World();
    await idle(world, 1);
    const named = intern(new Map([['application_name', 'x']]));
    assert.equal(named.nameless, CLEAN);
    fake(world.share()).label = named;
    assert.ok(world.share().server !== undefined);
  });

  it('are closed past their lifetime as soon as they are empty', async () => {
    const world = new World();
    await idle(world, 1);
    const asked = world.share();
    world.nowMs = 2_000_000;
    world.pool.tick(world.nowMs, true);
    assert.equal(fake(asked).closed, false);
    world.answer(asked.server!);
    assert.equal(fake(asked).closed, true);
  });

  it('finish what they have in a pause, and take nothing more', async () => {
    const world = new World();
    await idle(world, 1);
    const asked = world.share();
    world.pool.pause();
    const paused = world.share();
    assert.equal(paused.server, undefined);
    world.answer(asked.server!);
    assert.equal(world.pool.size, 0);
    world.pool.resume();
    await world.connected();
    assert.ok(paused.server !== undefined);
  });

  it('that are lost make room for others', async () => {
    const world = new World();
    await idle(world, 1);
    const asked = world.share();
    const alone = world.ask();
    fake(asked).close('lost');
    await turn();
    await world.connected();
    assert.ok(alone.server !== undefined);
  });

  describe('whose head is slow', () => {
    /** A pool where five wait behind a head, and `free` servers are idle. */
    async function stuck(free: number): Promise<{ world: World; server: FakeServer }> {
      const world = new World();
      await idle(world, 1 + free);
      world.policy = { ...world.policy, pipelineWidth: 1, pipelineDepth: 6 };
      const [first] = times(6, () => world.share());
      return { world, server: fake(first!) };
    }
    const after = (world: World, ms: number): void => {
      for (let passed = 0; passed < ms; passed += 5) {
        world.nowMs += 5;
        mock.timers.tick(5);
      }
    };
    const told = ({ displaced }: FakeServer): number => displaced.reduce((sum, count) => sum + count, 0);

    it('lose those behind it, as far as there are servers for them, after a moment', async () => {
      mock.timers.enable({ apis: ['setInterval'] });
      try {
        const { world, server } = await stuck(9);
        after(world, 20);
        assert.equal(told(server), 0);
        after(world, 20);
        assert.equal(told(server), 5);
      } finally {
        mock.timers.reset();
      }
    });

    it('keep them where no server is free, and none can be opened', async () => {
      mock.timers.enable({ apis: ['setInterval'] });
      try {
        const { world, server } = await stuck(0);
        after(world, 1000);
        assert.equal(told(server), 0);
        world.policy = { ...world.policy, poolSize: 3 };
        after(world, 15);
        assert.equal(told(server), 2, 'one for each that could be opened, at a time');
      } finally {
        mock.timers.reset();
      }
    });

    it('lose them also where no second run is left, when it takes long', async () => {
      mock.timers.enable({ apis: ['setInterval'] });
      try {
        const { world, server } = await stuck(9);
        // What was saved up is spent.
        for (let i = 0; i < 20; i++) {
          after(world, 40);
          server.displaced.length = 0;
          world.answer(server as never);
          server.pending += 1;
        }
        server.headSinceMs = world.nowMs;
        after(world, 100);
        assert.equal(told(server), 0);
        after(world, 120);
        assert.equal(told(server), 5);
      } finally {
        mock.timers.reset();
      }
    });
  });
});
