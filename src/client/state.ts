/**
 * What a session has in its server connection that another one would not have. Effects count when the server has confirmed them; parameters
 * are tracked (`tracked-settings.ts`), the rest pins (`pins.ts`); what no parser sees is found by an audit (`audit.ts`), which also finds out
 * when a pin has ended.
 */

import { type Effect, type PinReason, type StateKind, stateKindOf } from '../../routing/index.ts';
import type { ClientExchange } from '../relay/exchange.ts';
import type { Reported } from '../server/reported.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import { BIND, PARSE, STATUS_IDLE } from '../wire/codes.ts';
import { audit, type Found, findings, knownSettings } from './audit.ts';
import { Definitions } from './definitions.ts';
import { Doubts, makesUp, usesOf } from './doubts.ts';
import type { HiddenCode } from './hidden-code.ts';
import type { SessionIdentity } from './identity.ts';
import type { Judgement, Use } from './known-code.ts';
import { isOnlyUnloaded } from './library-settings.ts';
import { AUDITED, EVEN_ON_ERROR, PIN_OF, type PinRecord, Pins } from './pins.ts';
import type { Place, SessionPolicy, Tally } from './place.ts';
import { FUNCTION_CALL, isStale, NOTHING, type Origin, type Ran, textOf, textOfCall, textToShow } from './ran.ts';
import type { Request } from './request.ts';
import { Sequences } from './sequences.ts';
import { SqlPrepared, strangers, type TrackedStatement } from './sql-prepared.ts';
import { StatementNames } from './statements.ts';
import { Looks } from './text-look.ts';
import { TrackedSettings } from './tracked-settings.ts';

/** One session's state, and the only one who changes it. */
export class SessionState {
  readonly settings: TrackedSettings;
  readonly names = new StatementNames();
  readonly #sqlPrepared = new SqlPrepared(this.names);
  readonly #identity: Pick<SessionIdentity, 'id' | 'database' | 'user'>;
  readonly #user: string;
  readonly #place: Place;
  readonly #pins: Pins;
  /** What holds for the session; who changes it is the session, between transactions. */
  policy: SessionPolicy;
  /** What the exchange under way executes, in order, and where each came from. */
  #ran: Ran[] = [];
  readonly #origins: Origin[] = [];
  readonly #looks = new Looks();
  /** The statement that is looked at, or was last, and where it came from: a pin shows its text. */
  #statement: Ran = NOTHING;
  #origin: Origin;
  /** The statement that an audit is for. */
  #suspect = '';
  #auditWanted = false;
  /** What ran and is perhaps not harmless. */
  readonly #doubts = new Doubts();
  readonly definitions: Definitions;
  readonly sequences: Sequences;
  /** What the client was told of its parameters at its start. */
  readonly startReported: Reported;

  constructor(identity: Pick<SessionIdentity, 'id' | 'label' | 'database' | 'user'>, place: Place, reported: Reported) {
    this.startReported = reported;
    this.#identity = identity;
    this.#place = place;
    this.#user = place.serverUser(identity.database, identity.user);
    this.definitions = new Definitions(identity.database, place);
    this.policy = place.policy(identity.database, identity.user);
    this.settings = new TrackedSettings(identity.label, this.#user);
    this.sequences = new Sequences({
      identity,
      user: this.#user,
      learnt: place.learnt,
      names: this.names,
      judge: (uses) => this.#judge(uses),
      hasTemporary: () => this.#pins.has('temp') || this.#pins.has('opaque'),
      keepsServer: () => this.#pins.any || this.policy.mode === 'session',
    });
    this.#pins = new Pins((pin) => place.unpinned(identity, pin));
    this.names.follow(this.settings, () => this.#pins.has('temp') || this.#pins.has('opaque') || this.#doubts.any);
  }

  /** The settings that the session must find on a server. */
  get label(): Label {
    return this.settings.label;
  }

  get pinned(): boolean {
    return this.#pins.any;
  }

  /** The last statement, by its command word. */
  get lastVerb(): string {
    return this.#statement.verb;
  }

  pins(): readonly PinRecord[] {
    return this.#pins.list();
  }

  /** Whether anything is left in the server connection, and whether DISCARD ALL makes it as new. */
  get leftBehind(): { readonly pinned: boolean; readonly undoable: boolean; readonly touched: boolean } {
    const [doubted, touched] = [this.#doubts.any, this.settings.isTouched];
    return { pinned: this.#pins.any || doubted, undoable: this.#pins.undoable && !doubted, touched };
  }

  /** A request, or a further part of one, goes to a server. */
  sent(request: Request, tally: Tally): void {
    if (request.simple !== undefined) for (const statement of request.simple.statements) this.#run(statement, request.about);
    const { executed, executedFrom } = request;
    for (let i = 0; i < executed.length; i++) this.#run(executed[i]?.statements[0] ?? NOTHING, executedFrom[i]);
    if (request.isFunctionCall) this.#run(FUNCTION_CALL, textOfCall(request));
    tally.clientParses += request.count(PARSE);
    tally.binds += request.count(BIND);
  }

  #run(statement: Ran, origin: Origin): void {
    this.#ran.push(statement);
    this.#origins.push(origin);
  }

  /** The server has answered: what it confirmed counts now. */
  answered(exchange: ClientExchange, server: Server, request: Request, status: number): void {
    const ran = this.#ran;
    this.#ran = [];
    this.#sqlPrepared.alone = exchange.simple && ran.length === 1;
    // Without a list of what was owed only its first frame can have been a Parse; refused, it takes the unnamed statement away.
    if (exchange.failed && exchange.owed === undefined && !exchange.parseConfirmed && request.parsedUnnamed)
      this.names.unnamed = server.unnamed = undefined;
    if (isStale(exchange)) this.definitions.changed(undefined, status);
    if (status === STATUS_IDLE) this.names.transactionEnded();
    else request.bound.putInto(this.names.portals);
    ran.forEach((statement, at) => {
      [this.#statement, this.#origin] = [statement, this.#origins[at]];
      if (at <= exchange.completed) this.#usedSequences(statement, server);
      if (at < exchange.completed) this.#completed(statement, server, status);
      else if (at === exchange.completed && exchange.failed) this.#failed(statement, server);
    });
    this.#origins.length = 0;
    if (exchange.failed) this.settings.undone();
    if (status === STATUS_IDLE) this.#sqlPrepared.setsOpen = false;
    this.#looks.forget();
    this.definitions.answered(exchange.failed, status);
    if (this.policy.state.audit === 'always' && status === STATUS_IDLE) this.#auditWanted = true;
    if (this.policy.state.actions.prepared === 'pin') this.#pinWhile(this.names.named.size > 0, 'prepared', server);
    if (!this.#auditWanted) this.#origin = undefined;
  }

  #ignores(kind: StateKind | undefined): boolean {
    return kind !== undefined && this.policy.state.actions[kind] === 'ignore';
  }

  /** Pinned as long as something holds that is there to be seen. */
  #pinWhile(holds: boolean, reason: PinReason, server: Server): void {
    if (holds) this.#pin(reason, this.#statement.verb, server);
    else this.#pins.remove(reason);
  }

  #completed(statement: Ran, server: Server, status: number): void {
    const { effects, verb } = statement;
    this.definitions.temporary.ran(statement);
    for (const effect of effects) {
      if (this.#ignores(stateKindOf(effect.kind))) continue;
      if (!this.settings.note(effect)) this.#pin('opaque', verb, server);
      if (status !== STATUS_IDLE) this.#sqlPrepared.noteOpen(effect.kind);
      if (isOnlyUnloaded(effect)) this.#pin('load', `${verb} ${effect.name}`, server);
      if (effect.kind === 'role_defaults') this.#place.defaultsChanged();
      if (effect.kind === 'ddl') this.definitions.changedBy(statement, this.#looks.at(this.#origin), status, this.#isClosed);
      if (effect.kind === 'ddl' && this.maybeTemporary(this.#looks.at(this.#origin).namesTemporary))
        this.#pinBy({ kind: 'temp' }, verb, server);
      if (this.#pins.mayEndBy(effect.kind) && (effect.kind !== 'ddl' || this.#looks.at(this.#origin).mayDrop)) this.#auditWanted = true;
      this.#pinBy(effect, verb, server);
      this.#forget(effect, server);
    }
    if (verb === 'commit_prepared' || (verb === 'do' && this.#looks.at(this.#origin).mayDefine))
      this.definitions.changed(undefined, status);
    if ((verb === 'commit' || verb === 'rollback') && this.#pins.lasting) this.#auditWanted = true;
    if (verb === 'commit') this.settings.committed();
    else if (verb === 'rollback' && status === STATUS_IDLE) this.settings.rolledBack();
    else if (verb === 'rollback' || verb === 'rollback_to') this.settings.undone();
    this.#lookInto(statement, server);
  }

  /** Whether the statement has run code that is not harmless, or may have: that is found out before the client hears that it is done. */
  #lookInto(statement: Ran, server: Server): void {
    const origin = this.#origin;
    for (const own of this.#sqlPrepared.runBy(statement)) this.#lookInto(own.ran, server);
    const uses = usesOf(statement, () => this.#looks.at(this.#origin).ddlUses);
    if (uses.length === 0 || this.#ignores('opaque') || this.#looks.doubted === uses) return;
    this.#looks.doubted = uses;
    const judgement = this.#judge(uses);
    const { verdict } = judgement;
    if (verdict === 'quiet' || verdict === 'draws') return;
    if (verdict === 'harmful') this.definitions.temporary.forget();
    const what = uses[0]!.name === '' ? statement.verb : `${statement.verb} ${uses[0]!.name}`;
    // What must be audited in the end is not asked about before.
    if (verdict === 'harmful') return this.#opaque(what, server, makesUp(uses, judgement));
    if (this.#pins.lasting) return this.#opaque(what, server, undefined);
    const harmful = (madeUp: boolean | undefined): void => {
      [this.#statement, this.#origin] = [statement, origin];
      this.#opaque(what, server, madeUp);
    };
    this.#doubts.add({ uses, harmful });
  }

  #usedSequences(statement: Ran, server: Server): void {
    const matters = this.sequences.used(statement, server, () => this.#looks.at(this.#origin).ddlUses);
    if (matters && !this.#ignores('sequence')) this.#pin('sequence', statement.verb, server);
  }

  #judge(uses: readonly Use[]): Judgement {
    return this.#place.learnt.knownCode(this.#identity.database).judge(uses);
  }

  /** Whether a statement may run code that is not harmless; definitions that it makes aside. */
  mayRunAnything(statement: Ran): boolean {
    if (statement.verb === 'prepare' || statement.effects.some(({ kind }) => kind === 'ddl')) return false;
    const { verdict } = this.#judge(usesOf(statement, () => []));
    return verdict === 'harmful' || verdict === 'unknown';
  }

  /** The client looks at what has become of its statements on this server: that they keep. */
  watchesPrepared(server: Server, text: string): void {
    if (this.names.sql.size === 0) return;
    [this.#statement, this.#origin] = [NOTHING, text];
    this.#sqlPrepared.watched = true;
    this.#pin('prepare', 'select pg_prepared_statements', server);
  }

  /** A statement of SQL's PREPARE is run, or taken away, by the protocol: what that did is found out. */
  namedByProtocol({ ran, text }: TrackedStatement, server: Server): void {
    [this.#statement, this.#origin] = [ran, text];
    this.#auditWanted = true;
    this.#lookInto(ran, server);
  }

  /** A statement of the protocol comes to be on this server under the client's own name, as if SQL's PREPARE had made it; what undoes that. */
  keptByName(name: string, server: Server): () => void {
    const undo = this.names.keep(name);
    if (this.#ignores('prepare')) return undo;
    this.#auditWanted = true;
    this.#pin('prepare', `prepare ${name}`, server);
    return undo;
  }

  /** Nobody else sees what this session creates temporarily. */
  get #isClosed(): boolean {
    return !this.#ignores('temp') && !this.maybeTemporary(false);
  }

  /** Anything can be created in the temporary schema by its name (`named`), or by where the search_path leads. */
  maybeTemporary(named: boolean): boolean {
    return named || (this.label.values.get('search_path')?.includes('pg_temp') ?? false);
  }

  /** What survives the error of the statement that did it. */
  #failed(statement: Ran, server: Server): void {
    const { effects, verb } = statement;
    this.#lookInto(statement, server);
    for (const effect of effects) {
      const reason = PIN_OF[effect.kind];
      if (reason !== undefined && EVEN_ON_ERROR.has(reason)) this.#pinBy(effect, verb, server);
    }
  }

  #pinBy(effect: Effect, verb: string, server: Server): void {
    const reason = PIN_OF[effect.kind];
    // Code that has a name is looked into.
    if (reason === undefined || this.#ignores(reason) || (reason === 'opaque' && effect.name !== undefined)) return;
    const what = effect.name === undefined ? verb : `${verb} ${effect.name}`;
    if (reason === 'opaque') return this.#opaque(what, server, undefined);
    if (reason === 'prepare' && this.#follows(effect, server)) return;
    if ((AUDITED as readonly PinReason[]).includes(reason)) this.#auditWanted = true;
    this.#pin(reason, what, server);
  }

  /** Whether what PREPARE has made can follow the session: then it does. */
  #follows({ name }: Effect, server: Server): boolean {
    if (this.policy.state.actions.prepare !== 'track' || name === undefined || server.label !== this.label) return false;
    if (this.#place.database(this.#identity.database)?.kind === 'sharded') return false;
    return this.#sqlPrepared.take(name, textOf(this.#origin), this.#statement, this.label, server);
  }

  /** Code ran that nobody has read. Until an audit has shown what it left, the session is pinned. */
  #opaque(what: string, server: Server, madeUp: boolean | undefined): void {
    if (this.#ignores('opaque')) return;
    this.#suspect = what;
    this.settings.own.take(this.#looks.at(this.#origin).settings, madeUp);
    const pins = this.policy.state.actions.opaque === 'pin';
    // As long as something else pins, the server keeps it all, and the audit that ends that will find it.
    if (!pins && this.#pins.lasting) {
      server.label = undefined;
      return;
    }
    if (!pins) this.#auditWanted = true;
    this.#pin('opaque', what, server);
  }

  #pin(reason: PinReason, statement: string, server: Server): void {
    if (reason === 'opaque') server.label = undefined;
    if (reason === 'temp') server.closeNeeded = true;
    if (this.#pins.has(reason)) return;
    const { effects, start, end } = this.#statement;
    const text = textToShow(this.#origin, effects.length > 0 && end > start ? { start, end } : undefined);
    this.#pins.add({ reason, statement, text, sinceMs: this.#place.clock.nowMs() });
    this.#place.pinned(reason);
  }

  /** Statements that take away prepared statements, or what was drawn from sequences. */
  #forget({ kind, name }: Effect, server: Server): void {
    if (kind === 'prepare' && name !== undefined) this.names.inSql.set(name, undefined);
    else if (kind === 'deallocate' && name !== undefined) this.#sqlPrepared.remove(name, server, this.#pins.has('prepare'));
    if (kind === 'discard_all' || kind === 'discard_sequences') {
      this.sequences.forgotten(server);
      this.#pins.remove('sequence');
    }
    if (kind !== 'discard_all' && (kind !== 'deallocate' || name !== undefined)) return;
    this.names.forgetAll();
    server.prepared.clear();
    server.unnamed = undefined;
  }

  /** Something must be asked of the server before the client is told that its statement is done. */
  unsettled(status: number): boolean {
    const open = status !== STATUS_IDLE;
    return this.settings.unsettled(status) || (!open && (this.#auditWanted || this.#doubts.any || this.#sqlPrepared.undescribed(status)));
  }

  settle(server: Server, status: number, done: (ok: boolean) => void): void {
    if (this.#sqlPrepared.undescribed(status)) return this.#describe(server, status, done);
    const settled = (ok: boolean): void => {
      if (ok) this.#pinBySettings(server);
      done(ok);
    };
    const audit = (ok: boolean): void => {
      if (ok && status === STATUS_IDLE && this.#auditWanted) this.#audit(server, settled);
      else settled(ok);
    };
    const doubts = (ok: boolean): void => {
      if (!ok || status !== STATUS_IDLE || !this.#doubts.any) return audit(ok);
      this.#doubts.settle(server, this.#place.learnt.knownCode(this.#identity.database), audit);
    };
    if (this.settings.unsettled(status)) this.settings.settle(server, status, doubts);
    else doubts(true);
  }

  #describe(server: Server, status: number, done: (ok: boolean) => void): void {
    this.#sqlPrepared.describe(server, (answered, unfit) => {
      if (answered === 0) return done(false);
      if (unfit !== undefined) {
        this.#auditWanted = true;
        this.#pin('prepare', `prepare ${unfit}`, server);
      }
      this.settle(server, status, done);
    });
  }

  #pinBySettings(server: Server): void {
    const { settings, role } = this.policy.state.actions;
    if (settings === 'pin') this.#pinWhile(this.settings.differs(false), 'settings', server);
    if (role === 'pin') this.#pinWhile(this.settings.differs(true), 'role', server);
  }

  #audit(server: Server, done: (ok: boolean) => void): void {
    this.#auditWanted = false;
    const settings = [...this.settings.own.list, ...[...this.label.values.keys()].filter((name) => name.includes('.'))];
    const asked = { database: this.#identity.database, serverUser: this.#user, learnt: this.#place.learnt, settings };
    audit(server, asked, (found, names, code) => this.#found(found, names, code, server), done);
  }

  #found(all: Found, asked: ReadonlySet<string>, code: HiddenCode, server: Server): void {
    const { actions, audit } = this.policy.state;
    const [prepare] = strangers(all.statements, server.prepared.sql, this.names.sql);
    const found = { ...all, prepare };
    this.definitions.temporary.audited(all.tempSchema, server);
    for (const reason of AUDITED)
      if (found[reason] === undefined && (reason !== 'prepare' || !this.#sqlPrepared.isWatched)) this.#pins.remove(reason);
    if (prepare === undefined) this.#sqlPrepared.onlyTracked();
    if (this.settings.own.areKnown(code) && actions.opaque !== 'pin') this.#pins.remove('opaque');
    else if (this.#suspect !== '') this.#pin('opaque', this.#suspect, server);
    // Where nothing is looked for, what is there may be another session's.
    if (actions.opaque !== 'ignore' || audit === 'always') this.#learn(found, asked, server);
    [this.#suspect, this.#origin] = ['', undefined];
  }

  #learn(found: Found, asked: ReadonlySet<string>, server: Server): void {
    const after = this.#suspect === '' ? this.#statement.verb : this.#suspect;
    const settings = knownSettings(found, this.label, this.policy.state.actions);
    for (const { kind, name } of findings({ ...found, settings }, this.label, this.policy.state.actions)) {
      const isSetting = kind === 'settings' || kind === 'role';
      if (isSetting ? this.settings.isFromStart(name) : this.#pins.has(kind)) continue;
      this.#place.audited(this.#identity, { kind, name, after });
      if (!isSetting) this.#pin(kind, `found after ${after}`, server);
    }
    this.settings.learn(server, settings, asked);
  }

  /** The session is over. */
  end(): void {
    this.#pins.clear();
    this.sequences.forget();
  }
}
