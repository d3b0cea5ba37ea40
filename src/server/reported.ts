/**
 * The parameters that a server reports (ParameterStatus), as an interned, immutable value: "the client already knows these" is one
 * comparison of references on the hot path.
 */

import { parameterStatus } from '../wire/write.ts';

export interface Reported {
  /** In the order in which the server reported them first. */
  readonly values: ReadonlyMap<string, string>;
  /** The same but for application_name. */
  readonly nameless: Reported;
}

const interned = new Map<string, Reported>();
const INTERNED_LIMIT = 1024;

/** Tells of the host, not of the session: it changes with every read that a replica answers, and no client expects it to. */
const OF_THE_HOST = 'in_hot_standby';

/** The one value with exactly these parameters. */
export function internReported(values: ReadonlyMap<string, string>): Reported {
  const kept = [...values].filter(([name]) => name !== OF_THE_HOST);
  const key = JSON.stringify([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
  let reported = interned.get(key);
  if (reported === undefined) {
    reported = makeReported(new Map(kept));
    interned.set(key, reported);
    if (interned.size > INTERNED_LIMIT) interned.delete(interned.keys().next().value!);
  }
  return reported;
}

function makeReported(values: Map<string, string>): Reported {
  if (values.has('application_name')) {
    return { values, nameless: internReported(new Map([...values].filter(([name]) => name !== 'application_name'))) };
  }
  const reported: { values: ReadonlyMap<string, string>; nameless?: Reported } = { values };
  reported.nameless = reported as Reported;
  return reported as Reported;
}

/** The same with one parameter changed. */
export function withParameter(reported: Reported, name: string, value: string): Reported {
  if (name === OF_THE_HOST || reported.values.get(name) === value) return reported;
  return internReported(new Map(reported.values).set(name, value));
}

/** What a client that knows `from` must be told to know `to`: its ParameterStatus frames. */
export function changedParameters(from: Reported, to: Reported): Buffer {
  const changed = from === to ? [] : [...to.values].filter(([name, value]) => from.values.get(name) !== value);
  return Buffer.concat(changed.map(([name, value]) => parameterStatus(Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'))));
}
