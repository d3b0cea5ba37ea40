/**
 * BEGIN has waited long enough for the statement behind it (`held-back.ts`): it goes to a server alone, so that now() is what it was when the
 * client said it. The client has its answer already; what it says meanwhile waits.
 */
import type { Target } from '../../routing/index.ts';
import { bringAlone } from '../relay/bring.ts';
import type { Server } from '../server/server.ts';
import { STATUS_TRANSACTION } from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { type Acquirer, acquireServer } from './acquire.ts';
import type { HeldBack } from './held-back.ts';
import { IDLE, type Phase, whileAsked } from './phase.ts';

/** The session whose BEGIN it is. */
export interface Beginner extends Omit<Acquirer, 'granted'> {
  readonly phase: Phase;
  readonly status: number;
  readonly request: { readonly empty: boolean };
  hold(server: Server, target: Target): void;
  enter(phase: Phase): void;
  inputWanted(): void;
}

export function beginAlone(session: Beginner, heldBack: HeldBack): void {
  // A request that is on its way takes BEGIN along.
  if (session.phase.at !== 'idle' || !session.request.empty || !heldBack.any || session.status !== STATUS_TRANSACTION) return;
  const target: Target = { database: session.identity.database, role: 'primary' };
  const begin = (server: Server): void => {
    session.hold(server, target);
    session.enter(whileAsked(server));
    bringAlone(server, session.state.label, heldBack.take(), (ok) => {
      if (session.phase.at === 'closed') return;
      if (!ok) return session.fail(errors.serverCrashed, 'a transaction could not be begun');
      session.enter(IDLE);
      session.inputWanted();
    });
  };
  const { place, identity, state, output } = session;
  const fail: Acquirer['fail'] = (error, reason) => session.fail(error, reason);
  const got = acquireServer({ place, identity, state, output, granted: begin, fail }, target, undefined);
  if ('at' in got) session.enter(got);
  else begin(got);
}
