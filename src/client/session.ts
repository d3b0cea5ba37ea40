/**
 * A session: one client after its log-in. The hot path, top to bottom: frame in → request → facts → plan → server → answer → ready.
 *
 * Phases:
 *   idle      nothing is under way; frames are gathered into a request
 *   waiting   the request is whole (or full) and stands in line for a server; the client's further frames stay unread
 *   active    a server has the exchange; what the client adds (COPY data, the rest of a pipeline up to Sync) goes to it at once
 *   skipping  we refused something of the extended protocol: everything up to Sync is passed over, as Postgres does
 *   closed    gone
 * The session holds its server between exchanges while a transaction is open, while it is pinned, and in session mode.
 *
 * Invariant: at most one exchange of a session is under way, so every answer is this client's and in order.
 */
import type { Database, Plan, Target } from '../../routing/index.ts';
import { routeAll } from '../../routing/index.ts';
import type { Waiter } from '../pool/pool.ts';
import type { ConnectFailure } from '../server/connect.ts';
import { InternalExchange, type Lost } from '../server/exchange.ts';
import { changedParameters, type Reported } from '../server/reported.ts';
import type { Holder, Server } from '../server/server.ts';
import { type Label, replayFrames } from '../server/settings.ts';
import type { Channel, ChannelOwner } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { FrameScanner, type FrameSink } from '../wire/frames.ts';
import { errorResponse, type MessageFields, noticeResponse, parameterStatus, query, readyForQuery } from '../wire/write.ts';
import { cleanAndRelease, cleaningOf } from './cleaning.ts';
import type { Credentials } from './credentials.ts';
import { ClientExchange, type ExchangeClient } from './exchange.ts';
import { commandTag, localAnswer, onlyText } from './local.ts';
import type { Line, Place, SessionPolicy, Tally } from './place.ts';
import { GATHER_LIMIT, Request } from './request.ts';
import { Pins, pinsOf, type Ran, ranOf } from './state.ts';
import { DEFAULT_READING, type Reading, StatementNames, TOO_LARGE } from './statements.ts';
import { Translation } from './translate.ts';

/** Who the client is; fixed at log-in. */
export interface SessionIdentity {
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly credentials: Credentials;
  readonly label: Label;
  readonly applicationName: string;
  /** The cancel key that the client was given. */
  readonly pid: number;
  readonly secret: Buffer;
  readonly connectedAt: Date;
  readonly maxPacketBytes: number;
}

/** Told by the session. */
export interface SessionWatcher {
  sessionClosed(session: Session, reason: string, byUs: boolean): void;
}

type Phase =
  | { readonly at: 'idle' }
  | { readonly at: 'skipping' }
  | { readonly at: 'closed' }
  | { readonly at: 'waiting'; readonly line: Line; readonly waiter: Waiter; readonly target: Target }
  | { readonly at: 'active'; readonly server: Server; readonly exchange: ClientExchange; readonly translation: Translation };

const IDLE: Phase = { at: 'idle' };
const SKIPPING: Phase = { at: 'skipping' };
const CLOSED: Phase = { at: 'closed' };

/** Query and Parse are read whole up to this size, Bind too where its values decide the route; beyond it they stream, or are refused. */
const WHOLE_LIMIT = 16 * 1024 * 1024;

export class Session implements ChannelOwner, FrameSink, Holder, ExchangeClient {
  readonly identity: SessionIdentity;
  readonly pins = new Pins();
  readonly names = new StatementNames();
  readonly #place: Place;
  readonly #channel: Channel;
  readonly #watcher: SessionWatcher;
  readonly #scanner: FrameScanner;
  readonly #request: Request;
  readonly #tally: Tally;
  #phase: Phase = IDLE;
  /** The server that is kept between exchanges, and where it is. */
  #held: Server | undefined;
  #heldTarget: Target | undefined;
  #plan: Plan | undefined;
  #ran: Ran[] = [];
  #policy: SessionPolicy;
  #status: number = code.STATUS_IDLE;
  #reported: Reported;
  #reading: Reading = DEFAULT_READING;
  #readingOf: Reported | undefined;
  /** BEGIN and what followed it, while no statement has shown the shard. */
  #heldBack: string[] = [];
  /** Input that could not be taken yet. */
  #backlog: Buffer | undefined;
  #paused = false;
  #streamTo: Server | undefined;
  #notified = false;
  /** Milliseconds of the clock: when the phase began, and the transaction. */
  sinceMs: number;
  transactionSinceMs = 0;

  constructor(place: Place, channel: Channel, watcher: SessionWatcher, identity: SessionIdentity, reported: Reported) {
    this.identity = identity;
    this.#place = place;
    this.#channel = channel;
    this.#watcher = watcher;
    this.#reported = reported;
    this.#scanner = new FrameScanner(this, identity.maxPacketBytes);
    this.#request = new Request(place.texts, this.names);
    this.#tally = place.tally(identity.database);
    this.#policy = place.policy(identity.database, identity.user);
    this.sinceMs = place.clock.nowMs();
    channel.setOwner(this);
  }

  // -- what others may know ---------------------------------------------------------------------------------------------------------

  get phase(): Phase['at'] {
    return this.#phase.at;
  }
  get status(): number {
    return this.#status;
  }
  get policy(): SessionPolicy {
    return this.#policy;
  }
  get channel(): Channel {
    return this.#channel;
  }
  /** The server that runs the session's statement, or that it holds. */
  get server(): Server | undefined {
    return this.#phase.at === 'active' ? this.#phase.server : this.#held;
  }
  get target(): Target | undefined {
    return this.#heldTarget;
  }
  get applicationName(): string {
    return this.#reported.values.get('application_name') ?? this.identity.applicationName;
  }
  /** When the exchange under way was given to a server. */
  get runningSinceMs(): number | undefined {
    return this.#phase.at === 'active' ? this.#phase.exchange.startedMs : undefined;
  }

  // -- frames in --------------------------------------------------------------------------------------------------------------------

  onChunk(chunk: Buffer): void {
    this.#tally.receivedBytes += chunk.length;
    if (this.#phase.at === 'closed') return;
    if (this.#backlog !== undefined) this.#backlog = Buffer.concat([this.#backlog, chunk]);
    else this.#push(chunk);
  }

  #push(chunk: Buffer): void {
    const taken = this.#scanner.push(chunk);
    if (taken < chunk.length || !this.#scannerFree()) this.#backlog = Buffer.from(chunk.subarray(taken));
    this.#flow();
  }

  /** A held frame that was not taken leaves no bytes behind, but must be shown again. */
  #scannerFree(): boolean {
    return !this.#refused;
  }
  #refused = false;

  /** Shows what waits, now that the session can take more. */
  #resumeInput(): void {
    while (this.#backlog !== undefined && this.#phase.at !== 'closed') {
      const chunk = this.#backlog;
      this.#backlog = undefined;
      this.#refused = false;
      this.#push(chunk);
      if (this.#backlog !== undefined && (this.#backlog as Buffer).length === chunk.length) break;
    }
    this.#flow();
  }

  /** Reads from the client only while there is room for what it says. */
  #flow(): void {
    const full = this.#backlog !== undefined || (this.#phase.at === 'active' && this.#phase.server.congested);
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#channel.pause();
    else this.#channel.resume();
  }

  whole(type: number, length: number): boolean {
    if (length > WHOLE_LIMIT) return false;
    switch (type) {
      case code.COPY_DATA:
        return false;
      case code.BIND:
        return this.#place.database(this.identity.database)?.kind === 'sharded';
      default:
        return true;
    }
  }

  frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    const taken = this.#frame(type, chunk, start, end);
    if (!taken) this.#refused = true;
    return taken;
  }

  #frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    switch (this.#phase.at) {
      case 'idle':
        return this.#gather(type, chunk, start, end);
      case 'active':
        return this.#add(this.#phase, type, chunk, start, end);
      case 'skipping':
        return this.#skip(type);
      case 'waiting':
        return false;
      case 'closed':
        return true;
    }
  }

  #gather(type: number, chunk: Buffer, start: number, end: number): boolean {
    switch (type) {
      case code.QUERY:
      case code.FUNCTION_CALL:
        if (!this.#request.empty) return this.#dispatchFirst();
        this.#request.add(type, chunk, start, end, this.#currentReading());
        this.#dispatch(true);
        return true;
      case code.PARSE:
      case code.BIND:
      case code.DESCRIBE:
      case code.CLOSE:
      case code.EXECUTE:
        this.#request.add(type, chunk, start, end, this.#currentReading());
        if (this.#request.length > GATHER_LIMIT) this.#dispatch(false);
        return true;
      case code.FLUSH:
      case code.SYNC:
        this.#request.add(type, chunk, start, end, this.#currentReading());
        this.#dispatch(type === code.SYNC);
        return true;
      case code.COPY_DATA:
      case code.COPY_DONE:
      case code.COPY_FAIL:
        // Of a COPY that has failed or was never asked for: Postgres passes over them. In an open pipeline they are for the COPY to come.
        if (this.#request.empty) return true;
        return this.#dispatchFirst();
      case code.TERMINATE:
        this.close('client close request', false);
        return true;
      default:
        this.fail(unknownMessage(type));
        return true;
    }
  }

  /** What was gathered goes first; the frame is shown again when a server has it. */
  #dispatchFirst(): boolean {
    this.#dispatch(false);
    return false;
  }

  /** A frame while the exchange is with a server. */
  #add(phase: Extract<Phase, { at: 'active' }>, type: number, chunk: Buffer, start: number, end: number): boolean {
    const { exchange, server } = phase;
    switch (type) {
      case code.COPY_DATA:
        server.send(chunk, start, end);
        this.#flow();
        return true;
      case code.COPY_DONE:
      case code.COPY_FAIL:
        if (exchange.open) this.#sendMore(phase);
        exchange.copiesEnded += 1;
        server.send(chunk, start, end);
        return true;
      case code.SYNC:
      case code.FLUSH:
        // While COPY waits for data the server passes over them.
        if (exchange.wantsCopyData && exchange.simple) return true;
        if (!exchange.open) return false;
        this.#request.add(type, chunk, start, end, this.#currentReading());
        if (type === code.SYNC) exchange.open = false;
        this.#sendMore(phase);
        return true;
      case code.PARSE:
      case code.BIND:
      case code.DESCRIBE:
      case code.CLOSE:
      case code.EXECUTE:
        if (!exchange.open) return false;
        this.#request.add(type, chunk, start, end, this.#currentReading());
        if (this.#request.length > GATHER_LIMIT) this.#sendMore(phase);
        return true;
      case code.QUERY:
        // Postgres runs it although no Sync ended the pipeline: it becomes part of the exchange when that is answered.
        if (exchange.open && !exchange.wantsCopyData) this.#closePipeline(phase);
        return false;
      default:
        return false;
    }
  }

  /** A Query in an open pipeline: what is there is ended by a Sync of ours, so that the Query is an exchange of its own. */
  #closePipeline(phase: Extract<Phase, { at: 'active' }>): void {
    phase.exchange.open = false;
    phase.exchange.silent = true;
    this.#sendMore(phase);
    phase.server.send(SYNC_FRAME);
  }

  #skip(type: number): boolean {
    if (type === code.TERMINATE) this.close('client close request', false);
    if (type !== code.SYNC) return true;
    this.#send(readyForQuery(this.#status));
    this.#enter(IDLE);
    return true;
  }

  // -- large frames, in pieces ------------------------------------------------------------------------------------------------------

  open(type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    if (this.#phase.at === 'waiting') return this.#refuse();
    if (this.#phase.at === 'skipping' || this.#phase.at === 'closed') return this.#discardStream();
    if (this.#phase.at === 'idle') {
      if (type === code.COPY_DATA && this.#request.empty) return this.#discardStream();
      return this.#openIdle(type, length, chunk, start, end);
    }
    const { server, exchange } = this.#phase;
    if (type === code.COPY_DATA) return this.#openStream(server, chunk, start, end);
    if (!exchange.open) return this.#refuse();
    if (type !== code.BIND) return this.#tooLarge(length);
    this.#sendMore(this.#phase);
    return this.#streamBind(this.#phase, length, chunk, start, end);
  }

  #refuse(): boolean {
    this.#refused = true;
    return false;
  }

  #discardStream(): boolean {
    this.#streamTo = undefined;
    return true;
  }

  #openStream(server: Server, chunk: Buffer, start: number, end: number): boolean {
    this.#streamTo = server;
    server.send(chunk, start, end);
    this.#flow();
    return true;
  }

  /** A large Query or Bind begins an exchange: a server is needed before its first byte can go anywhere. */
  #openIdle(type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    const sharded = this.#place.database(this.identity.database)?.kind === 'sharded';
    if (sharded || (type !== code.QUERY && type !== code.BIND)) return this.#tooLarge(length);
    if (type === code.BIND || !this.#request.empty) {
      this.#dispatch(false);
      return this.#refuse();
    }
    this.#request.simple = TOO_LARGE;
    this.#dispatch(true);
    if ((this.#phase as Phase).at !== 'active') return this.#refuse();
    return this.#openStream((this.#phase as Extract<Phase, { at: 'active' }>).server, chunk, start, end);
  }

  #streamBind(phase: Extract<Phase, { at: 'active' }>, length: number, chunk: Buffer, start: number, end: number): boolean {
    const item = this.#request.bindHead(chunk, start, end);
    if (item === undefined) return this.#tooLarge(length);
    phase.translation.sendBindHead(item, chunk, end, length);
    this.#streamTo = phase.server;
    this.#flow();
    return true;
  }

  #tooLarge(length: number): boolean {
    this.fail(errors.statementTooLarge(length, WHOLE_LIMIT));
    return true;
  }

  more(chunk: Buffer, start: number, end: number): void {
    if (this.#phase.at === 'closed') return;
    this.#streamTo?.send(chunk, start, end);
    this.#flow();
  }

  malformed(type: number, length: number): void {
    const header = Buffer.from([type, (length - 1) >>> 24, (length - 1) >>> 16, (length - 1) >>> 8, length - 1]);
    this.fail(
      length > this.identity.maxPacketBytes ? errors.packetTooLarge(length, this.identity.maxPacketBytes) : errors.badPacketHeader(header),
    );
  }

  // -- facts, plan, server ----------------------------------------------------------------------------------------------------------

  /** Sends the request on its way; `complete`: nothing more belongs to the exchange. */
  #dispatch(complete: boolean): void {
    const database = this.#place.database(this.identity.database);
    if (database === undefined) return this.fail(errors.databaseRemoved);
    if (this.#status === code.STATUS_IDLE) this.#policy = this.#place.policy(this.identity.database, this.identity.user);
    this.#complete = complete;
    const plan = this.#route(database);
    this.#plan = plan;
    this.#place.planned(this.identity.database, plan);
    switch (plan.kind) {
      case 'one':
        return this.#acquire(plan.target);
      case 'transaction':
        return this.#answerHeldBack(plan.verb);
      case 'reject':
        return this.#reject(plan);
    }
  }

  #complete = true;

  #route(database: Database): Plan {
    if (database.kind === 'plain' && database.reads === undefined)
      return { kind: 'one', target: this.#plainTarget(database.name), why: 'unsharded', detail: '' };
    const request = this.#request;
    const asked = request.asked().map(({ facts, operands }) => ({ facts, operands: operands ?? UNBOUND }));
    const describeOnly =
      request.simple === undefined &&
      !request.items.some((item) => item.type === code.BIND || item.type === code.EXECUTE || item.type === code.FUNCTION_CALL);
    const catalog = this.#place.catalog(this.identity.database);
    const encoding = this.#currentReading().encoding;
    const view = {
      inTransaction: this.#status !== code.STATUS_IDLE,
      pinned: this.pins.any,
      readOnly: false,
      clientEncoding: encoding,
      ...(this.#heldTarget !== undefined && this.#held !== undefined ? { held: this.#heldTarget } : {}),
      ...(catalog !== undefined ? { catalog } : {}),
    };
    return routeAll(asked, database, view, { describeOnly });
  }

  #plain: Target | undefined;
  #plainTarget(name: string): Target {
    this.#plain ??= { database: name, role: 'primary' };
    return this.#plain;
  }

  #acquire(target: Target): void {
    if (this.#held !== undefined) return this.#start(this.#held, target);
    const now = this.#place.clock.nowMs();
    const waiter: Waiter = {
      label: this.identity.label,
      sinceMs: now,
      deadlineMs: this.#policy.queryWaitMs > 0 ? now + this.#policy.queryWaitMs : Number.POSITIVE_INFINITY,
      granted: (server) => this.#granted(server, target, now),
      refused: (why) => this.#refusedServer(why),
    };
    const got = this.#place.acquire(target, this.identity.credentials, waiter);
    if ('leave' in got) {
      this.#notified = false;
      this.#enter({ at: 'waiting', line: got, waiter, target });
    } else this.#start(got, target);
  }

  #granted(server: Server, target: Target, sinceMs: number): void {
    this.#place.waited(this.identity.database, this.#place.clock.nowMs() - sinceMs);
    this.#tally.waitMs += this.#place.clock.nowMs() - sinceMs;
    this.#start(server, target);
    this.#resumeInput();
  }

  #refusedServer(why: ConnectFailure | 'timeout'): void {
    if (why === 'timeout') return this.fail(errors.queryWaitTimeout);
    if (why.frame !== undefined) this.#send(why.frame);
    this.fail(why.frame === undefined ? (why.error ?? errors.connectFailed) : undefined, why.reason);
  }

  /** The exchange goes to the server: what the server lacks first, in the same write. */
  #start(server: Server, target: Target): void {
    const now = this.#place.clock.nowMs();
    if (this.#held === undefined) this.#tally.assignments += 1;
    if (this.#status === code.STATUS_IDLE) this.transactionSinceMs = now;
    server.holder = this;
    this.#held = server;
    this.#heldTarget = target;
    const exchange = new ClientExchange(
      this,
      this.#request.simple !== undefined || this.#request.items[0]?.type === code.FUNCTION_CALL,
      !this.#complete,
      now,
    );
    this.#bring(server, exchange);
    const plain = this.#complete && Translation.isPlain(this.#request, server, this.names);
    const translation = new Translation(
      server,
      this.names,
      Math.max(1, this.#policy.maxPreparedStatements),
      plain ? undefined : exchange.accountFor(),
    );
    this.#ran = [];
    server.enqueue(exchange);
    this.#enter({ at: 'active', server, exchange, translation });
    this.#sendMore(this.#phase as Extract<Phase, { at: 'active' }>);
  }

  /** Settings that the server does not carry, and what was held back, travel in front. */
  #bring(server: Server, exchange: ClientExchange): void {
    if (server.label !== this.identity.label && !this.pins.any && this.#status === code.STATUS_IDLE) {
      const frames = replayFrames(server.label, this.identity.label);
      server.label = this.identity.label;
      server.unnamed = undefined;
      this.#inFront(server, exchange, frames);
    }
    for (const text of this.#heldBack) this.#inFront(server, exchange, query(Buffer.from(text, 'latin1')));
    this.#heldBack = [];
  }

  #inFront(server: Server, exchange: ClientExchange, frames: Buffer): void {
    server.enqueue(
      new InternalExchange((_, outcome) => {
        if (outcome.ok) return exchange.pump(server);
        if (outcome.error !== undefined) exchange.answerInstead(outcome.error);
      }),
    );
    server.send(frames);
  }

  #sendMore({ server, exchange, translation }: Extract<Phase, { at: 'active' }>): void {
    const request = this.#request;
    this.#ran.push(...ranOf(request.simple, request.executed));
    this.#countRequest(request);
    translation.send(request);
    if (exchange.owed !== undefined && server.pending === 1) exchange.pump(server);
    request.sent();
    this.#flow();
  }

  #countRequest(request: Request): void {
    for (const item of request.items) {
      if (item.type === code.PARSE) this.#tally.clientParses += 1;
      else if (item.type === code.BIND) this.#tally.binds += 1;
    }
  }

  // -- answered here ----------------------------------------------------------------------------------------------------------------

  #answerHeldBack(verb: 'begin' | 'commit' | 'rollback' | 'other'): void {
    const text = onlyText(this.#request);
    const failed = this.#status === code.STATUS_FAILED;
    const ends = verb === 'commit' || verb === 'rollback';
    if (ends) this.#heldBack = [];
    else this.#heldBack.push(text);
    const status = ends ? code.STATUS_IDLE : code.STATUS_TRANSACTION;
    const tag = ends && failed ? 'ROLLBACK' : commandTag(text);
    this.#status = status;
    if (verb === 'begin') this.transactionSinceMs = this.#place.clock.nowMs();
    this.#send(localAnswer(this.#request, this.names, tag, status));
    this.#request.clear();
    this.#enter(IDLE);
  }

  /** Refused: the error, and in a transaction the transaction fails with it, as for any error. */
  #reject(plan: Extract<Plan, { kind: 'reject' }>): void {
    const { sqlstate, message, hint, detail } = plan;
    const error: MessageFields = { severity: 'ERROR', sqlstate, message, hint, ...(detail === undefined ? {} : { detail }) };
    this.refuse(error);
  }

  /** Answers the request under way with an error. */
  refuse(error: MessageFields): void {
    const simple = this.#request.simple !== undefined || this.#request.items[0]?.type === code.FUNCTION_CALL;
    this.#request.clear();
    this.#send(errorResponse(error));
    const done = () => {
      if (!simple && !this.#complete) return this.#enter(SKIPPING);
      this.#send(readyForQuery(this.#status));
      this.#enter(IDLE);
      this.#resumeInput();
    };
    if (this.#status === code.STATUS_IDLE) return done();
    this.#status = code.STATUS_FAILED;
    if (this.#held === undefined) return done();
    this.#failTransaction(this.#held, done);
  }

  /** The server's transaction must fail as well: it is given a statement that cannot be one. */
  #failTransaction(server: Server, done: () => void): void {
    const exchange = new ClientExchange(this, true, false, this.#place.clock.nowMs());
    this.#enter({ at: 'active', server, exchange, translation: new Translation(server, this.names, 1, undefined) });
    server.unnamed = undefined;
    server.enqueue(
      new InternalExchange((_, outcome) => {
        if (outcome.status === 0) return this.fail(errors.serverCrashed);
        this.#status = outcome.status;
        done();
      }),
    );
    server.send(query('shardyard refused a statement of this transaction'));
  }

  // -- the answer -------------------------------------------------------------------------------------------------------------------

  answerBegins(server: Server): void {
    for (const [name, value] of changedParameters(this.#reported, server.reported))
      this.#send(parameterStatus(Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')));
    this.#reported = server.reported;
  }

  parametersChanged(server: Server): void {
    this.#reported = server.reported;
  }

  forward(chunk: Buffer, start: number, end: number): void {
    this.#tally.sentBytes += end - start;
    this.#channel.write(chunk, start, end);
    if (this.#channel.congested) this.#held?.pause();
  }

  #send(frame: Buffer): void {
    this.#channel.write(frame);
  }

  answered(exchange: ClientExchange, server: Server, status: number): void {
    const now = this.#place.clock.nowMs();
    this.#place.exchangeDone(this.identity.database, this.#plan, now - exchange.startedMs, exchange.failed);
    this.#tally.queries += 1;
    this.#tally.queryMs += now - exchange.startedMs;
    if (exchange.replaced) return this.#replayFailed(server);
    this.#status = status;
    this.#remember(exchange, server, now);
    if (this.#policy.mode === 'statement' && status !== code.STATUS_IDLE) return this.fail(errors.noTransactionsInStatementMode);
    if (status === code.STATUS_IDLE) this.#transactionOver(server, now);
    if (!exchange.silent) this.#send(readyForQuery(status));
    this.#request.clear();
    this.#enter(IDLE);
    this.#resumeInput();
  }

  /** Effects count now that the server has confirmed them. */
  #remember(exchange: ClientExchange, server: Server, nowMs: number): void {
    if (exchange.failed && exchange.owed === undefined) {
      server.unnamed = undefined;
      if (!exchange.simple && !exchange.parseConfirmed && this.#request.parsedUnnamed) this.names.unnamed = undefined;
    }
    for (const [name, prepared] of this.#request.portalsBound()) this.names.portals.set(name, prepared);
    for (const { reason, statement } of pinsOf(this.#ran, exchange.completed, exchange.failed)) {
      if (reason === 'set' || reason === 'role' || reason === 'opaque') server.label = undefined;
      if (this.pins.add(reason, statement, nowMs)) this.#place.pinned(this.identity.id, reason, statement);
    }
    this.#ran.forEach((ran, at) => {
      if (at < exchange.completed) for (const effect of ran.effects) this.#discarded(effect.kind, effect.name, server);
    });
  }

  /** Statements that take prepared statements away. */
  #discarded(kind: string, name: string | undefined, server: Server): void {
    if (kind !== 'discard_all' && (kind !== 'deallocate' || name !== undefined)) return;
    this.names.forgetAll();
    server.prepared.clear();
    server.unnamed = undefined;
  }

  #transactionOver(server: Server, nowMs: number): void {
    this.names.transactionEnded();
    this.#tally.transactions += 1;
    this.#tally.transactionMs += nowMs - this.transactionSinceMs;
    if (this.pins.any || this.#policy.mode === 'session') return;
    this.#held = undefined;
    this.#heldTarget = undefined;
    server.resume();
    if (!this.#policy.resetAlways) return server.owner.release(server);
    cleanAndRelease(server, cleaningOf(server, false, true, this.#policy.resetQuery) ?? []);
  }

  /** The server refused the session's own settings: the client sees why, and nobody gets this server again. */
  #replayFailed(server: Server): void {
    this.#held = undefined;
    this.#heldTarget = undefined;
    this.#status = code.STATUS_IDLE;
    server.holder = undefined;
    server.close('settings could not be replayed');
    this.#send(readyForQuery(code.STATUS_IDLE));
    this.#request.clear();
    this.#enter(IDLE);
    this.#resumeInput();
  }

  exchangeLost(_exchange: ClientExchange, server: Server, lost: Lost): void {
    this.serverLost(server, lost);
  }

  serverLost(server: Server, lost: Lost): void {
    if (this.#held !== server || this.#phase.at === 'closed') return;
    this.#held = undefined;
    this.fail(lost.error === undefined ? errors.serverCrashed : undefined, lost.reason);
  }

  unsolicited(_server: Server, _type: number, chunk: Buffer, start: number, end: number): void {
    this.forward(chunk, start, end);
  }

  serverDrained(): void {
    this.#flow();
  }

  onDrain(): void {
    this.#held?.resume();
  }

  // -- the end ----------------------------------------------------------------------------------------------------------------------

  #enter(phase: Phase): void {
    if (this.#phase.at === 'closed') return;
    this.#phase = phase;
    this.sinceMs = this.#place.clock.nowMs();
  }

  onClose(error: Error | undefined): void {
    this.close(error === undefined ? 'client unexpected eof' : `client unexpected eof (${error.message})`, false);
  }

  /** Ends the session with a last word to the client; `reason` is for the log, by default the error's own text. */
  fail(error: MessageFields | undefined, reason = error?.message ?? ''): void {
    if (error !== undefined) this.#send(errorResponse(error));
    this.close(reason, true);
  }

  close(reason: string, byUs: boolean): void {
    if (this.#phase.at === 'closed') return;
    const phase = this.#phase;
    this.#phase = CLOSED;
    this.#scanner.stop();
    if (phase.at === 'waiting') phase.line.leave();
    const server = this.#held;
    this.#held = undefined;
    if (server !== undefined && !server.closed) this.#letGo(server, phase.at === 'active', byUs ? reason : undefined);
    for (const pin of this.pins.list()) this.#place.unpinned(pin.reason, this.#place.clock.nowMs() - pin.sinceMs);
    this.pins.clear();
    this.#watcher.sessionClosed(this, reason, byUs);
    this.#channel.end();
  }

  #letGo(server: Server, busy: boolean, reason: string | undefined): void {
    server.holder = undefined;
    if (busy || server.pending > 0) return server.close(reason ?? 'client disconnect while server was not ready');
    const resets = this.#policy.mode === 'session' || this.#policy.resetAlways;
    const cleaning = cleaningOf(server, this.pins.any, this.pins.undoable, resets ? this.#policy.resetQuery : undefined);
    server.resume();
    if (cleaning === undefined) return server.close('session state that nothing undoes');
    cleanAndRelease(server, cleaning);
  }

  /** A CancelRequest while the statement stands in line: it is not run. */
  cancelWaiting(): void {
    if (this.#phase.at !== 'waiting') return;
    this.#phase.line.leave();
    this.refuse(errors.queryCanceled);
  }

  // -- time -------------------------------------------------------------------------------------------------------------------------

  /** A NOTICE for a client that has stood in line for so long. */
  notifyWaiting(): void {
    if (this.#notified) return;
    this.#notified = true;
    this.#send(noticeResponse(errors.queued));
  }

  #currentReading(): Reading {
    if (this.#readingOf === this.#reported) return this.#reading;
    this.#readingOf = this.#reported;
    const values = this.#reported.values;
    this.#reading = {
      encoding: (values.get('client_encoding') ?? 'UTF8').toUpperCase(),
      standardConformingStrings: values.get('standard_conforming_strings') !== 'off',
    };
    return this.#reading;
  }
}

const UNBOUND = () => undefined;
const SYNC_FRAME = Buffer.from([code.SYNC, 0, 0, 0, 4]);

function unknownMessage(type: number): MessageFields {
  return { severity: 'FATAL', sqlstate: '08P01', message: `invalid frontend message type ${type}` };
}
