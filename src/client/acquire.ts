/** A session asks for a server: at once, or from the line, where it may be told to wait, give up, or hear why there is none. */
import type { Target } from '../../routing/index.ts';
import type { SharingWish } from '../pool/sharing.ts';
import type { Server } from '../server/server.ts';
import * as errors from '../wire/errors.ts';
import { type MessageFields, noticeResponse } from '../wire/write.ts';
import type { SessionIdentity } from './identity.ts';
import type { Output } from './output.ts';
import type { InLine } from './phase.ts';
import type { Place } from './place.ts';
import type { SessionState } from './state.ts';
import { Stay } from './stay.ts';

/** The session, as it stands in line. */
export interface Acquirer {
  readonly place: Place;
  readonly identity: SessionIdentity;
  readonly state: SessionState;
  readonly output: Output;
  fail(error: MessageFields | undefined, reason?: string): void;
}

/** A server, or the phase in which the session waits; `granted` is called then. `wish`: it may be one that others share. */
export function acquireServer(
  session: Acquirer,
  target: Target,
  wish: SharingWish | undefined,
  granted: (server: Server) => void,
): Server | InLine {
  const { place, identity, state, output } = session;
  const stay = new Stay(state.label, state.sequences.server, wish, place.clock, state.policy.queryWaitMs, {
    granted: (server, waitedMs) => {
      place.waited(identity.database, waitedMs);
      place.tally(identity.database).waitMs += waitedMs;
      granted(server);
    },
    refused: (why) => {
      if (why === 'timeout') return session.fail(errors.queryWaitTimeout);
      if (why.frame !== undefined) output.send(why.frame);
      session.fail(why.frame === undefined ? (why.error ?? errors.connectFailed) : undefined, why.reason);
    },
    notify: () => output.send(noticeResponse(errors.queued)),
  });
  const got = place.acquire(target, identity.credentials, stay);
  return 'leave' in got ? { at: 'waiting', line: got, stay } : got;
}
