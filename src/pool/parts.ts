/** What a pool deals with: those who wait for a server, the settings that hold at this moment, and what it needs from those around it. */
import type { ConnectFailure } from '../server/connect.ts';
import type { InternalExchange } from '../server/exchange.ts';
import type { Server, ServerOwner } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import type { Clock } from '../timers.ts';
import type { Budget } from './limits.ts';
import type { SharingWish } from './sharing.ts';

/** Someone in line. Exactly one of the two is called, unless the waiter leaves first. */
export interface Waiter {
  readonly label: Label;
  /** A server that would be best, if it is free. */
  readonly wants: Server | undefined;
  /** It may share a server with others (`Server.sharing` of the one it gets says whether it does); undefined: it needs one of its own. */
  readonly sharing?: SharingWish | undefined;
  /** It is only logging in, and waits until the host can be reached. */
  readonly patient?: boolean;
  readonly sinceMs: number;
  /** When it gives up (query_wait_timeout), on the pool's clock; Infinity: never. */
  readonly deadlineMs: number;
  granted(server: Server): void;
  refused(error: ConnectFailure | 'timeout'): void;
  /** Where it stands; set by who puts it there. A new configuration may move it. */
  line: { leave(waiter: Waiter): void } | undefined;
  /** Leaves that line. */
  leave(): void;
}

/** The settings that hold for a pool at this moment. All times in milliseconds. */
export interface PoolPolicy {
  readonly poolSize: number;
  readonly minPoolSize: number;
  readonly reserveSize: number;
  readonly reserveTimeoutMs: number;
  readonly lifetimeMs: number;
  readonly idleTimeoutMs: number;
  readonly checkDelayMs: number;
  /** The check, as frames to send; undefined: none. */
  readonly checkQuery?: Buffer;
  readonly loginRetryMs: number;
  readonly roundRobin: boolean;
  readonly pipelineWidth: number;
  readonly pipelineDepth: number;
}

/** What a pool needs from those around it. */
export interface PoolParts {
  readonly clock: Clock;
  policy(): PoolPolicy;
  /** Opens and logs in one connection; rejects with a ConnectFailure. */
  connect(owner: ServerOwner): Promise<Server>;
  check(done: (ok: boolean) => void): InternalExchange;
  readonly budgets: readonly Budget[];
  log(server: Server | undefined, text: string): void;
}
