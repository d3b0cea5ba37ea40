/**
 * What a session has in its server connection that another one would not have: its pins, each with the reason, the statement that caused
 * it and since when; and how the server must be cleaned when the session lets go of it.
 */
import type { Effect, EffectKind, Facts, PinReason } from '../../routing/index.ts';
import type { ClientExchange } from '../relay/exchange.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import type { SessionIdentity } from './identity.ts';
import type { Place, Tally } from './place.ts';
import type { Request } from './request.ts';
import { StatementNames } from './statements.ts';
import { TrackedSettings } from './tracked-settings.ts';

export interface PinRecord {
  readonly reason: PinReason;
  /** The kind of statement that caused it, as Postgres's command word, and the name of what it made, where it has one. */
  readonly statement: string;
  readonly sinceMs: number;
}

/** The pin that an effect causes; effects that are not here leave nothing behind. */
const PIN_OF: Partial<Record<EffectKind, PinReason>> = {
  temp: 'temp',
  hold: 'hold',
  advisory: 'advisory',
  listen: 'listen',
  prepare: 'prepare',
  load: 'load',
  seed: 'seed',
  currval: 'sequence',
  nextval: 'sequence',
  snapshot: 'snapshot',
  slot: 'slot',
  dblink: 'dblink',
  stats: 'stats',
  opaque: 'opaque',
};

/** Held even when the statement fails: an advisory lock survives the error of the statement that took it, and code that nobody reads may have. */
const EVEN_ON_ERROR = new Set<PinReason>(['advisory', 'seed', 'load', 'dblink', 'opaque', 'sequence']);

/** Kinds that DISCARD ALL does not undo, or not wholly: the connection is closed. */
const NOT_UNDONE = new Set<PinReason>(['temp', 'load', 'seed', 'slot', 'dblink', 'stats', 'opaque', 'snapshot']);

/** What an exchange executed: the Facts of each statement, in the order in which the server completes them. */
interface Ran {
  readonly effects: readonly Effect[];
  readonly verb: string;
}

/** The statements of a text or of executed portals, in order. */
function ranOf(simple: Facts | undefined, executed: readonly (Facts | undefined)[]): Ran[] {
  if (simple !== undefined) return [...simple.statements];
  const ran: Ran[] = [];
  for (const facts of executed) ran.push(facts?.statements[0] ?? (facts === undefined ? UNKNOWN : NOTHING));
  return ran;
}

const NOTHING: Ran = { effects: [], verb: '' };
/** The portal came from somewhere that we did not see, as from SQL's PREPARE: its session is pinned already. */
const UNKNOWN: Ran = { effects: [], verb: 'execute' };

/** Which pins a finished exchange leaves: effects of completed statements, and those that survive an error. */
function pinsOf(ran: readonly Ran[], completed: number, failed: boolean): { reason: PinReason; statement: string }[] {
  const pins: { reason: PinReason; statement: string }[] = [];
  ran.forEach((statement, at) => {
    for (const effect of statement.effects) {
      const reason = PIN_OF[effect.kind];
      if (reason === undefined) continue;
      const happened = at < completed || (failed && at === completed && EVEN_ON_ERROR.has(reason));
      if (happened) pins.push({ reason, statement: effect.name === undefined ? statement.verb : `${statement.verb} ${effect.name}` });
    }
  });
  return pins;
}

/** One session's state, and the only one who changes it. */
export class SessionState {
  readonly settings: TrackedSettings;
  readonly names = new StatementNames();
  readonly #id: number;
  readonly #database: string;
  readonly #place: Place;
  readonly #pins = new Map<PinReason, PinRecord>();
  /** What the exchange under way executes, in order. */
  #ran: Ran[] = [];

  constructor(identity: Pick<SessionIdentity, 'id' | 'label' | 'database' | 'user'>, place: Place) {
    this.#id = identity.id;
    this.#database = identity.database;
    this.settings = new TrackedSettings(identity.label, place.serverUser(identity.database, identity.user));
    this.#place = place;
  }

  /** The settings that the session must find on a server. */
  get label(): Label {
    return this.settings.label;
  }

  get pinned(): boolean {
    return this.#pins.size > 0;
  }

  pins(): readonly PinRecord[] {
    return [...this.#pins.values()];
  }

  /** Whether DISCARD ALL makes the server connection as new. */
  get undoable(): boolean {
    for (const reason of this.#pins.keys()) if (NOT_UNDONE.has(reason)) return false;
    return true;
  }

  /** A request, or a further part of one, goes to a server. */
  sent(request: Request, tally: Tally): void {
    this.#ran.push(...ranOf(request.simple, request.executed));
    tally.clientParses += request.parses;
    tally.binds += request.binds;
  }

  /** The server has answered: what it confirmed counts now. */
  answered(exchange: ClientExchange, server: Server, request: Request, status: number): void {
    const ran = this.#ran;
    this.#ran = [];
    if (exchange.failed && exchange.owed === undefined) {
      // Without a list of what was owed it is not known how far it came.
      server.unnamed = undefined;
      if (!exchange.simple && !exchange.parseConfirmed && request.parsedUnnamed) this.names.unnamed = undefined;
    }
    for (const [name, prepared] of request.portalsBound()) this.names.portals.set(name, prepared);
    if (status === STATUS_IDLE) this.names.transactionEnded();
    for (const { reason, statement } of pinsOf(ran, exchange.completed, exchange.failed)) this.#pin(reason, statement, server);
    for (const { effects, verb } of ran.slice(0, exchange.completed)) {
      for (const effect of effects) this.#confirmed(effect, verb, server);
      if (verb === 'rollback' && status === STATUS_IDLE) this.settings.rolledBack();
    }
  }

  #pin(reason: PinReason, statement: string, server: Server): void {
    if (reason === 'set' || reason === 'opaque') server.label = undefined;
    if (this.#pins.has(reason)) return;
    this.#pins.set(reason, { reason, statement, sinceMs: this.#place.clock.nowMs() });
    this.#place.pinned(this.#id, reason, statement);
  }

  #confirmed(effect: Effect, verb: string, server: Server): void {
    if (!this.settings.note(effect)) this.#pin('set', verb, server);
    if (effect.kind === 'ddl') this.#place.definitionsChanged(this.#database);
    this.#forget(effect, server);
  }

  /** Statements that take prepared statements away. */
  #forget(effect: Effect, server: Server): void {
    if (effect.kind !== 'discard_all' && (effect.kind !== 'deallocate' || effect.name !== undefined)) return;
    this.names.forgetAll();
    server.prepared.clear();
    server.unnamed = undefined;
  }

  /** Something must be asked of the server before the client is told that its statement is done. */
  unsettled(status: number): boolean {
    return this.settings.unsettled(status);
  }

  settle(server: Server, status: number, done: (ok: boolean) => void): void {
    this.settings.settle(server, status, done);
  }

  /** The session is over. */
  end(): void {
    const now = this.#place.clock.nowMs();
    for (const { reason, sinceMs } of this.#pins.values()) this.#place.unpinned(reason, now - sinceMs);
    this.#pins.clear();
  }
}
