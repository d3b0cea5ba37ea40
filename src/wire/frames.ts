/**
 * Bytes → frames, without copying. A chunk is walked header by header; a whole frame is shown to the sink as a view on the chunk
 * (type, chunk, start, end); rows and COPY data that nobody looks into are shown many at a time. What a chunk cuts off is either held until it is whole (small frames, and those whose body a decision
 * needs) or streamed in pieces (large rows, COPY data, large parameters), so that a frame of any size passes in bounded memory.
 *
 * Invariant: a chunk is only valid during `push` (sockets read into one reused buffer); the sink copies what it keeps.
 */

/**
 * Who is told about frames. `frame`: a whole one, header included. `open`/`more`: the pieces of a streamed one.
 * `frame` and `open` answer whether they took it; after a false the scanner stands before that frame until `push` is called again.
 */
export interface FrameSink {
  frame(type: number, chunk: Buffer, start: number, end: number): boolean;
  /** Does nobody look into frames of this type now? Those that follow each other are shown as one then, from the first to the end of the last. */
  passes(type: number): boolean;
  /** Must the body be whole? Asked once for a frame that a chunk cuts off; `length` counts the header. */
  whole(type: number, length: number): boolean;
  /** The first piece of a streamed frame, from its header on; at least `STREAM_HEAD` bytes of it. */
  open(type: number, length: number, chunk: Buffer, start: number, end: number): boolean;
  /** A further piece; `last` when it ends the frame. */
  more(chunk: Buffer, start: number, end: number, last: boolean): void;
  /** A length that cannot be: the connection is beyond repair. */
  malformed(type: number, length: number): void;
}

/** A streamed frame is shown first with at least this many bytes, so that the names at the head of a Bind can be read. */
export const STREAM_HEAD = 1024;
/** Frames up to this size are always held until whole: cheaper than streaming. */
const HOLD_LIMIT = 8192;

export class FrameScanner {
  readonly #sink: FrameSink;
  readonly #maxLength: number;
  #stopped = false;
  /** Bytes still to come of the frame that is being streamed. */
  #streaming = 0;
  /** The cut-off frame being put together, how much of it is there, and how much it needs before it can be shown. */
  #held: Buffer | undefined;
  #heldBytes = 0;
  #heldNeed = 0;
  #heldLength = 0;

  /** `maxLength`: the largest frame accepted, header included (setting max_packet_size). */
  constructor(sink: FrameSink, maxLength: number) {
    this.#sink = sink;
    this.#maxLength = maxLength;
  }

  /** No frame is shown any more, not even those left in the present chunk. */
  stop(): void {
    this.#stopped = true;
    this.#held = undefined;
  }

  /** Nothing is cut off: the next byte begins a frame. */
  get between(): boolean {
    return this.#streaming === 0 && this.#held === undefined;
  }

  /** Shows the frames of [from, to); returns where it stopped: `to`, unless the sink did not take a frame. What is left is pushed again later. */
  push(chunk: Buffer, from = 0, to = chunk.length): number {
    let at = from;
    if (this.#streaming > 0) at = this.#pushStreamed(chunk, at, to);
    if (this.#held !== undefined) {
      at = this.#pushHeld(chunk, at, to);
      if (this.#held !== undefined) return at;
    }
    while (to - at >= 5 && !this.#stopped) {
      const type = chunk[at]!;
      const length = frameLength(chunk, at);
      if (length < 5 || length > this.#maxLength) return this.#fail(type, length, to);
      let end = at + length;
      if (end > to) return this.#cutOff(type, length, chunk, at, to);
      if (end < to && chunk[end] === type && this.#sink.passes(type)) end = this.#endOfRun(type, chunk, end, to);
      if (!this.#sink.frame(type, chunk, at, end)) return at;
      at = end;
    }
    if (at < to && !this.#stopped) this.#hold(chunk, at, to, 5, 0);
    return to;
  }

  /** Where the whole frames of this type end that follow each other from `from` on. */
  #endOfRun(type: number, chunk: Buffer, from: number, to: number): number {
    let at = from;
    while (to - at >= 5 && chunk[at] === type) {
      const length = frameLength(chunk, at);
      if (length < 5 || length > this.#maxLength || length > to - at) break;
      at += length;
    }
    return at;
  }

  #fail(type: number, length: number, to: number): number {
    this.stop();
    this.#sink.malformed(type, length);
    return to;
  }

  #cutOff(type: number, length: number, chunk: Buffer, at: number, to: number): number {
    if (length <= HOLD_LIMIT || this.#sink.whole(type, length)) this.#hold(chunk, at, to, length, length);
    else if (to - at < STREAM_HEAD) this.#hold(chunk, at, to, STREAM_HEAD, length);
    else if (!this.#sink.open(type, length, chunk, at, to)) return at;
    else this.#streaming = length - (to - at);
    return to;
  }

  /** Keeps [at, to) and waits for `need` bytes in all; `length` 0 while even the header is not whole. */
  #hold(chunk: Buffer, at: number, to: number, need: number, length: number): void {
    // A frame that claims to be large gets its memory as it arrives: a hostile length must not allocate.
    const size = Math.min(need, Math.max(HOLD_LIMIT, 2 * (to - at)));
    this.#held = Buffer.allocUnsafe(Math.max(size, need === 5 ? 64 : 0));
    this.#heldBytes = chunk.copy(this.#held, 0, at, to);
    this.#heldNeed = need;
    this.#heldLength = length;
  }

  #pushStreamed(chunk: Buffer, at: number, to: number): number {
    const take = Math.min(this.#streaming, to - at);
    this.#streaming -= take;
    if (take > 0) this.#sink.more(chunk, at, at + take, this.#streaming === 0);
    return at + take;
  }

  /** Adds to the held frame; returns where the chunk goes on. Shows the frame once enough of it is there; it stays held if it is not taken. */
  #pushHeld(chunk: Buffer, from: number, to: number): number {
    let at = from;
    for (;;) {
      at += this.#fill(chunk, at, to);
      if (this.#heldBytes < this.#heldNeed) return at;
      if (this.#heldLength > 0) break;
      const held = this.#held!;
      const length = frameLength(held, 0);
      if (length < 5 || length > this.#maxLength) return this.#fail(held[0]!, length, to);
      this.#heldLength = length;
      this.#heldNeed = length <= HOLD_LIMIT || this.#sink.whole(held[0]!, length) ? length : Math.max(STREAM_HEAD, this.#heldBytes);
    }
    return this.#showHeld(chunk, at, to);
  }

  #showHeld(chunk: Buffer, at: number, to: number): number {
    const held = this.#held!;
    if (this.#heldNeed === this.#heldLength) {
      if (this.#sink.frame(held[0]!, held, 0, this.#heldLength)) this.#held = undefined;
      return at;
    }
    if (!this.#sink.open(held[0]!, this.#heldLength, held, 0, this.#heldBytes)) return at;
    this.#held = undefined;
    this.#streaming = this.#heldLength - this.#heldBytes;
    return this.#stopped ? to : this.#pushStreamed(chunk, at, to);
  }

  /** Copies what fits of [at, to) into the held frame, growing it by doubling; returns how much. */
  #fill(chunk: Buffer, at: number, to: number): number {
    const take = Math.min(this.#heldNeed - this.#heldBytes, to - at);
    if (take <= 0) return 0;
    const needed = this.#heldBytes + take;
    if (needed > this.#held!.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#heldNeed, Math.max(needed, this.#held!.length * 2)));
      this.#held!.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held!, this.#heldBytes, at, at + take);
    this.#heldBytes += take;
    return take;
  }
}

/** Whole length of the frame whose type byte is at `at`, header included. */
function frameLength(bytes: Buffer, at: number): number {
  return ((bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!) + 1;
}
