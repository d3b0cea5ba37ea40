/**
 * What a session has in its server connection that another one would not have: its pins, each with the reason, the statement that caused
 * it and since when; and how the server must be cleaned when the session lets go of it.
 */
import type { Effect, EffectKind, Facts, PinReason } from '../../routing/index.ts';

export interface PinRecord {
  readonly reason: PinReason;
  /** The kind of statement that caused it, as Postgres's command word. */
  readonly statement: string;
  readonly sinceMs: number;
}

/** The pin that an effect causes; effects that are not here leave nothing behind. */
const PIN_OF: Partial<Record<EffectKind, PinReason>> = {
  set: 'set',
  reset: 'set',
  reset_all: 'set',
  set_config: 'set',
  set_characteristics: 'set',
  set_role: 'role',
  set_session_authorization: 'role',
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

export class Pins {
  readonly #pins = new Map<PinReason, PinRecord>();

  get any(): boolean {
    return this.#pins.size > 0;
  }

  list(): readonly PinRecord[] {
    return [...this.#pins.values()];
  }

  add(reason: PinReason, statement: string, sinceMs: number): boolean {
    if (this.#pins.has(reason)) return false;
    this.#pins.set(reason, { reason, statement, sinceMs });
    return true;
  }

  clear(): void {
    this.#pins.clear();
  }

  /** Whether DISCARD ALL makes the connection as new. */
  get undoable(): boolean {
    for (const reason of this.#pins.keys()) if (NOT_UNDONE.has(reason)) return false;
    return true;
  }
}

/** What an exchange executed: the Facts of each statement, in the order in which the server completes them. */
export interface Ran {
  readonly effects: readonly Effect[];
  readonly verb: string;
}

/** The statements of a text or of executed portals, in order. */
export function ranOf(simple: Facts | undefined, executed: readonly (Facts | undefined)[]): Ran[] {
  if (simple !== undefined) return [...simple.statements];
  const ran: Ran[] = [];
  for (const facts of executed) ran.push(facts?.statements[0] ?? (facts === undefined ? UNKNOWN : NOTHING));
  return ran;
}

const NOTHING: Ran = { effects: [], verb: '' };
/** The portal came from somewhere that we did not see, as from SQL's PREPARE: its session is pinned already. */
const UNKNOWN: Ran = { effects: [], verb: 'execute' };

/** Which pins a finished exchange leaves: effects of completed statements, and those that survive an error. */
export function pinsOf(ran: readonly Ran[], completed: number, failed: boolean): { reason: PinReason; statement: string }[] {
  const pins: { reason: PinReason; statement: string }[] = [];
  ran.forEach((statement, at) => {
    for (const effect of statement.effects) {
      const reason = PIN_OF[effect.kind];
      if (reason === undefined) continue;
      const happened = at < completed || (failed && at === completed && EVEN_ON_ERROR.has(reason));
      if (happened) pins.push({ reason, statement: statement.verb });
    }
  });
  return pins;
}
