/** One stay of a session in the line for a server: since when, until when, and what becomes of the session when it ends. */
import type { Target } from '../../routing/index.ts';
import type { Waiter } from '../pool/parts.ts';
import type { SharingWish } from '../pool/sharing.ts';
import type { ConnectFailure } from '../server/connect.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import * as errors from '../wire/errors.ts';
import { type MessageFields, noticeResponse } from '../wire/write.ts';
import type { SessionIdentity } from './identity.ts';
import type { Output } from './output.ts';
import type { Place } from './place.ts';
import type { SessionState } from './state.ts';

/** The session, as it stands in line. */
export interface Acquirer {
  readonly place: Place;
  readonly identity: SessionIdentity;
  readonly state: SessionState;
  readonly output: Output;
  /** Its turn has come: the server is its own, or one that it shares. */
  granted(server: Server, target: Target): void;
  fail(error: MessageFields | undefined, reason?: string): void;
}

export class Stay implements Waiter {
  readonly label: Label;
  readonly wants: Server | undefined;
  readonly sharing: SharingWish | undefined;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  line: Waiter['line'] = undefined;
  readonly #session: Acquirer;
  readonly #target: Target;
  #notified = false;

  /** `sharing`: the server may be one that others share. */
  constructor(session: Acquirer, target: Target, sharing: SharingWish | undefined) {
    const { state, place } = session;
    this.label = state.label;
    this.wants = state.sequences.server;
    this.sharing = sharing;
    this.sinceMs = place.clock.nowMs();
    const limitMs = state.policy.queryWaitMs;
    this.deadlineMs = limitMs > 0 ? this.sinceMs + limitMs : Number.POSITIVE_INFINITY;
    this.#session = session;
    this.#target = target;
  }

  granted(server: Server): void {
    const { place, identity } = this.#session;
    const waitedMs = place.clock.nowMs() - this.sinceMs;
    place.waited(identity.database, waitedMs);
    place.tally(identity.database).waitMs += waitedMs;
    this.#session.granted(server, this.#target);
  }

  refused(why: ConnectFailure | 'timeout'): void {
    const { output } = this.#session;
    if (why === 'timeout') return this.#session.fail(errors.queryWaitTimeout);
    if (why.frame !== undefined) output.send(why.frame);
    this.#session.fail(why.frame === undefined ? (why.error ?? errors.connectFailed) : undefined, why.reason);
  }

  leave(): void {
    this.line?.leave(this);
  }

  /** The client has stood in line for long enough to be told: once, however often it is called. */
  notify(): void {
    if (this.#notified) return;
    this.#notified = true;
    this.#session.output.send(noticeResponse(errors.queued));
  }
}
