/** A session asks for a server: at once, or from the line, where it may be told to wait, give up, or hear why there is none. */
import type { Target } from '../../routing/index.ts';
import type { SharingWish } from '../pool/sharing.ts';
import type { Server } from '../server/server.ts';
import type { InLine } from './phase.ts';
import { type Acquirer, Stay } from './stay.ts';

export type { Acquirer };

/** A server, or the phase in which the session waits. `wish`: it may be one that others share. */
export function acquireServer(session: Acquirer, target: Target, wish: SharingWish | undefined): Server | InLine {
  const stay = new Stay(session, target, wish);
  const got = session.place.acquire(target, session.identity.credentials, stay);
  return 'leave' in got ? { at: 'waiting', line: got, stay } : got;
}
