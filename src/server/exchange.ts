/**
 * An exchange as a server connection sees it: one entry of its queue, which says what becomes of the answer. Those of clients forward it
 * (`src/client/exchange.ts`); Shardyard's own absorb it (here): settings replay, a held-back BEGIN, a health check, a reset.
 */
import { ERROR_RESPONSE } from '../wire/codes.ts';
import type { Server } from './server.ts';

/** Why an exchange will get no (further) answer. */
export interface Lost {
  readonly reason: string;
  /** The server's own last words, as an ErrorResponse, when it said any. */
  readonly error?: Buffer;
}

export interface Exchange {
  /** It reads the frames of its answer: they come whole. */
  readonly reads?: boolean;
  /**
   * One whole frame of the answer. True: forward it. An exchange that sends something of its own first calls `server.flushSlice()`.
   */
  answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean;
  /** A frame whose body streams: true to forward its pieces. */
  streams(type: number): boolean;
  /** Bytes to forward, valid during the call; `last`: ReadyForQuery comes next. */
  deliver(chunk: Buffer, start: number, end: number, last?: boolean): void;
  /** ReadyForQuery: the answer is whole and the exchange is out of the queue. */
  ready(server: Server, status: number): void;
  /** The connection is gone before the answer was whole. */
  lost(server: Server, lost: Lost): void;
  /** It waits behind something slow: true when it is asked again elsewhere, and its answer here will be dropped. */
  displace?(server: Server): boolean;
  /** The server was told to cancel what another exchange of the queue asked. */
  mayBeCanceled?(): void;
}

/** How an internal exchange ended. */
export interface Outcome {
  readonly ok: boolean;
  readonly status: number;
  /** The ErrorResponse frame when the server refused. */
  readonly error?: Buffer;
}

/** An exchange of Shardyard's own: the answer is absorbed, the outcome told once. */
export class InternalExchange implements Exchange {
  readonly #done: (server: Server, outcome: Outcome) => void;
  readonly #row: ((chunk: Buffer, start: number, end: number) => void) | undefined;
  #error: Buffer | undefined;

  get reads(): boolean {
    return this.#row !== undefined;
  }

  /** `row` sees each whole frame of the answer that is no error, when given. */
  constructor(done: (server: Server, outcome: Outcome) => void, row?: (chunk: Buffer, start: number, end: number) => void) {
    this.#done = done;
    this.#row = row;
  }

  answer(_server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (type === ERROR_RESPONSE) this.#error ??= Buffer.from(chunk.subarray(start, end));
    else this.#row?.(chunk, start, end);
    return false;
  }

  streams(): boolean {
    return false;
  }

  deliver(): void {}

  ready(server: Server, status: number): void {
    const ok = this.#error === undefined && status !== 0;
    this.#done(server, this.#error === undefined ? { ok, status } : { ok: false, status, error: this.#error });
  }

  lost(server: Server, lost: Lost): void {
    const error = this.#error ?? lost.error;
    this.#done(server, error === undefined ? { ok: false, status: 0 } : { ok: false, status: 0, error });
  }
}
