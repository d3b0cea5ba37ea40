/** Answers in a shared queue, cut at every byte: each goes to its own client, whole, once, or is asked again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Again, type SharedClient, SharedExchange, type SharedForm } from '../../src/relay/shared.ts';
import { internReported } from '../../src/server/reported.ts';
import { Server, type ServerIdentity, type ServerOwner } from '../../src/server/server.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { parseComplete } from '../../src/wire/write.ts';
import { frames } from '../support/raw-client.ts';

const frame = frames.frame;
const parsed = frame('1');
const bound = frame('2');
const row = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(6);
  head.writeInt16BE(1, 0);
  head.writeInt32BE(bytes.length, 2);
  return frame('D', Buffer.concat([head, bytes]));
};
const done = frame('C', 'SELECT 1\0');
const ready = (status = 'I'): Buffer => frame('Z', status);
const error = (sqlstate: string, message = 'no', severity = 'ERROR'): Buffer =>
  frame('E', `S${severity}\0V${severity}\0C${sqlstate}\0M${message}\0\0`);
const notice = frame('N', 'SNOTICE\0VNOTICE\0C42622\0Mtoo long\0\0');
const parameter = frame('S', 'TimeZone\0UTC\0');
const answer = (text: string): Buffer => Buffer.concat([bound, row(text), done]);

/** A client and what it was told. */
class Told implements SharedClient {
  readonly bytes: Buffer[] = [];
  readonly events: string[] = [];
  exchange: SharedExchange | undefined;
  forward(chunk: Buffer, start: number, end: number): void {
    this.bytes.push(Buffer.from(chunk.subarray(start, end)));
  }
  sharedAnswered(exchange: SharedExchange, status: number): void {
    this.events.push(`answered ${String.fromCharCode(status)}${exchange.failed ? ' failed' : ''}${exchange.parsed ? ' parsed' : ''}`);
  }
  sharedAgain(why: Again): void {
    this.events.push(`again ${why}`);
  }
  sharedBroken(): void {
    this.events.push('broken');
  }
  get all(): string {
    return Buffer.concat(this.bytes).toString('latin1');
  }
}

/** A server whose other side is the test. */
function world() {
  const counts = { resentLost: 0, resentSlow: 0, resentCanceled: 0, resentStale: 0, wasted: 0 };
  const log: string[] = [];
  const owner: ServerOwner = {
    serverClosed: (_, reason) => void log.push(`closed: ${reason}`),
    release: () => void log.push('released'),
    cancelDone: () => {},
    joined: () => {},
    sharedDone: () => void log.push('done'),
    pipeline: counts,
  };
  const channel = {
    closed: false,
    congested: false,
    setOwner: () => {},
    write: () => {},
    pause: () => {},
    resume: () => {},
    destroy: () => {},
    end: () => {},
  } as unknown as Channel;
  const server = new Server(
    { id: 1, connectedAtMs: 0, pid: 1, secret: Buffer.alloc(4) } as unknown as ServerIdentity,
    channel,
    owner,
    new Map(),
  );
  server.sharing = true;
  const clock = { ms: 0, nowMs: () => clock.ms };
  const ask = (form: Partial<SharedForm> = {}): Told => {
    const told = new Told();
    told.exchange = new SharedExchange(told, { absorb: 0, prepared: false, ...form }, clock as never);
    server.enqueue(told.exchange);
    return told;
  };
  return { server, ask, counts, log, clock };
}
type World = ReturnType<typeof world>;

/** Plays the bytes in pieces of every size; `play` sets the scene, and `check` looks at each. */
function atEveryCut(bytes: Buffer, play: (w: World) => Told[], check: (told: readonly Told[], w: World, size: number) => void): void {
  for (let size = 1; size <= bytes.length; size++) {
    const w = world();
    const told = play(w);
    for (let at = 0; at < bytes.length; at += size) w.server.onChunk(Buffer.from(bytes.subarray(at, at + size)));
    check(told, w, size);
  }
}
const text = (...parts: readonly Buffer[]): string => Buffer.concat(parts).toString('latin1');

describe('an answer in a shared queue', () => {
  it('goes to who asked, in order', () => {
    const bytes = Buffer.concat([answer('a'), ready(), answer('b'), ready(), answer('c'), ready()]);
    atEveryCut(
      bytes,
      ({ ask }) => [ask(), ask(), ask()],
      (told, { log, server }) => {
        assert.deepEqual(
          told.map(({ all }) => all),
          [text(answer('a')), text(answer('b')), text(answer('c'))],
        );
        for (const { events } of told) assert.deepEqual(events, ['answered I']);
        assert.deepEqual([log, server.pending], [['done', 'done', 'done'], 0]);
      },
    );
  });

  it('begins with what the server was not asked for', () => {
    atEveryCut(
      Buffer.concat([answer('a'), ready()]),
      ({ ask }) => [ask({ prefix: parseComplete, prepared: true })],
      ([a]) => {
        assert.equal(a!.all, text(parsed, answer('a')));
        assert.deepEqual(a!.events, ['answered I parsed']);
      },
    );
  });

  it('lacks what only we asked for', () => {
    atEveryCut(
      Buffer.concat([parsed, answer('a'), ready()]),
      ({ ask }) => [ask({ absorb: 1 })],
      ([a]) => {
        assert.equal(a!.all, text(answer('a')));
        assert.deepEqual(a!.events, ['answered I']);
      },
    );
  });

  it('has the ParseComplete that the client asked for', () => {
    atEveryCut(
      Buffer.concat([parsed, answer('a'), ready()]),
      ({ ask }) => [ask()],
      ([a]) => {
        assert.equal(a!.all, text(parsed, answer('a')));
        assert.deepEqual(a!.events, ['answered I parsed']);
      },
    );
  });

  it('names a statement as the client does where the server refuses it', () => {
    const ours = error('42P02', 'bind message supplies 0 parameters, but prepared statement "shardyard_7" requires 1');
    const theirs = error('42P02', 'bind message supplies 0 parameters, but prepared statement "mine" requires 1');
    const names = { ours: Buffer.from('shardyard_7\0'), clients: 'mine' };
    atEveryCut(
      Buffer.concat([parsed, ours, ready(), answer('b'), ready()]),
      ({ ask }) => [ask({ names }), ask()],
      ([a, b]) => {
        assert.equal(a!.all, text(parsed, theirs));
        assert.deepEqual(a!.events, ['answered I failed parsed']);
        assert.equal(b!.all, text(answer('b')));
      },
    );
  });

  it('is told in the server’s words when the query fails, after the rows that came before', () => {
    const bytes = Buffer.concat([bound, row('1'), error('22012'), ready(), answer('b'), ready()]);
    atEveryCut(
      bytes,
      ({ ask }) => [ask(), ask()],
      ([a, b]) => {
        assert.equal(a!.all, text(bound, row('1'), error('22012')));
        assert.deepEqual([a!.events, b!.events, b!.all], [['answered I failed'], ['answered I'], text(answer('b'))]);
      },
    );
  });

  for (const sqlstate of ['0A000', '26000', '42703', '22P02', 'XX000']) {
    it(`is asked for again when a statement that was prepared before fails with ${sqlstate}`, () => {
      const bytes = Buffer.concat([bound, row('1'), error(sqlstate), ready(), answer('b'), ready()]);
      atEveryCut(
        bytes,
        ({ ask }) => [ask({ prepared: true, prefix: parseComplete }), ask()],
        ([a, b]) => {
          assert.deepEqual([a!.events, a!.all, b!.events], [['again stale'], '', ['answered I']]);
        },
      );
    });
  }

  it('is not asked for again when it fails with what no plan can be the cause of', () => {
    atEveryCut(
      Buffer.concat([error('57014'), ready()]),
      ({ ask }) => [ask({ prepared: true })],
      ([a]) => assert.deepEqual(a!.events, ['answered I failed']),
    );
  });

  it('is asked for again where a cancel may have been meant for another, and only there', () => {
    const bytes = Buffer.concat([answer('a'), ready(), error('57014'), ready(), error('57014'), ready()]);
    const play = ({ ask, server }: World): Told[] => {
      const there = [ask(), ask()];
      server.cancelSent();
      return [...there, ask()];
    };
    atEveryCut(bytes, play, ([a, b, c]) =>
      assert.deepEqual([a!.events, b!.events, c!.events], [['answered I'], ['again canceled'], ['answered I failed']]),
    );
  });

  it('is dropped when the client has gone, and the next is not touched', () => {
    const bytes = Buffer.concat([answer('a'), ready(), answer('b'), ready()]);
    for (const leaveAfter of [0, 3, 10, 30]) {
      const w = world();
      const [a, b] = [w.ask(), w.ask()];
      w.server.onChunk(bytes.subarray(0, leaveAfter));
      assert.equal(a.exchange!.leave(), true);
      w.server.onChunk(bytes.subarray(leaveAfter));
      assert.deepEqual([a.all, a.events, b.all, b.events, w.counts.wasted], ['', [], text(answer('b')), ['answered I'], 1]);
    }
  });

  it('is asked for elsewhere when it waits behind something slow, the head is not, and what comes late is dropped', () => {
    atEveryCut(
      Buffer.concat([answer('a'), ready(), answer('b'), ready(), answer('c'), ready()]),
      (w) => {
        const told = [w.ask(), w.ask(), w.ask()];
        assert.equal(w.server.displace(1), 1);
        return told;
      },
      ([a, b, c], { counts }) => {
        assert.deepEqual([a!.events, b!.events, c!.events], [['answered I'], ['again slow'], ['answered I']]);
        assert.deepEqual([b!.all, c!.all, counts.wasted], ['', text(answer('c')), 1]);
      },
    );
  });

  it('is asked for again when the connection is lost at any byte, unless some of it was given', () => {
    const bytes = Buffer.concat([answer('a'), ready(), answer('b'), ready()]);
    const first = answer('a').length + 6;
    for (let cut = 0; cut < bytes.length; cut++) {
      const w = world();
      const [a, b] = [w.ask(), w.ask()];
      w.server.onChunk(bytes.subarray(0, cut));
      w.server.onClose(undefined);
      assert.deepEqual(a.events, [cut < first ? 'again lost' : 'answered I'], String(cut));
      assert.deepEqual(b.events, ['again lost']);
      assert.deepEqual([a.all, b.all], [cut < first ? '' : text(answer('a')), '']);
    }
  });

  it('is broken off when some of it was given', () => {
    const w = world();
    const [a, b] = [w.ask(), w.ask()];
    const rows = Buffer.concat(Array.from({ length: 90 }, (_, i) => row(String(i).repeat(500))));
    w.server.onChunk(rows.subarray(0, 60_000));
    assert.equal(a.all.length, 0, 'it is kept until it is whole, or large');
    w.server.onChunk(rows.subarray(60_000));
    assert.equal(a.all.length, rows.length);
    w.server.onClose(undefined);
    assert.deepEqual([a.events, b.events], [['broken'], ['again lost']]);
  });

  it('of many bytes arrives as it was sent, whatever the cuts', () => {
    const big = Buffer.concat([bound, row('x'.repeat(300_000)), row('y'), row('z'.repeat(70_000)), done]);
    for (const size of [1000, 4096, 65_536, 65_537, 262_144, big.length]) {
      const w = world();
      const [a, b] = [w.ask({ prefix: parseComplete }), w.ask()];
      const bytes = Buffer.concat([big, ready(), answer('b'), ready()]);
      for (let at = 0; at < bytes.length; at += size) w.server.onChunk(Buffer.from(bytes.subarray(at, at + size)));
      assert.equal(a.all, text(parsed, big));
      assert.equal(b.all, text(answer('b')));
    }
  });

  it('is not the connection’s own end', () => {
    atEveryCut(
      error('57P01', 'terminating connection', 'FATAL'),
      ({ ask }) => [ask(), ask()],
      ([a, b], { server }) => {
        server.onClose(undefined);
        assert.deepEqual([a!.events, a!.all, b!.events], [['again lost'], '', ['again lost']]);
      },
    );
  });

  it('keeps notices; those about a Parse are noted, and so is its refusal', () => {
    const noted: string[] = [];
    const form = { parseNoticed: () => void noted.push('noticed'), parseRefused: () => void noted.push('refused') };
    atEveryCut(
      Buffer.concat([notice, parsed, notice, answer('a'), ready()]),
      ({ ask }) => [ask(form)],
      ([a]) => {
        assert.equal(a!.all, text(notice, parsed, notice, answer('a')));
        assert.deepEqual(noted.splice(0), ['noticed']);
      },
    );
    atEveryCut(
      Buffer.concat([error('42P01'), ready()]),
      ({ ask }) => [ask(form)],
      ([a]) => {
        assert.deepEqual([a!.events, noted.splice(0)], [['answered I failed'], ['refused']]);
      },
    );
    atEveryCut(
      Buffer.concat([parsed, error('22012'), ready()]),
      ({ ask }) => [ask(form)],
      () => assert.deepEqual(noted.splice(0), []),
    );
  });

  it('in which a parameter changes spoils the connection, and tells the client nothing of it', () => {
    atEveryCut(
      Buffer.concat([bound, row('1'), done, parameter, ready()]),
      ({ ask }) => [ask()],
      ([a], { server }) => {
        assert.equal(a!.all, text(answer('1')));
        assert.equal(server.closeNeeded, true);
        assert.equal(server.reported, internReported(new Map([['TimeZone', 'UTC']])));
      },
    );
  });

  it('that leaves a transaction open closes the connection', () => {
    atEveryCut(
      Buffer.concat([answer('a'), ready('T')]),
      ({ ask }) => [ask()],
      (_, { log }) => assert.deepEqual(log, ['closed: a shared query has left a transaction open']),
    );
  });

  it('takes the time that the server worked on it, not the time it stood in the queue', () => {
    const w = world();
    const times: number[] = [];
    for (const told of [w.ask(), w.ask()]) {
      told.sharedAnswered = ((_: unknown, _status: number, ms: number) => void times.push(ms)) as never;
    }
    w.clock.ms = 30;
    w.server.onChunk(Buffer.concat([answer('a'), ready()]));
    w.clock.ms = 32;
    w.server.onChunk(Buffer.concat([answer('b'), ready()]));
    assert.deepEqual(times, [30, 2]);
  });
});
