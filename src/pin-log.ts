/**
 * What the log tells of pins: a warning for each that lasts longer than `log_pins_after`, and a line when it is over. A site can alert on them.
 * The SQL is not in the log, for it may hold values; SHOW PINS has it.
 */
import type { PinRecord } from './client/pins.ts';
import type { Session } from './client/session.ts';
import { connectionPrefix, type Log, pointer } from './log.ts';

export interface PinLogParts {
  readonly log: Log;
  readonly session: (id: number) => Session | undefined;
  readonly nowMs: () => number;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

function prefixOf({ identity, channel }: Session): string {
  const { id, database, user } = identity;
  return connectionPrefix({ kind: 'C', id, database, user, host: channel.remoteAddress, port: channel.remotePort ?? 0 });
}

export class PinLog {
  readonly #parts: PinLogParts;

  constructor(parts: PinLogParts) {
    this.#parts = parts;
  }

  /** Warns of pins that have lasted long enough; called at each tick. */
  tick(sessions: Iterable<Session>, afterMs: number): void {
    for (const session of sessions) {
      if (!session.state.pinned) continue;
      const nowMs = this.#parts.nowMs();
      for (const pin of session.state.pins())
        if (pin.logged === undefined && nowMs - pin.sinceMs >= afterMs) this.#warn(session, pin, nowMs);
    }
  }

  #warn(session: Session, pin: PinRecord, nowMs: number): void {
    pin.logged = true;
    const server = session.server === undefined ? '' : ` server=S-${pointer(session.server.identity.id)}`;
    const what = `pinned: reason=${pin.reason} by=${JSON.stringify(pin.statement)}${server}`;
    const who = `application_name=${JSON.stringify(session.applicationName)}`;
    this.#parts.log.warning(`${prefixOf(session)}${what} ${who} (age=${seconds(nowMs - pin.sinceMs)}s)`);
  }

  /** A pin is over. */
  ended(sessionId: number, pin: PinRecord): void {
    const session = pin.logged === true ? this.#parts.session(sessionId) : undefined;
    if (session === undefined) return;
    this.#parts.log.log(`${prefixOf(session)}unpinned: reason=${pin.reason} (age=${seconds(this.#parts.nowMs() - pin.sinceMs)}s)`);
  }
}
