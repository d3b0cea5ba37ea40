/**
 * Keys of SCRAM-SHA-256 (RFC 5802, 3; RFC 7677). Deriving them from a password is made to be slow, so it runs outside the event loop and
 * is done once for each password, salt and iteration count: what was derived is kept, bounded, under a digest keyed with a secret of this
 * process, so that the memory holds no password and later log-ins cost only HMACs.
 *
 * A salt for users without a SCRAM secret also comes from here: a function of the user's name and this process, the same whether the user
 * has a plain password or does not exist at all.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { saslprep } from './saslprep.ts';

/** Bytes of every SCRAM-SHA-256 key, signature and proof. */
export const SCRAM_KEY_BYTES = 32;
/** Most iterations that we compute for a peer: about ten seconds of work. */
export const MAX_SCRAM_ITERATIONS = 10_000_000;

const SALT_BYTES = 16;
const KEPT_LIMIT = 4096;

/** The peer, or a stored secret, breaks the rules of SCRAM. The message is for the log; clients get one text for every failure. */
export class ScramError extends Error {
  override readonly name = 'ScramError';
}

/** What logs in to a server in place of a password: ClientKey makes the proof, ServerKey checks the server's answer. */
export interface ScramKeys {
  readonly clientKey: Buffer;
  readonly serverKey: Buffer;
}

/** A SCRAM secret at rest: enough to check a proof, not enough to make one. */
export interface ScramSecret {
  /** From 1. */
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface DerivedKeys extends ScramKeys {
  readonly storedKey: Buffer;
}

export function hmac(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const digest = createHmac('sha256', key);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

const pbkdf2Async = promisify(pbkdf2);
const processSecret = randomBytes(32);
const keyOfKept = hmac(processSecret, 'kept keys');
const keyOfSalts = hmac(processSecret, 'salts');

/** Oldest use first. Promises, so that a thousand log-ins at once derive once. */
const kept = new Map<string, Promise<DerivedKeys>>();

async function derive(password: Buffer, salt: Buffer, iterations: number): Promise<DerivedKeys> {
  const salted = await pbkdf2Async(saslprep(password), salt, iterations, SCRAM_KEY_BYTES, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, 'Server Key') };
}

function checkIterations(iterations: number): void {
  if (!(iterations >= 1 && iterations <= MAX_SCRAM_ITERATIONS))
    throw new ScramError(`${iterations} SCRAM iterations: from 1 to ${MAX_SCRAM_ITERATIONS} are computed`);
}

function nameOf(password: Buffer, salt: Buffer, iterations: number): string {
  return hmac(keyOfKept, `${iterations} ${password.length} `, password, salt).toString('base64');
}

function recall(name: string): Promise<DerivedKeys> | undefined {
  const keys = kept.get(name);
  if (keys) keep(name, keys);
  return keys;
}

/** As the one used last. */
function keep(name: string, keys: Promise<DerivedKeys>): void {
  kept.delete(name);
  kept.set(name, keys);
  if (kept.size > KEPT_LIMIT) kept.delete(kept.keys().next().value!);
}

/** Keys of `password` with this salt and number of iterations (1 to MAX_SCRAM_ITERATIONS, else it rejects with a ScramError). Kept. */
export async function deriveKeys(password: Buffer, salt: Buffer, iterations: number): Promise<DerivedKeys> {
  checkIterations(iterations);
  const name = nameOf(password, salt, iterations);
  const known = recall(name);
  if (known) return known;
  const keys = derive(password, salt, iterations);
  keep(name, keys);
  keys.catch(() => kept.delete(name));
  return keys;
}

/**
 * Whether a password that a client sent in clear text is the one behind these stored keys. It may be any text, so it stays in memory only
 * when it is right. Rejects like `deriveKeys`.
 */
export async function isPasswordOf(secret: ScramSecret, password: Buffer): Promise<boolean> {
  checkIterations(secret.iterations);
  const name = nameOf(password, secret.salt, secret.iterations);
  const keys = recall(name) ?? derive(password, secret.salt, secret.iterations);
  const right = timingSafeEqual((await keys).storedKey, secret.storedKey);
  if (right) keep(name, keys);
  return right;
}

const keysOf = new WeakMap<ScramSecret, ScramKeys>();

/** The keys that a client has proved to have for this secret: there are no others, so all its clients share one copy. */
export function theKeysOf(secret: ScramSecret, proved: ScramKeys): ScramKeys {
  const known = keysOf.get(secret);
  if (known !== undefined) return known;
  keysOf.set(secret, proved);
  return proved;
}

/** The salt shown to `user` when no SCRAM secret brings its own; tells nothing about whether the user exists. 16 bytes. */
export function saltForUser(user: string): Buffer {
  return hmac(keyOfSalts, user).subarray(0, SALT_BYTES);
}
