/** Values, parameters and COPYs of any size pass through bounded memory, and whoever is slow slows down the other side. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const MB = 1024 * 1024;
/** What the process may grow by, whatever passes through it. */
const MOST_GROWTH = 64 * MB;

const memoryOf = (pid: number, what: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

/** Takes what comes as bytes only, looking at headers: bodies of a gigabyte are not kept. */
class Meter {
  readonly #socket: net.Socket;
  readonly types = new Map<string, number>();
  bytes = 0;
  #header = Buffer.alloc(0);
  #left = 0;
  #awaited: { readonly type: string; readonly resolve: () => void } | undefined;

  constructor(client: RawClient) {
    this.#socket = client.socket;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk) => this.#take(chunk));
  }

  until(type: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#awaited = { type, resolve };
      this.#socket.once('close', () => reject(new Error(`closed before ${type}`)));
    });
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      const body = Math.min(this.#left, chunk.length - at);
      this.#left -= body;
      at += body;
      if (at === chunk.length) return;
      const more = chunk.subarray(at, at + 5 - this.#header.length);
      this.#header = Buffer.concat([this.#header, more]);
      at += more.length;
      if (this.#header.length < 5) return;
      const type = String.fromCharCode(this.#header.readUInt8(0));
      this.#left = this.#header.readUInt32BE(1) - 4;
      this.#header = Buffer.alloc(0);
      this.types.set(type, (this.types.get(type) ?? 0) + 1);
      if (this.#awaited?.type === type) this.#awaited.resolve();
    }
  }
}

/** Writes with regard to the other side's pace. */
async function pour(socket: net.Socket, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    if (!socket.write(piece)) await new Promise<void>((resolve) => socket.once('drain', () => resolve()));
  }
}

const PIECE = Buffer.alloc(MB, 'x');
function* megabytes(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield PIECE;
}

describe('large things', { skip: process.platform === 'linux' ? false : 'reads /proc' }, () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let before0 = 0;
  before(async () => {
    postgres = await startPostgres({ settings: { client_connection_check_interval: '50ms' } });
    shardyard = await startInFront(postgres, 'default_pool_size = 4');
    const client = await connect();
    // Buffers that are made once and kept do not count.
    for (let i = 0; i < 3; i++) await client.query("select repeat('x', 1000) from generate_series(1, 20000)");
    await client.close();
  });
  beforeEach(() => {
    before0 = memoryOf(shardyard.pid, 'VmRSS');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  const connect = (): Promise<RawClient> => rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
  let most = 0;
  /** Runs the work while the memory is watched. */
  async function watched(work: () => Promise<unknown>): Promise<void> {
    most = before0;
    const timer = setInterval(() => {
      most = Math.max(most, memoryOf(shardyard.pid, 'VmRSS'));
    }, 10);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
    most = Math.max(most, memoryOf(shardyard.pid, 'VmRSS'));
    assert.ok(most - before0 < MOST_GROWTH, `grew by ${Math.round((most - before0) / MB)} MB`);
  }

  it('a value of 1 GB', () =>
    watched(async () => {
      const client = await connect();
      const meter = new Meter(client);
      const done = meter.until('Z');
      client.send(frames.query("select repeat('x', 1000000000)"));
      await done;
      assert.ok(meter.bytes > 1_000_000_000);
      client.destroy();
    }));

  it('a COPY of 1 GB to the client', () =>
    watched(async () => {
      const client = await connect();
      const meter = new Meter(client);
      const done = meter.until('Z');
      client.send(frames.query("copy (select repeat('x', 6000) from generate_series(1, 175000)) to stdout"));
      await done;
      assert.equal(meter.types.get('d'), 175_000);
      client.destroy();
    }));

  it('a COPY of 150 MB from the client, in messages of a megabyte, into a server that is slower', () =>
    watched(async () => {
      const client = await connect();
      await client.query('create temp table sink (a text)');
      client.send(frames.query('copy sink from stdin'));
      await client.until('G');
      const line = Buffer.concat([Buffer.alloc(MB - 1, 'x'), Buffer.from('\n')]);
      await pour(
        client.socket,
        (function* () {
          for (let i = 0; i < 150; i++) yield frames.copyData(line);
        })(),
      );
      client.send(frames.copyDone());
      assert.equal((await client.until('Z')).find(({ type }) => type === 'C')?.tag, 'COPY 150');
      client.destroy();
    }));

  it('a parameter of 100 MB, to a named and to an unnamed statement', () =>
    watched(async () => {
      for (const name of ['', 'named']) {
        const client = await connect();
        client.send(frames.parse('select length($1)', name), frames.sync());
        await client.until('Z');
        const head = frames.bind({ statement: name, values: [''] });
        const size = 100 * MB;
        const bind = Buffer.from(head);
        bind.writeInt32BE(head.length - 1 + size, 1);
        // The parameter's length stands before the count of result formats.
        bind.writeInt32BE(size, head.length - 6);
        client.send(bind.subarray(0, -2));
        await pour(client.socket, megabytes(100));
        client.send(bind.subarray(-2), frames.execute(), frames.sync());
        assert.deepEqual(rows(await client.until('Z')), [[String(size)]]);
        client.destroy();
      }
    }));

  it('a statement of 100 MB', () =>
    watched(async () => {
      const client = await connect();
      const text = Buffer.from("select length('");
      const rest = Buffer.from("')\0");
      const header = frames.frame('Q', '', 4 + text.length + 100 * MB + rest.length);
      client.send(header, text);
      await pour(client.socket, megabytes(100));
      client.send(rest);
      assert.deepEqual(rows(await client.until('Z')), [[String(100 * MB)]]);
      client.destroy();
    }));

  it('a client that does not read holds up its server, not the memory', () =>
    watched(async () => {
      const client = await connect();
      client.socket.pause();
      client.send(frames.query("select repeat('x', 1000) from generate_series(1, 200000) /* unread */"));
      await eventually(async () => {
        const [row] = await query<{ event: string }>(
          postgres,
          "select wait_event as event from pg_stat_activity where query like '%/* unread */%' and pid <> pg_backend_pid()",
        );
        assert.equal(row?.event, 'ClientWrite');
      });
      const other = await connect();
      assert.deepEqual(rows(await other.query('select 1')), [['1']]);
      await other.close();
      const meter = new Meter(client);
      const done = meter.until('Z');
      client.socket.resume();
      await done;
      assert.equal(meter.types.get('D'), 200_000);
      client.destroy();
    }));

  it('a client that sends to a server that does not read is held up itself', () =>
    watched(async () => {
      const client = await connect();
      await client.query('create temp table sink2 (a text)');
      client.send(frames.query('copy sink2 from stdin'));
      await client.until('G');
      postgres.pause();
      const line = frames.copyData(Buffer.concat([Buffer.alloc(MB - 1, 'x'), Buffer.from('\n')]));
      let taken = 0;
      while (taken < 100 && client.socket.write(line)) taken += 1;
      for (let i = 0; i < 60; i++) client.socket.write(line);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const unsent = client.socket.writableLength;
      assert.ok(unsent > 20 * MB, `${unsent} bytes wait at the client`);
      postgres.resume();
      client.send(frames.copyDone());
      await client.until('Z');
      client.destroy();
    }));

  it('50 clients with 8 MB each at once, of whom some read slowly', () =>
    watched(async () => {
      await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const client = await connect();
          const meter = new Meter(client);
          const done = meter.until('Z');
          client.send(frames.query("select repeat('y', 8000000)"));
          if (i % 5 === 0) {
            client.socket.pause();
            setTimeout(() => client.socket.resume(), 200);
          }
          await done;
          assert.ok(meter.bytes > 8_000_000);
          client.destroy();
        }),
      );
    }));

  it('a length that is only claimed takes no memory', () =>
    watched(async () => {
      const clients = await Promise.all(Array.from({ length: 40 }, () => connect()));
      for (const client of clients) client.send(frames.frame('Q', 'select 1', 1_000_000_000), frames.parse('x').subarray(0, 3));
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const client of clients) client.destroy();
    }));
});
