/**
 * What a frame of the client means in each phase of its session: gathered into the request, sent after the exchange that is under way, left
 * with the client for now (false), or passed over as Postgres does. Large frames go on in pieces, once there is a server for them.
 */
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import type { FrameSink } from '../wire/frames.ts';
import type { MessageFields } from '../wire/write.ts';
import { LongText, type LongTextOwner, type Seen } from './long-text.ts';
import type { Active, Phase } from './phase.ts';
import { TOO_LARGE } from './read-text.ts';
import { GATHER_LIMIT, type Request } from './request.ts';

const FLUSH_FRAME = Buffer.from([code.FLUSH, 0, 0, 0, 4]);

/** The session, as its intake needs it. */
export interface IntakeOwner extends LongTextOwner {
  readonly phase: Phase;
  readonly request: Request;
  readonly isSharded: boolean;
  readonly policy: { readonly statementLimit: number };
  readonly identity: { readonly maxPacketBytes: number };
  /** Adds a whole frame to the request. */
  keep(type: number, chunk: Buffer, start: number, end: number): void;
  /** Sends the request on its way; `complete`: nothing more belongs to the exchange. */
  dispatch(complete: boolean): void;
  /** Sends what was added to an exchange that a server has. */
  sendMore(active: Active): void;
  /** The Sync that ends the skipping. */
  ready(): void;
  /** Reads from the client, or not, as there is room. */
  flow(): void;
  fail(error: MessageFields): void;
  close(reason: string, byUs: boolean): void;
}

export class Intake implements FrameSink {
  readonly #session: IntakeOwner;
  readonly #longText: LongText;
  /** Where the pieces of the large frame go; undefined: nowhere. */
  #streamTo: Server | undefined;

  constructor(session: IntakeOwner) {
    this.#session = session;
    this.#longText = new LongText(session);
  }

  frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    const { phase } = this.#session;
    switch (phase.at) {
      case 'idle':
        return this.#gather(type, chunk, start, end);
      case 'active':
        return this.#add(phase, type, chunk, start, end);
      case 'skipping':
        return this.#skip(type);
      case 'waiting':
        this.#longText.handOver(type, chunk, start, end);
        return false;
      case 'shared':
        return false;
      case 'closed':
        return true;
    }
  }

  #gather(type: number, chunk: Buffer, start: number, end: number): boolean {
    switch (type) {
      case code.QUERY:
      case code.FUNCTION_CALL:
        if (!this.#session.request.empty) return this.#dispatchFirst(() => this.frame(type, chunk, start, end));
        return this.#query(type, chunk, start, end);
      case code.PARSE:
      case code.BIND:
      case code.DESCRIBE:
      case code.CLOSE:
      case code.EXECUTE:
        if (this.#keep(type, chunk, start, end) !== 'take') return false;
        if (this.#session.request.length > GATHER_LIMIT) this.#session.dispatch(false);
        return true;
      case code.FLUSH:
      case code.SYNC:
        this.#session.keep(type, chunk, start, end);
        this.#session.dispatch(type === code.SYNC);
        return true;
      case code.COPY_DATA:
      case code.COPY_DONE:
      case code.COPY_FAIL:
        // Of a COPY that has failed or was never asked for: Postgres passes over them. In an open pipeline they are for the COPY to come.
        return this.#session.request.empty || this.#dispatchFirst(() => this.frame(type, chunk, start, end));
      case code.TERMINATE:
        // What is executed in front of it may be a COMMIT.
        if (this.#session.request.executed.length > 0) return this.#dispatchFirst(() => this.frame(type, chunk, start, end));
        this.#session.close('client close request', false);
        return true;
      default:
        this.#session.fail(errors.poolerFatal(`invalid frontend message type ${type}`));
        return true;
    }
  }

  #query(type: number, chunk: Buffer, start: number, end: number): boolean {
    const seen = this.#keep(type, chunk, start, end);
    if (seen === 'take') this.#session.dispatch(true);
    return seen !== 'leave';
  }

  /** Adds a frame to the request, as soon as its text is known. */
  #keep(type: number, chunk: Buffer, start: number, end: number): Seen {
    const seen = type === code.QUERY || type === code.PARSE ? this.#longText.see(type, chunk, start, end) : 'take';
    if (seen === 'take') this.#session.keep(type, chunk, start, end);
    return seen;
  }

  /** What was gathered goes first; the frame is shown again at once when a server has it, else when one is granted. */
  #dispatchFirst(again: () => boolean): boolean {
    this.#session.dispatch(false);
    const { phase } = this.#session;
    if (phase.at === 'waiting') return false;
    return phase.at === 'idle' ? true : again();
  }

  /** A frame while the exchange is with a server. */
  #add(active: Active, type: number, chunk: Buffer, start: number, end: number): boolean {
    const { exchange, server } = active;
    switch (type) {
      case code.COPY_DATA:
      case code.COPY_DONE:
      case code.COPY_FAIL:
        if (exchange.open && !this.#session.request.empty) this.#session.sendMore(active);
        if (type !== code.COPY_DATA) exchange.copiesEnded += 1;
        server.send(chunk, start, end);
        this.#session.flow();
        return true;
      case code.TERMINATE:
        if (!exchange.wantsCopyData) return this.#terminate(active);
    }
    if (exchange.wantsCopyData) {
      // While COPY waits for data the server passes over these two; anything else is an error that ends the connection.
      if (type !== code.SYNC && type !== code.FLUSH) server.send(chunk, start, end);
      return true;
    }
    return exchange.open && this.#addToPipeline(active, type, chunk, start, end);
  }

  #addToPipeline(active: Active, type: number, chunk: Buffer, start: number, end: number): boolean {
    const { exchange } = active;
    // After an error the server passes over everything up to Sync; nothing of it may be believed to have happened.
    if (exchange.failed && type !== code.SYNC) {
      this.#longText.end();
      return true;
    }
    switch (type) {
      case code.SYNC:
      case code.FLUSH:
        if (exchange.failed) this.#session.request.sent();
        this.#session.keep(type, chunk, start, end);
        if (type === code.SYNC) exchange.ended();
        this.#session.sendMore(active);
        return true;
      case code.PARSE:
      case code.BIND:
      case code.DESCRIBE:
      case code.CLOSE:
      case code.EXECUTE:
        if (this.#keep(type, chunk, start, end) !== 'take') return false;
        if (this.#session.request.length > GATHER_LIMIT) this.#session.sendMore(active);
        return true;
      case code.QUERY:
      case code.FUNCTION_CALL:
        return this.#queryInPipeline(active, type, chunk, start, end);
      default:
        return false;
    }
  }

  /** Postgres runs a Query before the Sync, unless an error came before it: then it passes over it. So it is known first which it is. */
  #queryInPipeline(active: Active, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (!this.#allAnswered(active)) return false;
    if (this.#keep(type, chunk, start, end) !== 'take') return false;
    active.exchange.ended();
    this.#session.sendMore(active);
    return true;
  }

  /** Whether everything in front of the frame at hand is answered; if not, the server is asked for it and the frame shown again then. */
  #allAnswered(active: Active): boolean {
    const { exchange } = active;
    if (exchange.allAnswered && this.#session.request.empty) return true;
    if (!this.#session.request.empty) this.#session.sendMore(active);
    if (!exchange.tellWhenAnswered) active.server.send(FLUSH_FRAME);
    exchange.tellWhenAnswered = true;
    return false;
  }

  /** Postgres ends the session when what came before is done; in a pipeline no Sync is to come, and what it did is undone. */
  #terminate(active: Active): boolean {
    const { exchange } = active;
    if (!exchange.open || !(exchange.failed || this.#allAnswered(active))) return false;
    this.#session.close('client close request', false);
    return true;
  }

  #skip(type: number): boolean {
    if (type === code.TERMINATE) this.#session.close('client close request', false);
    if (type !== code.SYNC) return true;
    this.#session.ready();
    return true;
  }

  // -- large frames, in pieces ------------------------------------------------------------------------------------------------------

  passes(type: number): boolean {
    return type === code.COPY_DATA;
  }

  whole(type: number, length: number): boolean {
    if (length > this.#session.policy.statementLimit || type === code.COPY_DATA) return false;
    return type !== code.BIND || this.#session.isSharded;
  }

  open(type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    const { phase } = this.#session;
    this.#streamTo = undefined;
    if (phase.at === 'waiting' || phase.at === 'shared') return false;
    if (phase.at === 'skipping' || phase.at === 'closed') return true;
    if (phase.at === 'active') return this.#openActive(phase, type, length, chunk, start, end);
    if (type === code.COPY_DATA && this.#session.request.empty) return true;
    if (this.#session.isSharded || (type !== code.QUERY && type !== code.BIND && type !== code.COPY_DATA)) return this.#tooLarge(length);
    if (type !== code.QUERY || !this.#session.request.empty) return this.#dispatchFirst(() => this.open(type, length, chunk, start, end));
    this.#session.request.simple = TOO_LARGE;
    this.#session.dispatch(true);
    // In line for a server, its pieces stay with the client; it will be shown again.
    const { phase: now } = this.#session;
    return now.at === 'active' && this.#stream(now.server, chunk, start, end);
  }

  #openActive(active: Active, type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    if (type === code.COPY_DATA) return this.#stream(active.server, chunk, start, end);
    if (type === code.QUERY && this.#session.request.simple === TOO_LARGE && active.exchange.answerless)
      return this.#stream(active.server, chunk, start, end);
    if (!active.exchange.open) return false;
    if (type !== code.BIND) return this.#tooLarge(length);
    this.#session.sendMore(active);
    const item = this.#session.request.bindHead(chunk, start, end);
    if (item === undefined) return this.#tooLarge(length);
    active.translation.sendBindHead(item, chunk, end, length);
    this.#streamTo = active.server;
    this.#session.flow();
    return true;
  }

  #stream(server: Server, chunk: Buffer, start: number, end: number): boolean {
    this.#streamTo = server;
    server.send(chunk, start, end);
    this.#session.flow();
    return true;
  }

  #tooLarge(length: number): boolean {
    this.#session.fail(errors.statementTooLarge(length, this.#session.policy.statementLimit));
    return true;
  }

  more(chunk: Buffer, start: number, end: number): void {
    this.#streamTo?.send(chunk, start, end);
    this.#session.flow();
  }

  malformed(type: number, length: number): void {
    const limit = this.#session.identity.maxPacketBytes;
    const size = length - 1;
    const header = Buffer.from([type, size >>> 24, size >>> 16, size >>> 8, size]);
    this.#session.fail(length > limit ? errors.packetTooLarge(length, limit) : errors.badPacketHeader(header));
  }
}
