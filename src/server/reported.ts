/**
 * The parameters that a server reports (ParameterStatus), as an interned, immutable value: "the client already knows these" is one
 * comparison of references on the hot path.
 */

import { parameterStatus } from '../wire/write.ts';
import { Interner, type Parameters } from './interned.ts';

/** In the order in which the server reported them first. */
export type Reported = Parameters;

const interned = new Interner(1024);

/** Tells of the host, not of the session: it changes with every read that a replica answers, and no client expects it to. */
const OF_THE_HOST = 'in_hot_standby';

/** The one value with exactly these parameters. */
export function internReported(values: ReadonlyMap<string, string>): Reported {
  return interned.of(new Map([...values].filter(([name]) => name !== OF_THE_HOST)));
}

/** The same with one parameter changed. */
export function withParameter(reported: Reported, name: string, value: string): Reported {
  if (name === OF_THE_HOST || reported.values.get(name) === value) return reported;
  return internReported(new Map(reported.values).set(name, value));
}

const frames = new WeakMap<Reported, Buffer>();

/** The ParameterStatus frames that tell a client all of them. */
export function allParameters(reported: Reported): Buffer {
  const known = frames.get(reported);
  if (known !== undefined) return known;
  const made = framesOf([...reported.values]);
  frames.set(reported, made);
  return made;
}

function framesOf(parameters: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(parameters.map(([name, value]) => parameterStatus(Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'))));
}

/** What a client that knows `from` must be told to know `to`: its ParameterStatus frames. */
export function changedParameters(from: Reported, to: Reported): Buffer {
  const changed = from === to ? [] : [...to.values].filter(([name, value]) => from.values.get(name) !== value);
  return framesOf(changed);
}
