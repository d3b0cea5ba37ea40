/** The timeouts that end sessions, looked at on each tick: client_idle_timeout, query_timeout, and their like. */
import type { Session } from './client/session.ts';
import { STATUS_IDLE } from './wire/codes.ts';
import * as errors from './wire/errors.ts';

const over = (sinceMs: number, limitMs: number, nowMs: number): boolean => limitMs > 0 && nowMs - sinceMs > limitMs;

export function enforceTimeouts(sessions: Iterable<Session>, nowMs: number): void {
  for (const session of sessions) enforce(session, nowMs);
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
