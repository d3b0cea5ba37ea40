/**
 * What server connections are held for, and how long: a statement, a transaction, a pin, the session. Looked at on each tick, so that giving
 * one to a client costs nothing more; each look stands for the time since the last.
 */
import type { Session } from './client/session.ts';
import type { HeldFor, HeldTimes } from './metrics/counters.ts';
import { STATUS_IDLE } from './wire/codes.ts';

export class HeldLooks {
  #lastMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** `times`: where what a database's clients hold is added up. */
  tick(sessions: Iterable<Session>, nowMs: number, times: (database: string) => HeldTimes): void {
    const ms = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    for (const session of sessions) if (session.target !== undefined) times(session.identity.database)[heldFor(session)] += ms;
  }
}

/** The first of these that would do: a pin costs what neither a transaction nor a statement would have taken. */
export function heldFor({ status, phase, policy }: Pick<Session, 'status' | 'phase' | 'policy'>): HeldFor {
  if (status !== STATUS_IDLE) return 'transaction';
  if (phase.at !== 'idle') return 'statement';
  return policy.mode === 'session' ? 'session' : 'pin';
}
