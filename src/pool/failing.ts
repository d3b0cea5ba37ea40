/**
 * What a pool does while no connection can be made, by PgBouncer's rules (server_login_retry): nobody tries again until some time has passed;
 * who stood in line when it failed goes on waiting where that can help, as long as query_wait_timeout lets him; who comes while there is no
 * connection at all is told at once.
 */
import type { ConnectFailure } from '../server/connect.ts';
import { loginHasBeenFailing } from '../wire/errors.ts';
import type { Waiter } from './parts.ts';

export class Failing {
  #last: { readonly atMs: number; readonly failure: ConnectFailure } | undefined;

  connected(): void {
    this.#last = undefined;
  }

  failed(failure: ConnectFailure, nowMs: number): void {
    this.#last = { atMs: nowMs, failure };
  }

  /** The failure after which it is too early to try again. */
  recent(nowMs: number, retryMs: number): ConnectFailure | undefined {
    return this.#last !== undefined && nowMs - this.#last.atMs < retryMs ? this.#last.failure : undefined;
  }
}

/** One who comes while connecting has failed is told so; false: he may wait. */
export function isTold(failure: ConnectFailure | undefined, waiter: Waiter): boolean {
  if (failure === undefined || (failure.passing === true && waiter.patient === true)) return false;
  waiter.refused(cached(failure));
  return true;
}

/** Postgres's own words and its SQLSTATE tell more than that it has been so for a while. */
function cached(failure: ConnectFailure): ConnectFailure {
  if (!failure.passing || failure.frame !== undefined) return failure;
  const error = loginHasBeenFailing(failure.error?.message ?? failure.reason);
  return { error, reason: error.message };
}
