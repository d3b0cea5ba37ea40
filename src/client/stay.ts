/** One stay in the line for a server: since when, until when, and who is told how it ends. */
import type { Waiter } from '../pool/parts.ts';
import type { SharingWish } from '../pool/sharing.ts';
import type { ConnectFailure } from '../server/connect.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import type { Clock } from '../timers.ts';

export interface StayOwner {
  granted(server: Server, waitedMs: number): void;
  refused(why: ConnectFailure | 'timeout'): void;
  /** The client has stood in line for long enough to be told. */
  notify(): void;
}

export class Stay implements Waiter {
  readonly label: Label;
  readonly wants: Server | undefined;
  readonly sharing: SharingWish | undefined;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly #clock: Clock;
  readonly #owner: StayOwner;
  #notified = false;

  /** `limitMs`: query_wait_timeout; 0: for ever. */
  constructor(label: Label, wants: Server | undefined, sharing: SharingWish | undefined, clock: Clock, limitMs: number, owner: StayOwner) {
    this.label = label;
    this.wants = wants;
    this.sharing = sharing;
    this.#clock = clock;
    this.#owner = owner;
    this.sinceMs = clock.nowMs();
    this.deadlineMs = limitMs > 0 ? this.sinceMs + limitMs : Number.POSITIVE_INFINITY;
  }

  granted(server: Server): void {
    this.#owner.granted(server, this.#clock.nowMs() - this.sinceMs);
  }

  refused(why: ConnectFailure | 'timeout'): void {
    this.#owner.refused(why);
  }

  /** Once, however often it is called. */
  notify(): void {
    if (this.#notified) return;
    this.#notified = true;
    this.#owner.notify();
  }
}
