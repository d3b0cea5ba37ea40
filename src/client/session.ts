/**
 * A session: one client after its log-in. The hot path, top to bottom: frame in → request → facts → plan → server → answer → ready.
 * Phases:
 *   idle      nothing is under way; frames are gathered into a request
 *   waiting   the request is whole (or full) and stands in line for a server; the client's further frames stay unread
 *   shared    the request, one query, stands in the queue of a server with those of other clients (`sharer.ts`)
 *   active    a server has the exchange; what the client adds (COPY data, the rest of a pipeline up to Sync) goes to it at once
 *   skipping  we refused something of the extended protocol: everything up to Sync is passed over, as Postgres does
 *   closed    gone
 * The session holds its server between exchanges while a transaction is open, while it is pinned, and in session mode.
 *
 * Invariant: at most one exchange of a session is under way, so every answer is this client's and in order.
 */
import type { Plan, Target } from '../../routing/index.ts';
import type { ClientExchange, ExchangeClient } from '../relay/exchange.ts';
import { failTransaction, letGo, trimPrepared } from '../server/cleaning.ts';
import type { Lost } from '../server/exchange.ts';
import type { Reported } from '../server/reported.ts';
import type { Holder, Server } from '../server/server.ts';
import type { Channel } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { errorResponse, type MessageFields, readyForQuery } from '../wire/write.ts';
import { acquireServer } from './acquire.ts';
import { beginAlone } from './begin-alone.ts';
import { forgetHere } from './forget.ts';
import { giveBack } from './give-back.ts';
import { HeldBack } from './held-back.ts';
import type { SessionIdentity } from './identity.ts';
import { Input, type InputOwner } from './input.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { launch } from './launch.ts';
import { wantsNewServer } from './library-settings.ts';
import type { LocalAnswer } from './local.ts';
import { Output } from './output.ts';
import { type Active, CLOSED, IDLE, type Phase, SKIPPING, whileAsked } from './phase.ts';
import type { ExchangeDone, Place, SessionPolicy, SessionWatcher, Tally } from './place.ts';
import { planOf } from './plan-of.ts';
import { refusalOf, sendPart } from './refusals.ts';
import { Request } from './request.ts';
import { settledFirst } from './settled-first.ts';
import { Sharer, type SharerOwner } from './sharer.ts';
import { SessionState } from './state.ts';

export class Session implements InputOwner, IntakeOwner, Holder, ExchangeClient, SharerOwner {
  readonly identity: SessionIdentity;
  readonly state: SessionState;
  readonly channel: Channel;
  readonly place: Place;
  readonly #watcher: SessionWatcher<Session>;
  readonly #input: Input;
  readonly request: Request;
  readonly #tally: Tally;
  readonly heldBack = new HeldBack();
  readonly #sharer: Sharer;
  #phase: Phase = IDLE;
  /** The server that is kept between exchanges, and where it is. */
  #held: Server | undefined;
  #heldTarget: Target | undefined;
  #plan: Plan | undefined;
  /** Nothing more belongs to the request that was dispatched. */
  complete = true;
  #status: number = code.STATUS_IDLE;
  readonly output: Output;
  /** Milliseconds of the clock: when the phase began, and the transaction. */
  sinceMs: number;
  transactionSinceMs = 0;

  constructor(place: Place, channel: Channel, watcher: SessionWatcher<Session>, identity: SessionIdentity, reported: Reported) {
    this.identity = identity;
    this.channel = channel;
    this.place = place;
    this.#watcher = watcher;
    this.#tally = place.tally(identity.database);
    this.output = new Output(channel, this.#tally, identity.pid, reported, place.notifiers);
    this.state = new SessionState(identity, place, reported);
    this.request = new Request(place.texts, this.state.names);
    this.#sharer = new Sharer(this, place);
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
    return this.#phase.at === 'shared' ? this.#phase.server : this.#held;
  }
  /** Where the server is that the session holds. */
  get target(): Target | undefined {
    return this.#held === undefined ? undefined : this.#heldTarget;
  }
  get applicationName(): string {
    return this.output.applicationName ?? this.identity.applicationName;
  }

  /** Input that arrived together with the log-in. */
  begin(rest: Buffer): void {
    this.#input.onChunk(rest);
  }
  received(bytes: number): void {
    this.#tally.receivedBytes += bytes;
  }
  keep(type: number, chunk: Buffer, start: number, end: number): void {
    this.request.add(type, chunk, start, end, this);
  }
  get isSharded(): boolean {
    return this.place.database(this.identity.database)?.kind === 'sharded';
  }
  /** The client is in the middle of saying something. */
  get saysMore(): boolean {
    return this.#input.goesOn;
  }
  flow(): void {
    this.#input.flow();
  }
  get outputFull(): boolean {
    return this.#phase.at === 'active' && this.#phase.server.congested;
  }

  /** Sends the request on its way; `complete`: nothing more belongs to the exchange. */
  dispatch(complete: boolean): void {
    const database = this.place.database(this.identity.database);
    if (database === undefined && this.#held === undefined) return this.fail(errors.databaseRemoved);
    if (this.#held === undefined) this.state.policy = this.place.policy(this.identity.database, this.identity.user);
    this.complete = complete;
    this.heldBack.followed(this.place.clock.nowMs());
    if (this.#status === code.STATUS_FAILED && this.#held === undefined && !HeldBack.mayFollowFailure(this.request)) {
      return this.refuse(errors.transactionAborted);
    }
    const alone = complete && this.#held === undefined && this.#status === code.STATUS_IDLE;
    const forgotten = alone ? forgetHere(this.request, this.state, this.output.reported) : undefined;
    if (forgotten !== undefined) return this.#answerHere(forgotten);
    const plan = refusalOf(this.request, this.state) ?? planOf(this, database, this.place);
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

  #acquire(target: Target, alone = this.#held !== undefined): void {
    const mayShare = !alone && this.complete && this.#status === code.STATUS_IDLE && this.state.policy.pipeline;
    const wish = mayShare ? this.#sharer.wish(target) : undefined;
    if (!mayShare && (!alone || this.#held !== undefined)) this.#sharer.forget();
    if (this.#held !== undefined) return this.#start(this.#held, this.#heldTarget ?? target);
    const got = acquireServer(this, target, wish);
    if ('at' in got) this.enter(got);
    else this.#start(got, target);
  }

  granted(server: Server, target: Target): void {
    this.#start(server, target);
    this.#input.resume();
  }

  /** The exchange goes to the server: what the server lacks first, in the same write. */
  #start(server: Server, target: Target): void {
    if (server.sharing) return this.#sharer.begin(server);
    if (this.#held === undefined && server.used && wantsNewServer(this.request, server, this.state)) {
      server.close('a session needs a new connection');
      return this.#acquire(target, true);
    }
    if (!settledFirst(this, server, target)) this.settled(server, target);
  }

  settled(server: Server, target: Target): void {
    this.output.answerBytes = 0;
    const now = this.place.clock.nowMs();
    const fresh = this.#held === undefined;
    if (this.#status === code.STATUS_IDLE) this.transactionSinceMs = now;
    this.hold(server, target);
    const active = launch(server, this, {
      label: fresh ? this.state.label : undefined,
      heldBack: this.heldBack.take(),
      nowMs: now,
    });
    this.enter(active);
    this.sendMore(active);
  }

  hold(server: Server, target: Target): void {
    if (this.#held === undefined) this.#tally.assignments += 1;
    server.holder = this;
    this.#held = server;
    this.#heldTarget = target;
  }

  sendMore({ server, exchange, translation }: Active): void {
    sendPart({ server, translation }, this.request, this.state, this.#tally);
    // Of a whole exchange the server's answer comes anyhow: what is put back leaves with it, in one write.
    if (exchange.open && server.pending === 1) exchange.pump(server);
    this.request.sent();
    this.#input.flow();
  }

  #holdBack(plan: Extract<Plan, { kind: 'transaction' }>): void {
    if (plan.verb === 'begin') this.transactionSinceMs = this.place.clock.nowMs();
    this.#count('ok', 0);
    this.#answerHere(this.heldBack.answer(plan.verb, this.request, this.state.names, this.#status));
    if (plan.verb === 'begin' && !this.isSharded) this.heldBack.waitNoLonger(() => beginAlone(this, this.heldBack));
  }

  #answerHere({ frames, status, reported }: LocalAnswer): void {
    this.#status = status;
    this.output.reported = reported ?? this.output.reported;
    this.output.send(frames);
    this.request.clear();
    this.enter(IDLE);
  }

  /** Answers the request under way with an error; an open transaction fails with it, as for any error. */
  refuse(error: MessageFields): void {
    const skip = !this.request.isSimple && !this.complete;
    this.request.clear();
    this.output.send(errorResponse(error));
    const done = (): void => {
      if (!skip) return this.ready();
      this.enter(SKIPPING);
      this.#input.resume();
    };
    const server = this.#status === code.STATUS_IDLE ? undefined : this.#held;
    if (this.#status !== code.STATUS_IDLE) this.#status = code.STATUS_FAILED;
    if (server === undefined) return done();
    this.enter({ at: 'waiting', line: { leave: () => server.close('refused statement in a transaction') } });
    failTransaction(server, (status) => {
      if (this.#phase.at === 'closed') return;
      if (status === 0) return this.fail(errors.serverCrashed);
      this.#status = status;
      done();
    });
  }

  answerBegins(server: Server): void {
    this.output.tellParameters(server);
  }
  parametersChanged(server: Server): void {
    this.output.reported = server.reported;
  }
  forward(chunk: Buffer, start: number, end: number): void {
    this.output.forward(chunk, start, end);
    if (this.output.congested) this.#held?.pause();
  }
  inputWanted(): void {
    this.#input.resume();
  }
  answered(exchange: ClientExchange, server: Server, status: number): void {
    const now = this.place.clock.nowMs();
    const ms = now - exchange.startedMs;
    this.#count(exchange.failed ? 'error' : 'ok', ms);
    this.#tally.queries += 1;
    this.#tally.queryMs += ms;
    this.#tally.serverParses += server.prepared.takeCount();
    if (exchange.spoilt) this.#dropServer(server);
    else {
      this.#status = status;
      this.state.answered(exchange, server, this.request, status);
      this.#sharer.ranAlone(ms, this.output.answerBytes, exchange.failed);
      if (this.state.policy.mode === 'statement' && status !== code.STATUS_IDLE) return this.fail(errors.noTransactionsInStatementMode);
      if (this.state.unsettled(status)) return this.#settle(server);
    }
    this.#done(server);
  }

  /** What the statement did to the session is found out before the client hears that it is done. */
  #settle(server: Server): void {
    this.enter(whileAsked(server));
    this.state.settle(server, this.#status, (ok) => {
      if (this.#phase.at === 'closed') return;
      if (!ok) return this.fail(errors.serverCrashed, 'session state could not be read back');
      this.#done(server);
    });
  }

  #done(server: Server): void {
    if (this.#held !== undefined) this.output.tellParameters(server);
    if (this.#status === code.STATUS_TRANSACTION && this.request.verb === 'begin') this.heldBack.begun(this.place.clock.nowMs());
    if (this.#status === code.STATUS_IDLE && this.#held !== undefined) this.#transactionOver(server, this.place.clock.nowMs());
    this.ready();
  }

  /** The request is answered: ReadyForQuery, and on to the next. */
  ready(): void {
    this.output.send(readyForQuery(this.#status));
    this.request.clear();
    this.enter(IDLE);
    this.#input.resume();
  }

  // -- a query among those of other clients (`sharer.ts`) -----------------------------------------------------------------------------

  shared(server: Server): void {
    this.enter({ at: 'shared', server });
  }
  sharedDone(failed: boolean, ms: number): void {
    this.#count(failed ? 'error' : 'ok', ms);
    this.ready();
  }
  alone(): void {
    if (this.#plan?.kind === 'one') this.#acquire(this.#plan.target, true);
  }

  #count(outcome: ExchangeDone['outcome'], ms: number): void {
    this.place.exchangeDone({ session: this, plan: this.#plan, ms, outcome, about: this.request.about });
  }

  #transactionOver(server: Server, nowMs: number): void {
    this.#tally.transactions += 1;
    this.#tally.transactionMs += nowMs - this.transactionSinceMs;
    trimPrepared(server, this.state.policy.maxPreparedStatements);
    if (this.state.pinned || this.state.policy.mode === 'session') return;
    this.#held = undefined;
    this.#heldTarget = undefined;
    giveBack(server, this.#sharer, { identity: this.identity, place: this.place, state: this.state });
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
    if (this.#held === server) this.broken(lost);
  }
  broken(lost: Lost): void {
    if (this.#phase.at === 'closed') return;
    this.#held = undefined;
    this.fail(lost.error === undefined ? errors.serverCrashed : undefined, lost.reason);
  }

  unsolicited(server: Server, type: number, chunk: Buffer, start: number, end: number): void {
    this.output.unsolicited(server, type, chunk, start, end);
  }
  serverDrained(): void {
    this.flow();
  }
  drained(): void {
    this.#held?.resume();
    this.#sharer.drained();
  }
  enter(phase: Phase): void {
    if (this.#phase.at === 'closed') return;
    this.#phase = phase;
    this.sinceMs = this.place.clock.nowMs();
  }

  gone(error: Error | undefined): void {
    this.close(error === undefined ? 'client unexpected eof' : `client unexpected eof (${error.message})`, false);
  }

  /** Ends the session with a last word to the client; `reason` is for the log, by default the error's own text. */
  fail(error: MessageFields | undefined, reason = error?.message ?? ''): void {
    if (this.#phase.at === 'closed') return;
    if (error !== undefined) this.output.send(errorResponse(error));
    this.close(reason, true);
  }

  close(reason: string, byUs: boolean): void {
    if (this.#phase.at === 'closed') return;
    const phase = this.#phase;
    this.#phase = CLOSED;
    this.#input.stop();
    if (phase.at === 'waiting') phase.line.leave();
    else if (phase.at === 'shared') this.#sharer.leave();
    else if (phase.at === 'active') this.#count(byUs ? 'lost' : 'canceled', this.place.clock.nowMs() - phase.exchange.startedMs);
    const [server, { mode, resetAlways }] = [this.#held, this.state.policy];
    this.#held = undefined;
    const resetQuery = mode === 'session' || resetAlways ? this.state.policy.resetQuery : undefined;
    letGo(server, { busy: phase.at === 'active', ...this.state.leftBehind, resetQuery, reason: byUs ? reason : undefined });
    this.state.end();
    this.#watcher.sessionClosed(this, reason, byUs);
    this.channel.end();
  }

  /** A CancelRequest while the session has no server of its own: in line for one, or among others. */
  cancelUnheld(): void {
    if (this.#phase.at === 'waiting' && (this.#held === undefined || this.#phase.reads === true)) this.#phase.line.leave();
    else if (this.#phase.at !== 'shared' || !this.#sharer.cancel()) return;
    this.enter(IDLE);
    this.refuse(errors.queryCanceled);
  }
}
