/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677, and "SASL Authentication" of Postgres's manual), both roles, as steps: a message and a state in, a
 * message and the next state out. No I/O, no waiting; keys come from `scram-keys.ts`, frames from `messages.ts`, decisions from the callers.
 *
 * Towards clients we are the SCRAM server; towards Postgres servers the SCRAM client. Channel binding is not offered on either side.
 * Messages are bytes: they are read as latin1, so that what is signed is exactly what was sent, whatever the client put into its user name.
 * A message that is not as it must be throws `ScramError`, whose text is for the log.
 */
import { timingSafeEqual } from 'node:crypto';
import { freshRandom } from './random.ts';
import { hmac, MAX_SCRAM_ITERATIONS, SCRAM_KEY_BYTES, ScramError, type ScramKeys, type ScramSecret, sha256 } from './scram-keys.ts';
import { fromBase64 } from './secrets.ts';

export const SCRAM_MECHANISM = 'SCRAM-SHA-256';

/** No honest message is longer: a nonce is 24 characters, and a user name at most 10,000 bytes is not even sent by libpq. */
const MAX_MESSAGE_BYTES = 4096;
const NONCE_BYTES = 18;

/** A fresh nonce: 24 printable characters. */
export function scramNonce(): string {
  return freshRandom(NONCE_BYTES).toString('base64');
}

function textOf(message: Buffer): string {
  if (message.length > MAX_MESSAGE_BYTES) throw new ScramError('SCRAM message too long');
  if (message.includes(0)) throw new ScramError('malformed SCRAM message (zero byte)');
  return message.toString('latin1');
}

/** Splits `name=value` attributes; values may contain `=`, never a comma. */
function attributes(text: string): (readonly [name: string, value: string])[] {
  return text.split(',').map((part) => {
    if (!/^[A-Za-z]=/.test(part)) throw new ScramError('malformed SCRAM message (attribute expected)');
    return [part.slice(0, 1), part.slice(2)];
  });
}

function valueIn(attribute: readonly [string, string] | undefined, name: string): string {
  if (attribute?.[0] !== name) throw new ScramError(`malformed SCRAM message (attribute "${name}" expected)`);
  return attribute[1];
}

/** RFC 5802, 7: printable ASCII without the comma. */
function checkNonce(nonce: string): string {
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(nonce)) throw new ScramError('malformed SCRAM message (nonce)');
  return nonce;
}

function base64(text: string, what: string): Buffer {
  const bytes = fromBase64(text);
  if (!bytes) throw new ScramError(`malformed SCRAM message (${what})`);
  return bytes;
}

function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ right[index]!));
}

/** The signature that a key gives over the whole conversation: `AuthMessage` of RFC 5802, 3. */
function sign(key: Buffer, clientFirstBare: string, serverFirst: string, clientFinalBare: string): Buffer {
  return hmac(key, Buffer.from(`${clientFirstBare},${serverFirst},${clientFinalBare}`, 'latin1'));
}

// ---- towards clients

/** A challenge that was sent to a client. */
export interface ScramChallenge {
  readonly message: string;
  readonly clientFirstBare: string;
  /** base64 of the header the client opened with; it must repeat it in the end. */
  readonly binding: string;
  readonly nonce: string;
  readonly secret: ScramSecret;
}

/** What a client's first message says. */
export interface ClientFirst {
  readonly bare: string;
  readonly binding: string;
  readonly nonce: string;
}

/**
 * Reads client-first-message. The user name in it is ignored, as Postgres does: the start-up packet's counts.
 * Flag `n` is "no channel binding", `y` "I could but you cannot", which is true of us; `p` asks for what we do not have.
 */
export function readClientFirst(message: Buffer): ClientFirst {
  const text = textOf(message);
  if (text.startsWith('p')) throw new ScramError('client requires SCRAM channel binding, but it is not supported');
  const header = /^[ny],(a=[^,]*)?,/.exec(text);
  if (!header) throw new ScramError('malformed SCRAM message (header expected)');
  if (header[1] !== undefined) throw new ScramError('client uses authorization identity, but it is not supported');
  const bare = text.slice(header[0].length);
  if (bare.startsWith('m=')) throw new ScramError('client requires an unsupported SCRAM extension');
  const [user, nonce] = attributes(bare);
  valueIn(user, 'n');
  return { bare, binding: Buffer.from(header[0], 'latin1').toString('base64'), nonce: checkNonce(valueIn(nonce, 'r')) };
}

/** server-first-message for a client: our half of the nonce (`nonce`), salt and iterations of the secret to prove. */
export function challengeClient(first: ClientFirst, secret: ScramSecret, nonce: string = scramNonce()): ScramChallenge {
  const whole = first.nonce + nonce;
  const message = `r=${whole},s=${secret.salt.toString('base64')},i=${secret.iterations}`;
  return { message, clientFirstBare: first.bare, binding: first.binding, nonce: whole, secret };
}

/**
 * Checks client-final-message. Undefined: the proof is wrong, so the password was. Else the last message to the client, which proves that
 * we know the secret, and the keys that let us log in to a server that holds the same secret.
 */
export function checkClientFinal(challenge: ScramChallenge, message: Buffer): { message: string; keys: ScramKeys } | undefined {
  const text = textOf(message);
  const parts = attributes(text);
  if (valueIn(parts[0], 'c') !== challenge.binding)
    throw new ScramError('unexpected SCRAM channel-binding attribute in client-final-message');
  if (valueIn(parts[1], 'r') !== challenge.nonce) throw new ScramError('invalid SCRAM response (nonce does not match)');
  const proofText = valueIn(parts.at(-1), 'p');
  const proof = base64(proofText, 'proof');
  if (proof.length !== SCRAM_KEY_BYTES) throw new ScramError('malformed SCRAM message (proof)');
  const bare = text.slice(0, text.length - proofText.length - ',p='.length);
  const { storedKey, serverKey } = challenge.secret;
  const clientKey = xor(proof, sign(storedKey, challenge.clientFirstBare, challenge.message, bare));
  if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined;
  const signature = sign(serverKey, challenge.clientFirstBare, challenge.message, bare);
  return { message: `v=${signature.toString('base64')}`, keys: { clientKey, serverKey } };
}

// ---- towards servers

/** client-first-message, without channel binding; the user name is left to the start-up packet, as libpq does. */
export function openToServer(nonce: string): string {
  return `n,,n=,r=${nonce}`;
}

/** What a server's challenge says. */
export interface ServerFirst {
  readonly clientNonce: string;
  readonly text: string;
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

/** Reads server-first-message; `clientNonce` is the one sent. */
export function readServerFirst(clientNonce: string, message: Buffer): ServerFirst {
  const text = textOf(message);
  const parts = attributes(text);
  const nonce = checkNonce(valueIn(parts[0], 'r'));
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length)
    throw new ScramError('invalid SCRAM response (nonce mismatch)');
  const salt = base64(valueIn(parts[1], 's'), 'salt');
  const iterationText = valueIn(parts[2], 'i');
  const iterations = Number(iterationText);
  if (!/^\d{1,10}$/.test(iterationText) || iterations < 1) throw new ScramError('malformed SCRAM message (invalid iteration count)');
  if (iterations > MAX_SCRAM_ITERATIONS)
    throw new ScramError(`server asks for ${iterations} SCRAM iterations, more than ${MAX_SCRAM_ITERATIONS}`);
  if (parts.length > 3) throw new ScramError('malformed SCRAM message (garbage at end of server-first-message)');
  return { clientNonce, text, nonce, salt, iterations };
}

/** client-final-message and the signature that the server must answer with. */
export function answerServer(first: ServerFirst, keys: ScramKeys): { message: string; expected: Buffer } {
  const clientFirstBare = openToServer(first.clientNonce).slice('n,,'.length);
  const bare = `c=${Buffer.from('n,,').toString('base64')},r=${first.nonce}`;
  const proof = xor(keys.clientKey, sign(sha256(keys.clientKey), clientFirstBare, first.text, bare));
  const expected = sign(keys.serverKey, clientFirstBare, first.text, bare);
  return { message: `${bare},p=${proof.toString('base64')}`, expected };
}

/** Checks server-final-message: throws unless the server knows the secret too. */
export function checkServerFinal(expected: Buffer, message: Buffer): void {
  const parts = attributes(textOf(message));
  if (parts[0]?.[0] === 'e') throw new ScramError(`error received from server in SCRAM exchange: ${parts[0][1]}`);
  const signature = base64(valueIn(parts[0], 'v'), 'server signature');
  if (parts.length > 1) throw new ScramError('malformed SCRAM message (garbage at end of server-final-message)');
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) throw new ScramError('invalid server signature');
}
