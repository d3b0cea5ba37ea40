/**
 * What a client is told when it is let in: the parameters of its own session, as a server reports them under the client's settings. A
 * server is asked once for each label; the answer is kept until its connection's database changes.
 */

import type { Target } from '../../routing/index.ts';
import type { Waiter } from '../pool/parts.ts';
import type { ConnectFailure } from '../server/connect.ts';
import { InternalExchange } from '../server/exchange.ts';
import { internReported, type Reported, withParameter } from '../server/reported.ts';
import type { Server } from '../server/server.ts';
import { intern, type Label, replayFrames } from '../server/settings.ts';
import { OF_TRANSACTIONS } from './audit.ts';
import type { Credentials } from './credentials.ts';
import type { Line, Place } from './place.ts';

/** No server could be asked, or it does not accept the client's settings. */
export interface WelcomeFailure extends ConnectFailure {
  /** The settings are at fault, not the server. */
  readonly settings?: boolean;
}

const KEPT_LIMIT = 1000;
/** An application_name that Postgres reports as it was given: printable ASCII, short enough not to be cut. */
const PLAIN_NAME = /^[\x20-\x7e]{0,63}$/;

export interface Welcome {
  readonly reported: Reported;
  /** The client's settings in the server's own words. */
  readonly label: Label;
}

/** What is kept of a label, and of what it is with the last application_name that came with it. */
interface Kept extends Welcome {
  named?: { readonly name: string; readonly welcome: Welcome };
}

export class Welcomes {
  readonly #kept = new Map<string, Kept>();

  forget(): void {
    this.#kept.clear();
  }

  /** What to tell a client with this label; rejects with a WelcomeFailure, or with 'timeout'. */
  async welcome(place: Place, target: Target, credentials: Credentials, label: Label, deadlineMs: number): Promise<Welcome> {
    const name = label.values.get('application_name') ?? '';
    const asked = PLAIN_NAME.test(name) ? without(label, 'application_name') : label;
    const key = JSON.stringify([target.database, credentials.user, [...asked.values]]);
    let known = this.#kept.get(key);
    if (known === undefined) {
      const reported = await ask(place, target, credentials, asked, deadlineMs);
      known = { reported, label: canonical(lasting(asked), reported) };
      if (this.#kept.size >= KEPT_LIMIT) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(key, known);
    }
    if (asked === label) return known;
    if (known.named?.name !== name) {
      const withName = new Map(known.label.values).set('application_name', name);
      known.named = { name, welcome: { reported: withParameter(known.reported, 'application_name', name), label: intern(withName) } };
    }
    return known.named.welcome;
  }
}

/** Values as the server reports them: `sql` alone would mean something else on a connection whose DateStyle was `German, DMY`. */
function canonical(label: Label, reported: Reported): Label {
  const known = new Map([...reported.values].map(([name, value]) => [name.toLowerCase(), value]));
  return label.values.size === 0 ? label : intern(new Map([...label.values].map(([name, value]) => [name, known.get(name) ?? value])));
}

function without(label: Label, name: string): Label {
  if (!label.values.has(name)) return label;
  const values = new Map(label.values);
  values.delete(name);
  return intern(values);
}

/** What a transaction is made with anew outlasts none: Postgres takes it at the start, and it has no effect. */
function lasting(label: Label): Label {
  return [...OF_TRANSACTIONS].reduce(without, label);
}

function ask(place: Place, target: Target, credentials: Credentials, label: Label, deadlineMs: number): Promise<Reported> {
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      line: undefined,
      leave: () => waiter.line?.leave(waiter),
      label,
      wants: undefined,
      patient: true,
      sinceMs: place.clock.nowMs(),
      deadlineMs,
      granted: (server) => askServer(server, label, resolve, reject),
      refused: reject,
    };
    const got: Server | Line = place.acquire(target, credentials, waiter);
    if (!('leave' in got)) askServer(got, label, resolve, reject);
  });
}

function askServer(server: Server, label: Label, resolve: (reported: Reported) => void, reject: (failure: WelcomeFailure) => void): void {
  if (server.label === label && label.values.size === 0) {
    const reported = server.reported;
    server.owner.release(server);
    return resolve(reported);
  }
  const before = server.label;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (outcome.ok) {
        server.label = lasting(label);
        const reported = server.reported;
        server.owner.release(server);
        return resolve(internReported(reported.values));
      }
      server.label = before;
      server.close('settings of a client were refused');
      reject({ reason: 'settings were refused', settings: true, ...(outcome.error === undefined ? {} : { frame: outcome.error }) });
    }),
  );
  server.unnamed = undefined;
  // From nothing: what an earlier client had set must not shine through.
  server.send(replayFrames(undefined, label, server.base));
}
