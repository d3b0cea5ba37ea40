/**
 * What sessions have to do when time goes by, looked at on each tick: the timeouts that end them (client_idle_timeout, query_timeout, and their
 * like), and frames of a client that says no more although no Sync or Flush has come.
 */
import type { Session } from './client/session.ts';
import type { SessionSettings } from './live.ts';
import { STATUS_IDLE } from './wire/codes.ts';
import * as errors from './wire/errors.ts';
import type { MessageFields } from './wire/write.ts';

const over = (sinceMs: number, limitMs: number, nowMs: number): boolean => limitMs > 0 && nowMs - sinceMs > limitMs;

/** How long the request was at the last tick. */
const gathered = new WeakMap<Session, number>();

/** Postgres begins with what has come, and an error goes out at once: a client may wait for it before it says more. */
function goOn(session: Session): void {
  const { phase, request } = session;
  const before = gathered.get(session);
  gathered.set(session, request.length);
  if (before !== request.length || session.saysMore) return;
  // On shards only what is executed shows where the exchange belongs.
  if (phase.at === 'idle' && (!session.isSharded || request.executed.length > 0)) session.dispatch(false);
  else if (phase.at === 'active' && phase.exchange.open) session.sendMore(phase);
}

export function enforceTimeouts(sessions: Iterable<Session>, nowMs: number): void {
  for (const session of sessions) {
    enforce(session, nowMs);
    if (!session.request.empty) goOn(session);
  }
}

function enforce(session: Session, nowMs: number): void {
  const { policy, sinceMs } = session;
  const { phase } = session;
  const inTransaction = session.status !== STATUS_IDLE;
  if (phase.at === 'waiting') {
    if (over(sinceMs, policy.queryWaitNotifyMs, nowMs)) phase.stay?.notify();
    if (over(sinceMs, policy.queryMs, nowMs)) session.fail(errors.queryTimeoutWaiting);
  } else if (phase.at === 'shared') {
    if (over(sinceMs, policy.queryMs, nowMs)) return session.fail(errors.queryTimeoutRunning);
  } else if (phase.at === 'active') {
    if (over(phase.exchange.startedMs, policy.queryMs, nowMs)) return session.fail(errors.queryTimeoutRunning);
    if (inTransaction && over(session.transactionSinceMs, policy.transactionMs, nowMs)) session.fail(errors.transactionTimeout);
  } else if (phase.at === 'idle') {
    if (inTransaction && over(session.transactionSinceMs, policy.transactionMs, nowMs)) return session.fail(errors.transactionTimeout);
    if (inTransaction && over(sinceMs, policy.idleTransactionMs, nowMs)) return session.fail(errors.idleTransactionTimeout);
    if (!inTransaction && over(sinceMs, policy.clientIdleMs, nowMs)) session.fail(errors.clientIdleTimeout);
  }
}

/** How long one who logs in may wait for a server (milliseconds; Infinity: for ever), and what he is told then: query_timeout holds for him too. */
export function loginLimit({ queryWaitMs, queryMs }: SessionSettings): { readonly ms: number; readonly told: MessageFields } {
  const [waitMs, timeoutMs] = [queryWaitMs, queryMs].map((ms) => (ms > 0 ? ms : Number.POSITIVE_INFINITY)) as [number, number];
  return timeoutMs < waitMs ? { ms: timeoutMs, told: errors.queryTimeoutWaiting } : { ms: waitMs, told: errors.queryWaitTimeout };
}
