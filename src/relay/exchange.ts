/**
 * A client's exchange in a server's queue: forwards the answer, puts back what the server was not asked for, and counts what the session
 * must know when the answer is whole: which statements completed, whether one failed, whether COPY waits for the client's data.
 */
import type { Exchange, Lost } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { messageFields } from '../wire/read.ts';
import { OwedList } from './owed.ts';
import { isStalePlan } from './stale-plan.ts';

/** The session, as its exchange needs it. */
export interface ExchangeClient {
  /** Called before the first byte of the answer leaves: the client learns of parameters that are different here. */
  answerBegins(server: Server): void;
  forward(chunk: Buffer, start: number, end: number): void;
  /** What the client sent too early can go on: COPY waits for its data, or everything before a Query is answered. */
  inputWanted(): void;
  /** The server changed a reported parameter; the frame was forwarded. */
  parametersChanged(server: Server): void;
  answered(exchange: ClientExchange, server: Server, status: number): void;
  serverLost(server: Server, lost: Lost): void;
}

export class ClientExchange implements Exchange {
  readonly #client: ExchangeClient;
  /** A Query or FunctionCall; otherwise frames of the extended protocol up to Sync. */
  readonly simple: boolean;
  readonly startedMs: number;
  owed: OwedList | undefined;
  /** The client may still add to it. */
  open: boolean;
  /** Statements that completed, in order; after an error none of the rest did. */
  completed = 0;
  failed = false;
  sqlstate: string | undefined;
  /** The last statement stopped at its row limit and its portal can go on. */
  suspended = false;
  /** The server has asked for COPY data so many times, the client has ended it so many times. */
  copiesAsked = 0;
  copiesEnded = 0;
  /** How many the client had ended when it sent its Sync. */
  #endedAtSync = 0;
  /** Parameters that it changes may be changed back at its end: the client is told then what differs. */
  holdsParameters = false;
  /** The client waits for everything so far to be answered. */
  tellWhenAnswered = false;
  /** The last Parse of the unnamed statement was confirmed. */
  parseConfirmed = false;
  /** What was in front of it failed: the client gets this instead of the answer. */
  #instead: Buffer | undefined;
  /** The error that an error of the server stands for, when it stands for another. */
  meaning: ((error: Buffer) => Buffer | undefined) | undefined;
  spoilt = false;
  /** Sends the request once more, with its statement prepared anew, where the client may not learn that a plan was stale. */
  renewal: (() => boolean) | undefined;
  /** The error which says that it was. */
  #stale: Buffer | undefined;
  /** The last ParameterDescription that the client was given, and the one it was given before the request was sent once more. */
  #told: Buffer | undefined;
  #toldBefore: Buffer | undefined;
  #begun = false;

  constructor(client: ExchangeClient, simple: boolean, open: boolean, startedMs: number) {
    this.#client = client;
    this.simple = simple;
    this.open = open;
    this.startedMs = startedMs;
  }

  accountFor(): OwedList {
    this.owed ??= new OwedList((frame) => this.#client.forward(frame, 0, frame.length));
    return this.owed;
  }

  /** What is in front of it was refused: nothing of the answer is for the client but this error. `spoilt`: nor is the server, any more. */
  answerInstead(error: Buffer, spoilt: boolean): void {
    this.#instead ??= error;
    this.spoilt ||= spoilt;
  }

  /** Nothing of the answer has come yet. */
  get answerless(): boolean {
    return !this.#begun;
  }

  /** COPY FROM STDIN is running and the client's data is wanted. */
  get wantsCopyData(): boolean {
    return this.copiesAsked > this.copiesEnded;
  }

  /** Puts back answers whose turn has come, when everything the server was asked so far is answered. */
  pump(server: Server): void {
    if (this.#instead !== undefined || this.owed === undefined || !this.owed.givesNext) return;
    server.flushSlice();
    this.#begin(server);
    this.owed.pump();
  }

  #begin(server: Server): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#client.answerBegins(server);
  }

  answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (this.#instead !== undefined) return false;
    this.#begin(server);
    switch (type) {
      case code.DATA_ROW:
      case code.COPY_DATA:
        return true;
      case code.NOTICE_RESPONSE:
        return true;
      case code.PARAMETER_STATUS:
        // Postgres reports them last, and what we put back ourselves must come before.
        if (this.holdsParameters || this.owed !== undefined) return false;
        this.#client.parametersChanged(server);
        return true;
      case code.ERROR_RESPONSE:
        return this.#error(server, chunk, start, end);
      case code.COPY_IN_RESPONSE:
      case code.COPY_BOTH_RESPONSE:
        this.#copyAsked();
        break;
      case code.COMMAND_COMPLETE:
      case code.EMPTY_QUERY_RESPONSE:
      case code.FUNCTION_CALL_RESPONSE:
        this.suspended = false;
        this.completed += 1;
        break;
      case code.PORTAL_SUSPENDED:
        this.suspended = true;
        this.completed += 1;
        break;
      case code.PARSE_COMPLETE:
        this.parseConfirmed = true;
        break;
      case code.PARAMETER_DESCRIPTION:
        return this.owed === undefined || (this.#described(server, type, chunk, start, end) && this.#tellTypes(chunk.subarray(start, end)));
      case code.ROW_DESCRIPTION:
      case code.NO_DATA:
        return this.owed === undefined || this.#described(server, type, chunk, start, end);
    }
    return this.owed === undefined || this.#owedAnswer(server, type);
  }

  /** Describe tells the types of parameters before it fails for the columns: sent once more, it is not to tell them twice. */
  #tellTypes(frame: Buffer): boolean {
    const repeats = this.#toldBefore?.equals(frame) === true;
    this.#toldBefore = undefined;
    if (this.renewal !== undefined) this.#told = Buffer.from(frame);
    return !repeats;
  }

  #described(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    // What is put back comes first: then the turn is that of who was asked.
    this.pump(server);
    this.owed!.show(chunk, start, end);
    return this.#owedAnswer(server, type);
  }

  #owedAnswer(server: Server, type: number): boolean {
    this.pump(server);
    const forward = this.owed!.take(type);
    if (!forward && this.owed!.givesNext) this.pump(server);
    this.#tellIfAnswered();
    return forward;
  }

  /** The client adds nothing more, unless COPY swallows its Sync. */
  ended(): void {
    this.open = false;
    this.#endedAtSync = this.copiesEnded;
  }

  /** Everything that the server was asked so far is answered. */
  get allAnswered(): boolean {
    return this.owed?.done !== false;
  }

  #tellIfAnswered(): void {
    if (!this.tellWhenAnswered || !this.allAnswered) return;
    this.tellWhenAnswered = false;
    this.#client.inputWanted();
  }

  /** A Sync that the client sent ahead of the data was read, and passed over, as part of the COPY: another one is to come. */
  #copyAsked(): void {
    this.copiesAsked += 1;
    if (!this.simple && this.copiesAsked > this.#endedAtSync) this.open = true;
    this.#client.inputWanted();
  }

  #error(server: Server, chunk: Buffer, start: number, end: number): boolean {
    this.failed = true;
    this.suspended = false;
    this.copiesEnded = this.copiesAsked;
    const meant = this.meaning?.(chunk.subarray(start, end));
    if (meant !== undefined) return this.#meant(server, meant);
    this.sqlstate = messageFields(chunk, start, end).sqlstate;
    if (this.owed === undefined) return true;
    this.pump(server);
    const frame = Buffer.from(chunk.subarray(start, end));
    const mended = this.owed.fail(frame);
    this.#tellIfAnswered();
    if (this.renewal !== undefined && isStalePlan(frame)) {
      this.#stale = mended;
      return false;
    }
    if (mended === frame) return true;
    server.flushSlice();
    this.deliver(mended, 0, mended.length);
    return false;
  }

  #meant(server: Server, error: Buffer): boolean {
    this.sqlstate = messageFields(error, 0, error.length).sqlstate;
    if (this.owed !== undefined) this.pump(server);
    const mended = this.owed?.fail(error) ?? error;
    this.#tellIfAnswered();
    server.flushSlice();
    this.deliver(mended, 0, mended.length);
    return false;
  }

  streams(type: number): boolean {
    if (this.#instead !== undefined) return false;
    if (type === code.ERROR_RESPONSE) this.failed = true;
    if (this.owed === undefined) return true;
    return this.owed.take(type);
  }

  deliver(chunk: Buffer, start: number, end: number): void {
    this.#client.forward(chunk, start, end);
  }

  ready(server: Server, status: number): void {
    server.talk.ends();
    if (this.#instead !== undefined) {
      this.failed = true;
      this.#client.forward(this.#instead, 0, this.#instead.length);
    } else {
      this.#begin(server);
      if (this.#renewed(status)) return;
      if (!this.failed) this.pump(server);
    }
    this.open = false;
    this.#client.answered(this, server, status);
  }

  /** Outside a transaction block nothing is left of a request that failed. */
  #renewed(status: number): boolean {
    const error = this.#stale;
    if (error === undefined) return false;
    this.#stale = undefined;
    if (status === code.STATUS_IDLE && this.renewal!()) return true;
    this.deliver(error, 0, error.length);
    return false;
  }

  /** What is left of its request is sent once more, behind this call. */
  again(server: Server): void {
    this.failed = false;
    this.sqlstate = undefined;
    this.owed!.refused = undefined;
    this.#toldBefore = this.#told;
    server.enqueue(this);
  }

  lost(server: Server, lost: Lost): void {
    // The server's last words were an answer to what was in front: the client has not heard them.
    if (this.#instead !== undefined && lost.error !== undefined) this.#client.forward(this.#instead, 0, this.#instead.length);
    this.#client.serverLost(server, lost);
  }
}
