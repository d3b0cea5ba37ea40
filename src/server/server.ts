/**
 * One connection to one Postgres host, after log-in: a queue of exchanges. The head is being answered, the rest are on the wire behind it.
 * What arrives is matched to the head; contiguous frames that are forwarded travel as one slice.
 *
 * The server knows its transaction status, the settings label that it carries, what it reports, and which statements it has prepared.
 * It does not know sessions: who holds it is a `Holder`, told only of what belongs to no exchange.
 * Invariant: when its bytes make no sense or it is told to close, every exchange in the queue is told `lost`, once, and nobody gets it again.
 */
import type { Channel, ChannelOwner } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import { FrameScanner, type FrameSink } from '../wire/frames.ts';
import { cString } from '../wire/read.ts';
import { type Base, NO_BASE } from './base.ts';
import type { Exchange, Lost } from './exchange.ts';
import { type Prepared, PreparedSet } from './prepared.ts';
import { internReported, type Reported, withParameter } from './reported.ts';
import { CLEAN, type Label } from './settings.ts';

/** The session that holds a server between exchanges. */
export interface Holder {
  /** A frame that belongs to no exchange: a notification, a notice, a changed parameter, or the server's last words. */
  unsolicited(server: Server, type: number, chunk: Buffer, start: number, end: number): void;
  /** The held connection is gone while no exchange was on its way. */
  serverLost(server: Server, lost: Lost): void;
  /** The server has room for more bytes again. */
  serverDrained(): void;
}

/** Who made the server and takes it back: the pool. */
export interface ServerOwner {
  serverClosed(server: Server, reason: string): void;
  /** Takes back a server that is clean, with nothing under way. */
  release(server: Server): void;
  /** One of the server's pending cancel requests is through. */
  cancelDone(server: Server): void;
  /** A query joins the queue of a server that several clients share, and something in such a queue is over. */
  joined(server: Server): void;
  sharedDone(server: Server): void;
  /** Counts a shared query that is asked again elsewhere, or an answer that nobody wants any more. */
  readonly pipeline: PipelineCounts;
}

/** Plain numbers, kept by the pool. */
export interface PipelineCounts {
  resentLost: number;
  resentSlow: number;
  resentCanceled: number;
  resentStale: number;
  wasted: number;
}

/** Which Postgres this is, and what log-in told. */
export interface ServerIdentity {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly pid: number;
  readonly secret: Buffer;
  readonly connectedAtMs: number;
}

const ERROR_LIMIT = 1024 * 1024;
/** Server messages that are always read whole, because something in them is looked at. All are small but for errors and notices. */
const WHOLE = new Set([
  code.ERROR_RESPONSE,
  code.NOTICE_RESPONSE,
  code.PARAMETER_STATUS,
  code.READY_FOR_QUERY,
  code.COMMAND_COMPLETE,
  code.NOTIFICATION_RESPONSE,
  code.PARAMETER_DESCRIPTION,
  code.ROW_DESCRIPTION,
]);

/** Counts what is compared by the times below. */
let moment = 0;

/** Who can have notified from a server connection: clients, by the process ids that they were told. */
export class Talk {
  /** Whose request was the last one, and since when there were none of others. */
  user: number | undefined;
  userSince = 0;
  /** The only client that can have notified since then; undefined: nobody has said anything that can. */
  notifier: number | undefined;
  notifierSince = 0;
  /** When the last request was over, and the last of the notifier's, where others have come since. */
  #ended = 0;
  #notifierEnded = 0;

  /** `quiet`: what the client says cannot notify. */
  begins(client: number, quiet: boolean): void {
    if (this.user !== client) {
      if (this.user === this.notifier) this.#notifierEnded = this.#ended;
      this.user = client;
      this.userSince = ++moment;
    }
    if (quiet || this.notifier === client) return;
    if (this.notifier !== undefined) this.notifierSince = this.#notifierEnded;
    this.notifier = client;
  }

  ends(): void {
    this.#ended = ++moment;
  }
}

export class Server implements ChannelOwner, FrameSink {
  readonly identity: ServerIdentity;
  readonly #channel: Channel;
  readonly owner: ServerOwner;
  readonly #scanner: FrameScanner;
  #queue: Exchange[] = [];
  #head = 0;
  #sliceStart = 0;
  #sliceEnd = 0;
  #chunk: Buffer | undefined;
  #streamed = false;
  #lastError: Buffer | undefined;
  #closeReason: string | undefined;
  #closed = false;
  #paused = false;

  holder: Holder | undefined;
  /** Transaction status of the last ReadyForQuery. */
  status: number = code.STATUS_IDLE;
  /** What is set on it; undefined when that is not known. Set by those who queue a replay, for the time after it. */
  label: Label | undefined = CLEAN;
  /** What its connect_query has set: where the label says nothing, that holds. */
  base: Base = NO_BASE;
  reported: Reported;
  readonly prepared = new PreparedSet();
  /** What its unnamed statement is; undefined: none, or not known to be anyone's. */
  unnamed: Prepared | undefined;
  /** The only session that can have drawn from sequences here: currval() and lastval() speak of that. Undefined: whoever. */
  sequenceUser: number | 'nobody' | undefined = 'nobody';
  readonly talk = new Talk();
  /** A client's statement has run here. */
  used = false;
  /** Somebody has had something temporary here: it has a temporary schema ever after. */
  tempSchema = false;
  /** Put out of use as soon as it is released: RECONNECT, a changed configuration. */
  closeNeeded = false;
  /** Cancel requests under way for it: until they are through it must not serve anyone else. */
  cancelsPending = 0;
  /** When the exchange at the head of a shared queue began to be worked on. */
  headSinceMs = 0;
  /** When it last became free, and when its present exchange began (milliseconds of the pool's clock). */
  freeSinceMs: number;

  constructor(identity: ServerIdentity, channel: Channel, owner: ServerOwner, parameters: ReadonlyMap<string, string>) {
    this.identity = identity;
    this.#channel = channel;
    this.owner = owner;
    this.reported = internReported(parameters);
    this.#scanner = new FrameScanner(this, 0x7fffffff);
    this.freeSinceMs = identity.connectedAtMs;
    channel.setOwner(this);
  }

  /** Exchanges whose answer is not whole. */
  get pending(): number {
    return this.#queue.length - this.#head;
  }

  /** It carries the queries of several clients, and nobody holds it: they leave together. */
  get sharing(): boolean {
    return this.#channel.gathers;
  }
  set sharing(sharing: boolean) {
    this.#channel.gathers = sharing;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get channel(): Channel {
    return this.#channel;
  }

  /** Adds an exchange to the queue; its bytes are given to `send`, in the same turn and the same order. */
  enqueue(exchange: Exchange): void {
    this.#queue.push(exchange);
    // Its connection went away a moment ago: told on the next turn, as every other loss.
    if (this.#closed) setImmediate(() => this.#loseAll({ reason: this.#closeReason ?? 'server closed' }));
  }

  /** Those that stand behind the head of a shared queue are asked again elsewhere, `most` of them; returns how many. */
  displace(most: number): number {
    let told = 0;
    for (let at = this.#head + 1; at < this.#queue.length && told < most; at += 1)
      if (this.#queue[at]?.displace?.(this) === true) told += 1;
    return told;
  }

  /** A cancel is on its way: by the time it comes, any of those that are in the queue may be the one that it hits. */
  cancelSent(): void {
    for (let at = this.#head; at < this.#queue.length; at += 1) this.#queue[at]?.mayBeCanceled?.();
  }

  /** Is this exchange being answered now? */
  isHead(exchange: Exchange): boolean {
    return this.#queue[this.#head] === exchange;
  }

  send(bytes: Buffer, start = 0, end = bytes.length): void {
    this.#channel.write(bytes, start, end);
  }

  /** It is not read from at the moment. */
  get paused(): boolean {
    return this.#paused;
  }

  get congested(): boolean {
    return this.#channel.congested;
  }

  /** Stops reading from it, because who gets the answer is slow. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#channel.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#channel.resume();
  }

  /** Ends the connection; what is still in the queue is told `lost`. Sends Terminate when nothing is under way. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closeReason ??= reason;
    if (this.pending === 0 && !this.#channel.closed) {
      this.#channel.write(TERMINATE);
      this.#channel.end(1000);
    } else this.#channel.destroy();
    this.#finish({ reason });
  }

  onChunk(chunk: Buffer): void {
    if (this.#closed) return;
    this.#chunk = chunk;
    this.#sliceStart = 0;
    this.#sliceEnd = 0;
    this.#scanner.push(chunk);
    this.flushSlice();
    this.#chunk = undefined;
  }

  onDrain(): void {
    this.holder?.serverDrained();
  }

  onClose(error: Error | undefined): void {
    const lastError = this.#lastError;
    const reason = this.#closeReason ?? (error === undefined ? 'server conn crashed?' : `server conn crashed? (${error.message})`);
    this.#finish(lastError === undefined ? { reason } : { reason, error: lastError });
  }

  #finish(lost: Lost): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeReason ??= lost.reason;
    this.#scanner.stop();
    this.owner.serverClosed(this, this.#closeReason);
    const idle = this.pending === 0;
    this.#loseAll(lost);
    const holder = this.holder;
    this.holder = undefined;
    if (idle) holder?.serverLost(this, lost);
  }

  #loseAll(lost: Lost): void {
    const rest = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    for (const exchange of rest) exchange.lost(this, lost);
  }

  // -- frames -----------------------------------------------------------------------------------------------------------------------

  passes(type: number): boolean {
    return (type === code.DATA_ROW || type === code.COPY_DATA) && this.#queue[this.#head]?.reads !== true;
  }

  whole(type: number, length: number): boolean {
    return (WHOLE.has(type) || this.#queue[this.#head]?.reads === true) && length <= ERROR_LIMIT;
  }

  frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    this.#frame(type, chunk, start, end);
    return true;
  }

  #frame(type: number, chunk: Buffer, start: number, end: number): void {
    if (type === code.READY_FOR_QUERY) return this.#ready(chunk[start + 5]!);
    if (type === code.PARAMETER_STATUS) this.#parameter(chunk, start, end);
    else if (type === code.ERROR_RESPONSE) this.#lastError = Buffer.from(chunk.subarray(start, end));
    if (this.#head === this.#queue.length || type === code.NOTIFICATION_RESPONSE) {
      this.flushSlice();
      this.holder?.unsolicited(this, type, chunk, start, end);
      return;
    }
    // A client that hears that all is answered may go at once, and take the connection along.
    if (!this.#queue[this.#head]!.answer(this, type, chunk, start, end) || this.#closed) return;
    if (chunk !== this.#chunk) {
      // A frame put together from several chunks lies in a buffer of its own.
      this.flushSlice();
      this.#queue[this.#head]!.deliver(chunk, start, end);
    } else if (this.#sliceEnd === start && this.#sliceEnd > this.#sliceStart) this.#sliceEnd = end;
    else {
      this.flushSlice();
      this.#sliceStart = start;
      this.#sliceEnd = end;
    }
  }

  open(type: number, _length: number, chunk: Buffer, start: number, end: number): boolean {
    this.flushSlice();
    const exchange = this.#queue[this.#head];
    this.#streamed = exchange?.streams(type) ?? false;
    if (this.#streamed) exchange!.deliver(chunk, start, end);
    return true;
  }

  more(chunk: Buffer, start: number, end: number): void {
    if (this.#streamed && !this.#closed) this.#queue[this.#head]!.deliver(chunk, start, end);
  }

  malformed(type: number, length: number): void {
    this.close(`malformed message from server (type ${type}, length ${length})`);
  }

  /** Hands over what was gathered to be forwarded; called before anything else is sent to the same client. `last`: nothing more will come. */
  flushSlice(last = false): void {
    if (this.#sliceEnd === this.#sliceStart) return;
    const [start, end] = [this.#sliceStart, this.#sliceEnd];
    this.#sliceStart = this.#sliceEnd;
    // Closed meanwhile: who was to get it has been told.
    if (!this.#closed) this.#queue[this.#head]!.deliver(this.#chunk!, start, end, last);
  }

  #ready(status: number): void {
    this.flushSlice(true);
    this.status = status;
    this.#lastError = undefined;
    const exchange = this.#queue[this.#head];
    if (exchange === undefined) return this.close('unexpected ReadyForQuery from server');
    this.#head += 1;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > 64) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    exchange.ready(this, status);
  }

  #parameter(chunk: Buffer, start: number, end: number): void {
    const name = cString(chunk, start + 5, end);
    const value = cString(chunk, start + 5 + name.length + 1, end);
    this.reported = withParameter(this.reported, name, value);
  }
}

const TERMINATE = Buffer.from([code.TERMINATE, 0, 0, 0, 4]);
