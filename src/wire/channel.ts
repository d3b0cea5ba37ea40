/**
 * A socket that speaks bytes in both directions, for clients and servers alike. Reads go into one buffer shared by all channels (a chunk
 * is valid only during `onChunk`). What is written while a chunk is dealt with becomes one write when that is done, or another channel is written to:
 * who waits for it may hold locks, and what the write needs is still in the processor's cache. For a channel that `gathers`, and outside of reads, it
 * becomes one write when enough is there, at the latest at the end of the event loop's turn. It knows no protocol.
 *
 * Back pressure: `congested` says that the peer reads more slowly than we write; `onDrain` is called when it has caught up.
 */
import net from 'node:net';
import { chunkArrived, chunkDealtWith } from '../timers.ts';
import { copyBytes } from './copy.ts';

const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);
/** Full reads of one channel before the others have their turn: libuv would go on for 32. */
const READS_IN_A_ROW = 2;
/** Unsent bytes above which a channel is congested. */
const HIGH_WATER = 256 * 1024;
/** Pieces up to this size are gathered in one buffer; larger ones are written as they are. */
const GATHER_LIMIT = 16 * 1024;
const GATHER_SIZE = 32 * 1024;
/** What a channel that gathers sends without waiting for the end of the turn: with 1,000 clients its server would have nothing to do for so long. */
const GATHERED_ENOUGH = 1500;

/** Buffers for gathering, given back when the kernel took everything at once. */
const spare: Buffer[] = [];
const SPARE_LIMIT = 256;

/**
 * Buffers for large pieces, given back when they are written: a large value passes in pieces of one read each, and fresh memory for each of
 * them would pile up faster than it is collected.
 */
const largeSpare: Buffer[] = [];
const LARGE_SPARE_LIMIT = 16;

function giveLarge(buffer: Buffer): void {
  if (largeSpare.length < LARGE_SPARE_LIMIT) largeSpare.push(buffer);
}

/** Bytes to write, and the buffer that they lie in, where it goes back when they are written. */
interface Part {
  readonly bytes: Buffer;
  readonly whole?: Buffer;
}

/** The channel with something to write when the read that is under way has been dealt with, or the next one has. */
let soon: Channel | undefined;
/** A chunk is being dealt with. */
let reading = false;
/** Whose full reads the last ones were, and how many. */
let lastRead: Channel | undefined;
let readsInARow = 0;
/** Channels with something to write at the end of this turn of the event loop. */
let later: Channel[] = [];
let scheduled = false;

function flushSoon(): void {
  reading = false;
  chunkDealtWith();
  writeSoon(undefined);
}

/** It is `next` that has something to write; what the one before it had is written now. */
function writeSoon(next: Channel | undefined): void {
  const last = soon;
  soon = next;
  if (last !== next) last?.flush();
}

function flushLater(): void {
  scheduled = false;
  const channels = later;
  later = [];
  for (const channel of channels) channel.flush();
}

/** Who owns a channel. Every call comes from the event loop, never from inside a method of the channel. */
export interface ChannelOwner {
  /** Bytes [0, length) of `chunk`, valid during the call only. */
  onChunk(chunk: Buffer): void;
  onDrain(): void;
  /** The connection is gone, once; `error` when it did not end in order. */
  onClose(error: Error | undefined): void;
}

const CHANNEL = Symbol('channel');
/** A socket that knows its channel. */
type Owned = net.Socket & { [CHANNEL]: Channel };

function onError(this: net.Socket, error: Error): void {
  Channel.heard((this as Owned)[CHANNEL], error);
}
function onDrain(this: net.Socket): void {
  Channel.heard((this as Owned)[CHANNEL], 'drain');
}
function onEnd(this: net.Socket): void {
  Channel.heard((this as Owned)[CHANNEL], 'end');
}
function onClose(this: net.Socket): void {
  Channel.heard((this as Owned)[CHANNEL], 'close');
}

export class Channel {
  readonly #socket: net.Socket;
  #owner: ChannelOwner;
  #gather: Buffer | undefined;
  #gathered = 0;
  #large: Part[] = [];
  #largeBytes = 0;
  #isDirty = false;
  #wasCongested = false;
  /** Its owner wants nothing to read. */
  #isPaused = false;
  #closed = false;
  #error: Error | undefined;
  /** It waits for what other channels' reads of this turn add to it: one write carries the queries of several clients. */
  gathers = false;
  /** Totals for the statistics. */
  receivedBytes = 0;
  sentBytes = 0;

  private constructor(socket: net.Socket, owner: ChannelOwner) {
    this.#socket = socket;
    this.#owner = owner;
    (socket as Owned)[CHANNEL] = this;
    socket.on('error', onError).on('drain', onDrain).on('end', onEnd).on('close', onClose);
  }

  /** What its socket tells, for listeners that all channels share: closures of its own would count with thousands of idle clients. */
  static heard(channel: Channel, event: 'drain' | 'end' | 'close' | Error): void {
    if (event === 'drain') channel.#drained();
    else if (event === 'end') channel.destroy();
    else if (event === 'close') {
      channel.#closed = true;
      channel.#owner.onClose(channel.#error);
    } else channel.#error = event;
  }

  /** Opens a connection; `onOpen` when it stands. Failure is told by `onClose`. */
  static connect(to: net.NetConnectOpts, owner: ChannelOwner, onOpen: () => void): Channel {
    let channel: Channel;
    const onread = { buffer: READ_BUFFER, callback: (length: number) => channel.#read(length) };
    const socket = net.connect({ ...to, noDelay: true, onread } as net.NetConnectOpts, onOpen);
    channel = new Channel(socket, owner);
    return channel;
  }

  /**
   * Takes over a socket that a listener accepted with `pauseOnConnect`. The handle moves to a socket that reads into the shared buffer:
   * `net.createServer` cannot be told to do so, and a fresh 64 kB buffer for each read is what a plain socket costs.
   */
  static adopt(accepted: net.Socket, owner: ChannelOwner): Channel {
    const withHandle = accepted as unknown as { _handle: unknown };
    const handle = withHandle._handle;
    withHandle._handle = null;
    let channel: Channel;
    const onread = { buffer: READ_BUFFER, callback: (length: number) => channel.#read(length) };
    const socket = new net.Socket({ handle, readable: true, writable: true, onread } as unknown as net.SocketConstructorOpts);
    channel = new Channel(socket, owner);
    socket.resume();
    return channel;
  }

  #read(length: number): boolean {
    this.receivedBytes += length;
    reading = true;
    chunkArrived();
    try {
      this.#owner.onChunk(READ_BUFFER.subarray(0, length));
    } finally {
      flushSoon();
    }
    if (length === READ_BUFFER.length) this.#takeTurns();
    else readsInARow = 0;
    return true;
  }

  /** After several full reads there is more to come, but it is the others' turn. */
  #takeTurns(): void {
    readsInARow = lastRead === this ? readsInARow + 1 : 1;
    lastRead = this;
    if (readsInARow < READS_IN_A_ROW || this.#isPaused || this.closed) return;
    readsInARow = 0;
    this.#socket.pause();
    setImmediate(() => this.#isPaused || this.resume());
  }

  /** Log-in hands the channel on to whoever lives with it afterwards. */
  setOwner(owner: ChannelOwner): void {
    this.#owner = owner;
  }

  get closed(): boolean {
    return this.#closed || this.#socket.destroyed;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }
  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }
  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }
  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  setKeepAlive(on: boolean, idleMs: number): void {
    this.#socket.setKeepAlive(on, idleMs);
  }

  /** Bytes that the peer has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.#gathered + this.#largeBytes;
  }

  get congested(): boolean {
    if (this.unsentBytes <= HIGH_WATER) return false;
    this.#wasCongested = true;
    return true;
  }

  /**
   * Queues a copy of [start, end); it leaves at the end of this turn. A piece larger than any read is not copied: it must not be written to
   * again.
   */
  write(chunk: Buffer, start = 0, end = chunk.length): void {
    const length = end - start;
    if (length === 0 || this.closed) return;
    this.#markDirty();
    this.sentBytes += length;
    if (length > GATHER_LIMIT) return this.#writeLarge(chunk, start, end);
    if (this.#gather === undefined) this.#gather = spare.pop() ?? Buffer.allocUnsafeSlow(GATHER_SIZE);
    if (this.#gathered + length > this.#gather.length) {
      this.#setAside();
      this.#gather = spare.pop() ?? Buffer.allocUnsafeSlow(GATHER_SIZE);
    }
    this.#gathered += copyBytes(chunk, start, end, this.#gather, this.#gathered);
    if (this.gathers && reading && this.#gathered >= GATHERED_ENOUGH) writeSoon(this);
  }

  #writeLarge(chunk: Buffer, start: number, end: number): void {
    if (this.#gathered > 0) this.#setAside();
    const length = end - start;
    if (length > READ_BUFFER.length) this.#large.push({ bytes: chunk.subarray(start, end) });
    else {
      const whole = largeSpare.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER.length);
      chunk.copy(whole, 0, start, end);
      this.#large.push({ bytes: whole.subarray(0, length), whole });
    }
    this.#largeBytes += length;
    if (this.#largeBytes > HIGH_WATER) this.flush();
  }

  #setAside(): void {
    this.#large.push({ bytes: this.#gather!.subarray(0, this.#gathered) });
    this.#largeBytes += this.#gathered;
    this.#gather = undefined;
    this.#gathered = 0;
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    if (reading && !this.gathers) writeSoon(this);
    else this.#flushLater();
  }

  #flushLater(): void {
    later.push(this);
    if (scheduled) return;
    scheduled = true;
    setImmediate(flushLater);
  }

  /** Hands everything queued to the kernel now. */
  flush(): void {
    this.#isDirty = false;
    const socket = this.#socket;
    const gather = this.#gather;
    if (this.closed) {
      this.#forget();
      return;
    }
    if (this.#large.length > 0) {
      if (this.#gathered > 0) this.#setAside();
      socket.cork();
      for (const { bytes, whole } of this.#large) socket.write(bytes, whole === undefined ? undefined : () => giveLarge(whole));
      socket.uncork();
      this.#forget();
    } else if (gather !== undefined && this.#gathered > 0) {
      socket.write(gather.subarray(0, this.#gathered));
      this.#gather = undefined;
      this.#gathered = 0;
      // The kernel took it all: nobody looks at the buffer any more.
      if (socket.writableLength === 0 && spare.length < SPARE_LIMIT) spare.push(gather);
    }
    if (!this.#wasCongested || this.congested) return;
    // Its owner is told from the event loop only: another channel's chunk may be under way.
    if (reading) this.#flushLater();
    else this.#drained();
  }

  #forget(): void {
    this.#large = [];
    this.#largeBytes = 0;
    this.#gather = undefined;
    this.#gathered = 0;
  }

  #drained(): void {
    if (!this.#wasCongested || this.closed) return;
    this.#wasCongested = false;
    this.#owner.onDrain();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }
  resume(): void {
    this.#isPaused = false;
    if (!this.closed) this.#socket.resume();
  }

  /**
   * Sends what is queued, then ends our side. What the peer still sends is read and dropped: closing with bytes unread would reset the
   * connection, and the last words with it. A peer that does not end its side is cut off after `graceMs`.
   */
  end(graceMs = 1000): void {
    if (this.closed) return;
    this.flush();
    this.#socket.end();
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), graceMs);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  /** Ends at once; what is queued and not yet taken is lost. */
  destroy(): void {
    if (this.closed) return;
    this.flush();
    this.#socket.destroy();
  }
}
