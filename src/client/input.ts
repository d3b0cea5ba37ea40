/**
 * What a client says, at the pace at which its session can take it. Frames are shown to the session; one that it does not take now stays
 * here with everything behind it, and the client is not read from, until `resume`. So is a client whose server is slow to take its bytes.
 */
import type { Channel, ChannelOwner } from '../wire/channel.ts';
import { FrameScanner, type FrameSink } from '../wire/frames.ts';

/** Bytes that wait here before the client is no longer read; while it is read, it is noticed when it goes away. */
const BACKLOG_LIMIT = 64 * 1024;

/** The session, as its input sees it. */
export interface InputOwner {
  received(bytes: number): void;
  /** What the client sends now would only pile up: its server does not take it. */
  readonly outputFull: boolean;
  drained(): void;
  gone(error: Error | undefined): void;
}

export class Input implements ChannelOwner, FrameSink {
  readonly #channel: Channel;
  readonly #owner: InputOwner;
  readonly #sink: FrameSink;
  readonly #scanner: FrameScanner;
  /** Bytes that come after a frame which was not taken. */
  #backlog: Buffer | undefined;
  /** The last frame shown was not taken. */
  #refused = false;
  #paused = false;
  #stopped = false;

  constructor(channel: Channel, owner: InputOwner, sink: FrameSink, maxPacketBytes: number) {
    this.#channel = channel;
    this.#owner = owner;
    this.#sink = sink;
    this.#scanner = new FrameScanner(this, maxPacketBytes);
    channel.setOwner(this);
  }

  onChunk(chunk: Buffer): void {
    this.#owner.received(chunk.length);
    if (this.#stopped) return;
    if (this.#backlog !== undefined) this.#backlog = Buffer.concat([this.#backlog, chunk]);
    else this.#push(chunk);
  }

  #push(chunk: Buffer): void {
    this.#refused = false;
    const taken = this.#scanner.push(chunk);
    if (this.#refused || taken < chunk.length) this.#backlog = Buffer.from(chunk.subarray(taken));
    this.flow();
  }

  /** Shows what was not taken again; the session calls it when it can take more. */
  resume(): void {
    const chunk = this.#backlog;
    if (chunk === undefined || this.#stopped) return this.flow();
    this.#backlog = undefined;
    this.#push(chunk);
  }

  /** Reads from the client only while there is room for what it says. */
  flow(): void {
    const waiting = this.#backlog?.length ?? 0;
    const full = !this.#stopped && (waiting > BACKLOG_LIMIT || this.#owner.outputFull);
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#channel.pause();
    else this.#channel.resume();
  }

  /** A frame has begun to arrive, or stands here. */
  get goesOn(): boolean {
    return this.#backlog !== undefined || !this.#scanner.between;
  }

  /** Nothing is shown any more. */
  stop(): void {
    this.#stopped = true;
    this.#backlog = undefined;
    this.#scanner.stop();
  }

  frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    this.#refused = !this.#sink.frame(type, chunk, start, end);
    return !this.#refused;
  }

  open(type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    this.#refused = !this.#sink.open(type, length, chunk, start, end);
    return !this.#refused;
  }

  passes(type: number): boolean {
    return this.#sink.passes(type);
  }
  whole(type: number, length: number): boolean {
    return this.#sink.whole(type, length);
  }
  more(chunk: Buffer, start: number, end: number, last: boolean): void {
    this.#sink.more(chunk, start, end, last);
  }
  malformed(type: number, length: number): void {
    this.#sink.malformed(type, length);
  }
  onDrain(): void {
    this.#owner.drained();
  }
  onClose(error: Error | undefined): void {
    this.#owner.gone(error);
  }
}
