/**
 * A session lets go of its server between transactions: by the pool mode it is reset first, on a sampled share of releases it is looked at for
 * leaks, and sometimes its catalog is asked on the way. The client has its answer by then and waits for none of this.
 */
import { cleanAndRelease, cleaningOf } from '../server/cleaning.ts';
import type { Server } from '../server/server.ts';
import { checkAndRelease, type Letting } from './sentinel.ts';
import type { Sharer } from './sharer.ts';
import { trimNames } from './sql-bring.ts';

/** The server is in no transaction and has nothing of the session. */
export function giveBack(server: Server, sharer: Sharer, letting: Letting): void {
  const { resetAlways, resetQuery, leakShare } = letting.state.policy;
  server.resume();
  trimNames(server);
  // What no audit sees is taken away before the next session comes.
  if (letting.state.settings.own.takeUnseen()) server.label = undefined;
  if (resetAlways) return cleanAndRelease(server, cleaningOf(server, false, true, resetQuery) ?? []);
  if (sharer.asksFirst(server)) return;
  if (leakShare > 0 && Math.random() < leakShare) return checkAndRelease(server, letting);
  server.owner.release(server);
}
