/**
 * Decides whether a client is who it says it is: asks by the method that `auth_type` and the user's secret call for, and checks the answer.
 * Unknown users go through the same messages as known ones with a wrong password, and unknown databases fail only after the user has
 * proved itself, so that a failure does not tell which of the two was wrong. Texts are PgBouncer's: its users match on them.
 *
 * AuthenticationOk is not sent here but by the caller, together with the welcome: until then log-in can still fail. Nor is anything sent
 * on failure. Time limits are the caller's: it makes `read()` reject.
 */
import { timingSafeEqual } from 'node:crypto';
import { PASSWORD } from '../wire/codes.ts';
import { INVALID_AUTHORIZATION, INVALID_DATABASE, INVALID_PASSWORD, POOLER_SQLSTATE } from '../wire/errors.ts';
import { MD5_SALT_BYTES, md5Answer, md5Secret } from './md5.ts';
import {
  askCleartextPassword,
  askMd5Password,
  askSasl,
  MAX_PASSWORD_MESSAGE_BYTES,
  PasswordMessageError,
  readPassword,
  readSaslInitialResponse,
  saslContinue,
  saslFinal,
} from './messages.ts';
import { freshRandom } from './random.ts';
import { challengeClient, checkClientFinal, readClientFirst, SCRAM_MECHANISM } from './scram.ts';
import {
  deriveKeys,
  isPasswordOf,
  SCRAM_KEY_BYTES,
  ScramError,
  type ScramKeys,
  type ScramSecret,
  saltForUser,
  sha256,
  theKeysOf,
} from './scram-keys.ts';
import type { Secret } from './secrets.ts';

/** Methods of `auth_type` that are decided here. */
export type AuthType = 'any' | 'trust' | 'plain' | 'md5' | 'scram-sha-256';

/** The client, as far as authentication sees it. */
export interface ClientPort {
  send(frame: Uint8Array): void;
  /** The next whole message: its type and its body without header, valid until the next call. Rejects when the client is gone or too slow. */
  read(): Promise<{ readonly type: number; readonly body: Buffer }>;
}

export interface AuthenticationRequest {
  readonly authType: AuthType;
  readonly user: string;
  /** Name that the client asked for; shown in "no such database". */
  readonly database: string;
  readonly databaseKnown: boolean;
  /** Undefined: no such user. */
  readonly secret: Secret | undefined;
  /** Setting `scram_iterations`: for users whose secret is not a SCRAM secret. */
  readonly scramIterations: number;
}

export type Authenticated =
  | {
      readonly ok: true;
      /** Log in to servers that hold the same SCRAM secret; only when the user's secret is one. */
      readonly scramKeys?: ScramKeys;
      /** The password, when the client sent it in clear text. */
      readonly password?: Buffer;
    }
  | {
      readonly ok: false;
      /** For the client, as FATAL, and after "closing because: " in the log; undefined: close without a word. */
      readonly message: string | undefined;
      readonly sqlstate: string;
      /** For the log only: what really was wrong. */
      readonly logReason: string;
    };

type Failed = Extract<Authenticated, { ok: false }>;

function fail(message: string | undefined, logReason: string, sqlstate = INVALID_PASSWORD): Failed {
  return { ok: false, message, sqlstate, logReason };
}

/** The body of the client's answer. Whatever is not an answer ends the log-in: nothing else may be said now. */
async function readAnswer(port: ClientPort): Promise<Buffer> {
  const { type, body } = await port.read();
  if (type !== PASSWORD) throw new PasswordMessageError(`bad packet: message of type ${type} instead of a password`);
  if (body.length > MAX_PASSWORD_MESSAGE_BYTES) throw new PasswordMessageError('password message too long');
  return body;
}

/** Compares without telling by time where they differ, nor how long the secret is. */
function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return timingSafeEqual(sha256(left), sha256(right));
}

/** Why no answer can be right, for the log; undefined when one can. An empty password never lets anyone in. */
function hopeless(request: AuthenticationRequest): string | undefined {
  const { secret, user } = request;
  if (!secret) return `no such user: ${user}`;
  return secret.kind === 'plain' && secret.password.length === 0 ? `user "${user}" has no password` : undefined;
}

async function isRightPassword(secret: Secret, user: string, password: Buffer): Promise<boolean> {
  if (secret.kind === 'plain') return isSame(secret.password, password);
  if (secret.kind === 'md5') return isSame(Buffer.from(secret.hash), Buffer.from(md5Secret(password, user)));
  return isPasswordOf(secret.scram, password);
}

async function byCleartext(port: ClientPort, request: AuthenticationRequest): Promise<Authenticated> {
  port.send(askCleartextPassword());
  const password = readPassword(await readAnswer(port));
  if (password.length === 0) return fail('empty password returned by client', 'empty password');
  const reason = hopeless(request);
  if (reason !== undefined) return fail('password authentication failed', reason);
  const right = await isRightPassword(request.secret!, request.user, password);
  return right ? { ok: true, password } : fail('password authentication failed', 'wrong password');
}

async function byMd5(port: ClientPort, request: AuthenticationRequest): Promise<Authenticated> {
  const { secret, user } = request;
  const salt = freshRandom(MD5_SALT_BYTES);
  port.send(askMd5Password(salt));
  const answer = readPassword(await readAnswer(port));
  if (answer.length === 0) return fail('empty password returned by client', 'empty password');
  const stored = secret?.kind === 'md5' ? secret.hash : md5Secret(secret?.kind === 'plain' ? secret.password : freshRandom(16), user);
  const right = isSame(Buffer.from(md5Answer(stored, salt)), answer);
  const reason = hopeless(request) ?? (right ? undefined : 'wrong password');
  return reason === undefined ? { ok: true } : fail('password authentication failed', reason);
}

/** A secret that nobody can prove, and that looks like the one a plain password would give. */
function mockSecret(user: string, iterations: number): ScramSecret {
  return { iterations, salt: saltForUser(user), storedKey: freshRandom(SCRAM_KEY_BYTES), serverKey: freshRandom(SCRAM_KEY_BYTES) };
}

async function secretToProve(request: AuthenticationRequest): Promise<ScramSecret> {
  const { secret, user, scramIterations: iterations } = request;
  if (secret?.kind === 'scram-sha-256') return secret.scram;
  if (secret?.kind !== 'plain' || secret.password.length === 0) return mockSecret(user, iterations);
  const salt = saltForUser(user);
  const { storedKey, serverKey } = await deriveKeys(secret.password, salt, iterations);
  return { iterations, salt, storedKey, serverKey };
}

async function byScram(port: ClientPort, request: AuthenticationRequest): Promise<Authenticated> {
  const { secret } = request;
  port.send(askSasl([SCRAM_MECHANISM]));
  const initial = readSaslInitialResponse(await readAnswer(port));
  if (initial.mechanism !== SCRAM_MECHANISM) {
    return fail(
      'client selected an invalid SASL authentication mechanism',
      `mechanism ${JSON.stringify(initial.mechanism.slice(0, 64))}`,
      POOLER_SQLSTATE,
    );
  }
  if (!initial.message) throw new ScramError('no client-first-message');
  const first = readClientFirst(initial.message);
  const challenge = challengeClient(first, await secretToProve(request));
  port.send(saslContinue(challenge.message));
  const proved = checkClientFinal(challenge, await readAnswer(port));
  if (secret?.kind === 'md5') return fail('SASL authentication failed', 'wrong password type: user has an md5 secret');
  const reason = hopeless(request) ?? (proved ? undefined : 'wrong password');
  if (reason !== undefined || !proved) return fail('SASL authentication failed', reason ?? 'wrong password');
  port.send(saslFinal(proved.message));
  return secret?.kind === 'scram-sha-256' ? { ok: true, scramKeys: theKeysOf(secret.scram, proved.keys) } : { ok: true };
}

async function prove(port: ClientPort, request: AuthenticationRequest): Promise<Authenticated> {
  const { authType, secret } = request;
  if (authType === 'any') return { ok: true };
  if (authType === 'trust')
    return secret ? { ok: true } : fail('"trust" authentication failed', `no such user: ${request.user}`, INVALID_AUTHORIZATION);
  if (authType === 'plain') return byCleartext(port, request);
  // Clients cannot answer an md5 challenge for a secret that md5 did not make: SCRAM is asked for instead, as in Postgres.
  return authType === 'md5' && secret?.kind !== 'scram-sha-256' ? byMd5(port, request) : byScram(port, request);
}

function failureOf(error: unknown): Failed {
  if (error instanceof ScramError) return fail('SASL authentication failed', error.message);
  if (error instanceof PasswordMessageError) return fail(undefined, error.message);
  throw error;
}

/**
 * Authenticates a client. Rejects only with what `port.read()` rejects with, or on a bug.
 * The name of a user counts only for `auth_type` other than `any`; with `any` the caller sees to it that the database forces a user.
 */
export async function authenticate(port: ClientPort, request: AuthenticationRequest): Promise<Authenticated> {
  const proved = await prove(port, request).catch(failureOf);
  if (!proved.ok || request.databaseKnown) return proved;
  // With `any` nobody proved anything; an unknown database fails as one without a forced user, which it is.
  if (request.authType === 'any') return fail('bouncer config error', 'auth_type=any requires forced user', POOLER_SQLSTATE);
  return fail(`no such database: ${request.database}`, `no such database: ${request.database}`, INVALID_DATABASE);
}
