/**
 * A client's query in the queue of a server that several clients share. It is a read that stands alone, so as long as its client has been given
 * nothing of the answer it may be asked again elsewhere: when the connection is lost, when it waits behind something slow, when a cancel that
 * was meant for another client hits it, when a plan has gone stale. That is why an answer that is not whole yet is kept for a moment.
 *
 * The exchange may be left alone by its client (asked again, cancelled, gone): then the rest of the answer is dropped here.
 */
import type { Exchange, Lost } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import type { Clock } from '../timers.ts';
import * as code from '../wire/codes.ts';
import { messageFields } from '../wire/read.ts';
import { renameInError } from './owed.ts';

/** Why a query is asked again. */
export type Again = 'lost' | 'slow' | 'canceled' | 'stale';

/** The session, as its shared query needs it. Exactly one of the last three is called, once, unless the client leaves before. */
export interface SharedClient {
  forward(chunk: Buffer, start: number, end: number): void;
  /** The answer was given, whole. `ms`: that the server worked on it. */
  sharedAnswered(exchange: SharedExchange, status: number, ms: number): void;
  /** Nothing was given: it is to be asked again. */
  sharedAgain(why: Again): void;
  /** The connection broke in the middle of an answer. */
  sharedBroken(lost: Lost): void;
}

/** How its frames were changed on their way to the server. */
export interface SharedForm {
  /** Given before all else: the answer to a frame that the server was not asked. */
  readonly prefix?: Buffer | undefined;
  /** ParseCompletes that are not for the client. */
  readonly absorb: number;
  /** It runs a statement that the server had prepared before: it may be stale. */
  readonly prepared: boolean;
  /** What the server refused, should it refuse the Parse that was sent. */
  readonly parseRefused?: (() => void) | undefined;
  /** The server said something about the Parse that was sent. */
  readonly parseNoticed?: (() => void) | undefined;
  /** Our name for its statement, with the NUL that ends it, and the client's (latin1). */
  readonly names?: { readonly ours: Buffer; readonly clients: string } | undefined;
}

/** Of an answer that is not whole; more of it goes to the client as it comes, and cannot be taken back. */
const KEPT_LIMIT = 64 * 1024;

/** Errors that a statement may give only because it was prepared before a definition changed. */
const STALE = /^(0A000|26000|22|42|XX000)/;

export class SharedExchange implements Exchange {
  #client: SharedClient | undefined;
  readonly #form: SharedForm;
  readonly #clock: Clock;
  #absorb: number;
  /** A Parse was sent and is not answered. */
  #parsing: boolean;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** Something of the answer has reached the client. */
  #given = false;
  #again: Again | undefined;
  /** A cancel that was meant for another may hit it. */
  #mayBeCanceled = false;
  #dying = false;
  bytes = 0;
  failed = false;
  /** A Parse of the client's own was confirmed, by the server or by us. */
  parsed: boolean;

  constructor(client: SharedClient, form: SharedForm, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#form = form;
    this.#absorb = form.absorb;
    this.#parsing = form.parseRefused !== undefined;
    this.parsed = form.prefix !== undefined;
  }

  /** Nobody waits for the answer any more. True when nothing of it was given. */
  leave(): boolean {
    this.#client = undefined;
    this.#kept = [];
    return !this.#given;
  }

  get untouched(): boolean {
    return !this.#given;
  }

  answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (type === code.PARSE_COMPLETE) this.#parsing = false;
    else if (type === code.ERROR_RESPONSE && this.#parsing) this.#form.parseRefused?.();
    else if (type === code.NOTICE_RESPONSE && this.#parsing) this.#form.parseNoticed?.();
    // Nothing that is shared sets a parameter: what has changed is not known, and it is not for others.
    if (type === code.PARAMETER_STATUS) server.closeNeeded = true;
    if (this.#client === undefined || this.#again !== undefined) return false;
    switch (type) {
      case code.PARSE_COMPLETE:
        if (this.#absorb > 0) {
          this.#absorb -= 1;
          return false;
        }
        this.parsed = true;
        return true;
      case code.PARAMETER_STATUS:
        return false;
      case code.ERROR_RESPONSE:
        return this.#error(server, chunk, start, end);
    }
    return true;
  }

  #error(server: Server, chunk: Buffer, start: number, end: number): boolean {
    const { severity, sqlstate } = messageFields(chunk, start, end);
    this.failed = true;
    // The connection's own end, not this query's.
    this.#dying = severity === 'FATAL' || severity === 'PANIC';
    if (!this.#given) {
      if (this.#dying) return false;
      if (sqlstate === '57014' && this.#mayBeCanceled) this.#again = 'canceled';
      else if (this.#form.prepared && STALE.test(sqlstate ?? '')) this.#again = 'stale';
      if (this.#again !== undefined) return false;
    }
    const { names } = this.#form;
    if (names === undefined) return true;
    server.flushSlice();
    const mended = renameInError(Buffer.from(chunk.subarray(start, end)), names.ours.subarray(0, -1), Buffer.from(names.clients, 'latin1'));
    this.deliver(mended, 0, mended.length);
    return false;
  }

  streams(): boolean {
    return this.#client !== undefined && this.#again === undefined;
  }

  deliver(chunk: Buffer, start: number, end: number, last = false): void {
    if (this.#client === undefined || this.#again !== undefined) return;
    this.bytes += end - start;
    if (!last && !this.#given && this.#keptBytes + end - start <= KEPT_LIMIT) {
      this.#kept.push(Buffer.from(chunk.subarray(start, end)));
      this.#keptBytes += end - start;
      return;
    }
    this.#give();
    this.#client.forward(chunk, start, end);
  }

  #give(): void {
    if (!this.#given) {
      this.#given = true;
      const { prefix } = this.#form;
      if (prefix !== undefined) this.#client!.forward(prefix, 0, prefix.length);
    }
    if (this.#kept.length === 0) return;
    const kept = this.#kept;
    this.#kept = [];
    for (const part of kept) this.#client!.forward(part, 0, part.length);
  }

  ready(server: Server, status: number): void {
    const client = this.#client;
    const now = this.#clock.nowMs();
    const ms = now - server.headSinceMs;
    server.headSinceMs = now;
    if (client === undefined) server.owner.pipeline.wasted += 1;
    else if (this.#again !== undefined) {
      this.leave();
      client.sharedAgain(this.#again);
    } else {
      this.#give();
      this.leave();
      client.sharedAnswered(this, status, ms);
    }
    if (status !== code.STATUS_IDLE) return server.close('a shared query has left a transaction open');
    server.owner.sharedDone(server);
  }

  lost(_server: Server, lost: Lost): void {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    if (this.#given) client.sharedBroken(lost);
    else client.sharedAgain('lost');
  }

  mayBeCanceled(): void {
    this.#mayBeCanceled = true;
  }

  displace(): boolean {
    if (this.#client === undefined || this.#given) return false;
    const client = this.#client;
    this.leave();
    client.sharedAgain('slow');
    return true;
  }
}
