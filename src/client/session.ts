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
import type { ClientExchange, ExchangeClient } from '../relay/exchange.ts';
import { cleanAndRelease, cleaningOf, failTransaction, letGo, trimPrepared } from '../server/cleaning.ts';
import type { ConnectFailure } from '../server/connect.ts';
import type { Lost } from '../server/exchange.ts';
import { changedParameters, type Reported } from '../server/reported.ts';
import type { Holder, Server } from '../server/server.ts';
import type { Channel } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { errorResponse, type MessageFields, noticeResponse, readyForQuery, withPid } from '../wire/write.ts';
import { forgetHere } from './forget.ts';
import { HeldBack } from './held-back.ts';
import type { SessionIdentity } from './identity.ts';
import { Input, type InputOwner } from './input.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { launch } from './launch.ts';
import type { LocalAnswer } from './local.ts';
import { type Active, CLOSED, IDLE, type Phase, SKIPPING } from './phase.ts';
import type { ExchangeDone, Place, SessionPolicy, Tally } from './place.ts';
import { planOf } from './plan-of.ts';
import { refusalOf, sendPart } from './refusals.ts';
import { Request } from './request.ts';
import { checkAndRelease } from './sentinel.ts';
import { SessionState } from './state.ts';
import { readingOf } from './statements.ts';
import { Stay } from './stay.ts';

/** Told by the session. */
export interface SessionWatcher {
  sessionClosed(session: Session, reason: string, byUs: boolean): void;
}

export class Session implements InputOwner, IntakeOwner, Holder, ExchangeClient {
  readonly identity: SessionIdentity;
  readonly state: SessionState;
  readonly channel: Channel;
  readonly #place: Place;
  readonly #watcher: SessionWatcher;
  readonly #input: Input;
  readonly request: Request;
  readonly #tally: Tally;
  readonly #heldBack = new HeldBack();
  readonly #plainTarget: Target;
  #phase: Phase = IDLE;
  /** The server that is kept between exchanges, and where it is. */
  #held: Server | undefined;
  #heldTarget: Target | undefined;
  #plan: Plan | undefined;
  /** Nothing more belongs to the request that was dispatched. */
  #complete = true;
  #status: number = code.STATUS_IDLE;
  #reported: Reported;
  /** Milliseconds of the clock: when the phase began, and the transaction. */
  sinceMs: number;
  transactionSinceMs = 0;

  constructor(place: Place, channel: Channel, watcher: SessionWatcher, identity: SessionIdentity, reported: Reported) {
    this.identity = identity;
    this.channel = channel;
    this.#place = place;
    this.#watcher = watcher;
    this.#reported = reported;
    this.#plainTarget = { database: identity.database, role: 'primary' };
    this.#tally = place.tally(identity.database);
    this.state = new SessionState(identity, place, reported);
    this.request = new Request(place.texts, this.state.names);
    this.sinceMs = place.clock.nowMs();
    this.#input = new Input(channel, this, new Intake(this), identity.maxPacketBytes);
  }

  // -- what others may know ---------------------------------------------------------------------------------------------------------

  get phase(): Phase {
    return this.#phase;
  }
  get status(): number {
    return this.#status;
  }
  get policy(): SessionPolicy {
    return this.state.policy;
  }
  /** The server that runs the session's statement, or that it holds. */
  get server(): Server | undefined {
    return this.#held;
  }
  get target(): Target | undefined {
    return this.#heldTarget;
  }
  get applicationName(): string {
    return this.#reported.values.get('application_name') ?? this.identity.applicationName;
  }

  /** Input that arrived together with the log-in. */
  begin(rest: Buffer): void {
    if (rest.length > 0) this.#input.onChunk(rest);
  }
  received(bytes: number): void {
    this.#tally.receivedBytes += bytes;
  }
  keep(type: number, chunk: Buffer, start: number, end: number): void {
    this.request.add(type, chunk, start, end, readingOf(this.#reported), this.isSharded);
  }

  get isSharded(): boolean {
    return this.#place.database(this.identity.database)?.kind === 'sharded';
  }
  flow(): void {
    this.#input.flow();
  }
  skipped(): void {
    this.#send(readyForQuery(this.#status));
    this.#enter(IDLE);
  }
  get outputFull(): boolean {
    return this.#phase.at === 'active' && this.#phase.server.congested;
  }

  /** Sends the request on its way; `complete`: nothing more belongs to the exchange. */
  dispatch(complete: boolean): void {
    const database = this.#place.database(this.identity.database);
    if (database === undefined && this.#held === undefined) return this.fail(errors.databaseRemoved);
    if (this.#held === undefined) this.state.policy = this.#place.policy(this.identity.database, this.identity.user);
    this.#complete = complete;
    const alone = complete && this.#held === undefined && this.#status === code.STATUS_IDLE;
    const forgotten = alone ? forgetHere(this.request, this.state, this.#reported) : undefined;
    if (forgotten !== undefined) return this.#answerHere(forgotten);
    const plan = refusalOf(this.request, this.state) ?? this.#route(database);
    this.#plan = plan;
    switch (plan.kind) {
      case 'one':
        return this.#acquire(plan.target);
      case 'transaction':
        return this.#holdBack(plan);
      case 'reject':
        this.#count('refused', 0);
        return this.refuse(errors.refused(plan));
    }
  }

  #route(database: Database | undefined): Plan {
    if (database === undefined || (database.kind === 'plain' && database.reads === undefined)) {
      return { kind: 'one', target: this.#heldTarget ?? this.#plainTarget, why: 'unsharded', detail: '' };
    }
    return planOf(this.request, database, this.#place.catalog(this.identity.database), {
      inTransaction: this.#status !== code.STATUS_IDLE,
      pinned: this.state.pinned,
      clientEncoding: readingOf(this.#reported).encoding,
      held: this.#held === undefined ? undefined : this.#heldTarget,
    });
  }

  #acquire(target: Target): void {
    if (this.#held !== undefined) return this.#start(this.#held, this.#heldTarget ?? target);
    const stay = new Stay(this.state.label, this.state.sequenceServer, this.#place.clock, this.state.policy.queryWaitMs, {
      granted: (server, waitedMs) => {
        this.#place.waited(this.identity.database, waitedMs);
        this.#tally.waitMs += waitedMs;
        this.#start(server, target);
        this.#input.resume();
      },
      refused: (why) => this.#noServer(why),
      notify: () => this.#send(noticeResponse(errors.queued)),
    });
    const got = this.#place.acquire(target, this.identity.credentials, stay);
    if ('leave' in got) this.#enter({ at: 'waiting', line: got, stay });
    else this.#start(got, target);
  }

  #noServer(why: ConnectFailure | 'timeout'): void {
    if (why === 'timeout') return this.fail(errors.queryWaitTimeout);
    if (why.frame !== undefined) this.#send(why.frame);
    this.fail(why.frame === undefined ? (why.error ?? errors.connectFailed) : undefined, why.reason);
  }

  /** The exchange goes to the server: what the server lacks first, in the same write. */
  #start(server: Server, target: Target): void {
    const now = this.#place.clock.nowMs();
    const fresh = this.#held === undefined;
    if (fresh) this.#tally.assignments += 1;
    if (this.#status === code.STATUS_IDLE) this.transactionSinceMs = now;
    server.holder = this;
    this.#held = server;
    this.#heldTarget = target;
    const active = launch(server, {
      client: this,
      request: this.request,
      id: this.identity.id,
      state: this.state,
      complete: this.#complete,
      label: fresh ? this.state.label : undefined,
      heldBack: this.#heldBack.take(),
      maxPrepared: this.state.policy.maxPreparedStatements,
      nowMs: now,
    });
    this.#enter(active);
    this.sendMore(active);
  }

  sendMore({ server, exchange, translation }: Active): void {
    sendPart(translation, this.request, this.state, this.#tally);
    if (server.pending === 1) exchange.pump(server);
    this.request.sent();
    this.#input.flow();
  }

  #holdBack(plan: Extract<Plan, { kind: 'transaction' }>): void {
    if (plan.verb === 'begin') this.transactionSinceMs = this.#place.clock.nowMs();
    this.#count('ok', 0);
    this.#answerHere(this.#heldBack.answer(plan.verb, this.request, this.state.names, this.#status));
  }

  #answerHere({ frames, status, reported }: LocalAnswer): void {
    this.#status = status;
    this.#reported = reported ?? this.#reported;
    this.#send(frames);
    this.request.clear();
    this.#enter(IDLE);
  }

  /** Answers the request under way with an error; an open transaction fails with it, as for any error. */
  refuse(error: MessageFields): void {
    const skip = !this.request.isSimple && !this.#complete;
    this.request.clear();
    this.#send(errorResponse(error));
    const done = (): void => {
      if (skip) return this.#enter(SKIPPING);
      this.#send(readyForQuery(this.#status));
      this.#enter(IDLE);
    };
    if (this.#status === code.STATUS_IDLE) return done();
    this.#status = code.STATUS_FAILED;
    if (this.#held === undefined) return done();
    const server = this.#held;
    this.#enter({ at: 'waiting', line: { leave: () => server.close('refused statement in a transaction') } });
    failTransaction(server, (status) => {
      if (this.#phase.at === 'closed') return;
      if (status === 0) return this.fail(errors.serverCrashed);
      this.#status = status;
      done();
      this.#input.resume();
    });
  }

  answerBegins(server: Server): void {
    if (this.#reported !== server.reported) this.#send(changedParameters(this.#reported, server.reported));
    this.#reported = server.reported;
  }

  parametersChanged(server: Server): void {
    this.#reported = server.reported;
  }
  forward(chunk: Buffer, start: number, end: number): void {
    this.#tally.sentBytes += end - start;
    this.channel.write(chunk, start, end);
    if (this.channel.congested) this.#held?.pause();
  }

  inputWanted(): void {
    this.#input.resume();
  }
  #send(frame: Buffer): void {
    this.channel.write(frame);
  }
  answered(exchange: ClientExchange, server: Server, status: number): void {
    const now = this.#place.clock.nowMs();
    const ms = now - exchange.startedMs;
    this.#count(exchange.failed ? 'error' : 'ok', ms);
    this.#tally.queries += 1;
    this.#tally.queryMs += ms;
    if (exchange.spoilt) this.#dropServer(server);
    else {
      this.#status = status;
      this.state.answered(exchange, server, this.request, status);
      if (this.state.policy.mode === 'statement' && status !== code.STATUS_IDLE) return this.fail(errors.noTransactionsInStatementMode);
      if (this.state.unsettled(status)) return this.#settle(server);
    }
    this.#done(server);
  }

  /** What the statement did to the session is found out before the client hears that it is done. */
  #settle(server: Server): void {
    this.#enter({ at: 'waiting', line: { leave: () => server.close('client disconnect while server was not ready') } });
    this.state.settle(server, this.#status, (ok) => {
      if (this.#phase.at === 'closed') return;
      if (!ok) return this.fail(errors.serverCrashed, 'session state could not be read back');
      this.#done(server);
    });
  }

  #done(server: Server): void {
    this.answerBegins(server);
    if (this.#status === code.STATUS_IDLE && this.#held !== undefined) this.#transactionOver(server, this.#place.clock.nowMs());
    this.#send(readyForQuery(this.#status));
    this.request.clear();
    this.#enter(IDLE);
    this.#input.resume();
  }

  #count(outcome: ExchangeDone['outcome'], ms: number): void {
    this.#place.exchangeDone({ session: this, plan: this.#plan, ms, outcome, about: this.request.about });
  }

  #transactionOver(server: Server, nowMs: number): void {
    this.#tally.transactions += 1;
    this.#tally.transactionMs += nowMs - this.transactionSinceMs;
    trimPrepared(server, this.state.policy.maxPreparedStatements);
    if (this.state.pinned || this.state.policy.mode === 'session') return;
    this.#held = undefined;
    this.#heldTarget = undefined;
    server.resume();
    const { resetAlways, resetQuery, leakShare } = this.state.policy;
    if (resetAlways) return cleanAndRelease(server, cleaningOf(server, false, true, resetQuery) ?? []);
    if (Math.random() >= leakShare) return server.owner.release(server);
    checkAndRelease(server, { identity: this.identity, place: this.#place, state: this.state });
  }

  /** The server refused what must come before the client's statement: nobody gets it again. */
  #dropServer(server: Server): void {
    this.#held = undefined;
    this.#heldTarget = undefined;
    this.#status = code.STATUS_IDLE;
    server.holder = undefined;
    server.close('settings could not be replayed');
  }

  serverLost(server: Server, lost: Lost): void {
    if (this.#held !== server || this.#phase.at === 'closed') return;
    this.#held = undefined;
    this.fail(lost.error === undefined ? errors.serverCrashed : undefined, lost.reason);
  }

  unsolicited(server: Server, type: number, chunk: Buffer, start: number, end: number): void {
    if (type === code.PARAMETER_STATUS) this.#reported = server.reported;
    const own = type === code.NOTIFICATION_RESPONSE && chunk.readInt32BE(start + 5) === server.identity.pid;
    this.forward(own ? withPid(chunk, start, end, this.identity.pid) : chunk, own ? 0 : start, own ? end - start : end);
  }

  serverDrained(): void {
    this.flow();
  }
  drained(): void {
    this.#held?.resume();
  }
  #enter(phase: Phase): void {
    if (this.#phase.at === 'closed') return;
    this.#phase = phase;
    this.sinceMs = this.#place.clock.nowMs();
  }

  gone(error: Error | undefined): void {
    this.close(error === undefined ? 'client unexpected eof' : `client unexpected eof (${error.message})`, false);
  }

  /** Ends the session with a last word to the client; `reason` is for the log, by default the error's own text. */
  fail(error: MessageFields | undefined, reason = error?.message ?? ''): void {
    if (this.#phase.at === 'closed') return;
    if (error !== undefined) this.#send(errorResponse(error));
    this.close(reason, true);
  }

  close(reason: string, byUs: boolean): void {
    if (this.#phase.at === 'closed') return;
    const phase = this.#phase;
    this.#phase = CLOSED;
    this.#input.stop();
    if (phase.at === 'waiting') phase.line.leave();
    else if (phase.at === 'active') this.#count(byUs ? 'lost' : 'canceled', this.#place.clock.nowMs() - phase.exchange.startedMs);
    const [server, { mode, resetAlways }] = [this.#held, this.state.policy];
    this.#held = undefined;
    const resetQuery = mode === 'session' || resetAlways ? this.state.policy.resetQuery : undefined;
    letGo(server, { busy: phase.at === 'active', ...this.state.leftBehind, resetQuery, reason: byUs ? reason : undefined });
    this.state.end();
    this.#watcher.sessionClosed(this, reason, byUs);
    this.channel.end();
  }

  /** A CancelRequest while the statement stands in line: it is not run. */
  cancelWaiting(): void {
    if (this.#phase.at !== 'waiting' || this.#held !== undefined) return;
    this.#phase.line.leave();
    this.#enter(IDLE);
    this.refuse(errors.queryCanceled);
    this.#input.resume();
  }
}
