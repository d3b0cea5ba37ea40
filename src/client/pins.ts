/**
 * The pins of a session: why it keeps its server connection between transactions. Each has its reason, what caused it, and since when. Some
 * kinds of state can be looked for and so found to be gone; others last until the session ends, and the connection with it.
 */

import type { EffectKind, PinReason } from '../../routing/index.ts';
import { LazyMap } from '../lazy.ts';

export interface PinRecord {
  readonly reason: PinReason;
  /** The kind of statement that caused it, as Postgres's command word, and the name of what it made, where it has one. */
  readonly statement: string;
  /** The SQL of that statement as the client wrote it, cut; without parameters. */
  readonly text: string;
  readonly sinceMs: number;
  /** The log has told of it. */
  logged?: true;
}

/** The pin that an effect causes; effects that are not here leave nothing that a pin is needed for. */
export const PIN_OF: Partial<Record<EffectKind, PinReason>> = {
  temp: 'temp',
  hold: 'hold',
  advisory: 'advisory',
  listen: 'listen',
  prepare: 'prepare',
  slot: 'slot',
  opaque: 'opaque',
  load: 'load',
  seed: 'seed',
  currval: 'sequence',
  snapshot: 'snapshot',
  dblink: 'dblink',
  stats: 'stats',
};

/** Held even when the statement fails: an advisory lock survives the error of the statement that took it, and code that nobody reads may have. */
export const EVEN_ON_ERROR: ReadonlySet<PinReason> = new Set(['advisory', 'seed', 'load', 'dblink', 'opaque', 'sequence', 'slot']);

/** Kinds that an audit finds, and finds gone. */
export const AUDITED = ['advisory', 'temp', 'hold', 'listen', 'prepare', 'slot'] as const satisfies readonly PinReason[];

/** Effects after which a pinned kind may be gone: which kind; undefined: any. */
const MAY_END: ReadonlyMap<EffectKind, PinReason | undefined> = new Map<EffectKind, PinReason | undefined>([
  ['advisory_release', 'advisory'],
  ['drop', 'temp'],
  ['ddl', 'temp'],
  ['close', 'hold'],
  ['unlisten', 'listen'],
  ['deallocate', 'prepare'],
  ['discard_all', undefined],
  ['discard_temp', 'temp'],
]);

/** Kinds that DISCARD ALL does not undo, or not wholly: the connection is closed. */
const NOT_UNDONE: ReadonlySet<PinReason> = new Set(['temp', 'load', 'seed', 'slot', 'dblink', 'stats', 'opaque', 'snapshot']);

/** Kinds that end without an audit, or by the one that they cause. */
const ENDS_OTHERWISE: ReadonlySet<PinReason> = new Set(['opaque', 'prepared', 'settings', 'role', 'sequence']);

export class Pins {
  readonly #pins = new LazyMap<PinReason, PinRecord>();
  readonly #ended: (pin: PinRecord) => void;

  /** `ended` is told of every pin that is over. */
  constructor(ended: (pin: PinRecord) => void) {
    this.#ended = ended;
  }

  get any(): boolean {
    return this.#pins.size > 0;
  }

  /** An effect after which one of them may be gone. */
  mayEndBy(kind: EffectKind): boolean {
    if (!MAY_END.has(kind)) return false;
    const reason = MAY_END.get(kind);
    return reason === undefined ? this.any : this.#pins.has(reason);
  }

  /** Something pins that only an audit finds gone, or nothing at all. */
  get lasting(): boolean {
    for (const reason of this.#pins.keys()) if (!ENDS_OTHERWISE.has(reason)) return true;
    return false;
  }

  has(reason: PinReason): boolean {
    return this.#pins.has(reason);
  }

  list(): readonly PinRecord[] {
    return [...this.#pins.values()];
  }

  /** True when it is new. */
  add(pin: PinRecord): boolean {
    if (this.#pins.has(pin.reason)) return false;
    this.#pins.set(pin.reason, pin);
    return true;
  }

  remove(reason: PinReason): void {
    const pin = this.#pins.get(reason);
    if (pin === undefined) return;
    this.#pins.delete(reason);
    this.#ended(pin);
  }

  clear(): void {
    for (const reason of [...this.#pins.keys()]) this.remove(reason);
  }

  /** Whether DISCARD ALL makes the connection as new. */
  get undoable(): boolean {
    for (const reason of this.#pins.keys()) if (NOT_UNDONE.has(reason)) return false;
    return true;
  }
}
