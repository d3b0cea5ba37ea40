/**
 * The frames of authentication between a client and us: what we ask (`Authentication…`, type R) and what a client answers (type p).
 * Bytes only; who is asked what is decided in `authenticate.ts`.
 *
 * Layouts: Postgres's manual, "Message Formats". A client's answer that does not have its layout throws `PasswordMessageError`.
 */
import {
  AUTH_CLEARTEXT_PASSWORD,
  AUTH_MD5_PASSWORD,
  AUTH_OK,
  AUTH_SASL,
  AUTH_SASL_CONTINUE,
  AUTH_SASL_FINAL,
  AUTHENTICATION,
} from '../wire/codes.ts';

/** Bytes of the longest answer of a client worth reading, without its header (PG_MAX_AUTH_TOKEN_LENGTH of Postgres). */
export const MAX_PASSWORD_MESSAGE_BYTES = 65_535;

/** A client's answer is not laid out as the protocol says. */
export class PasswordMessageError extends Error {
  override readonly name = 'PasswordMessageError';
}

function authentication(code: number, rest: Uint8Array = new Uint8Array()): Buffer {
  const frame = Buffer.alloc(9 + rest.length);
  frame[0] = AUTHENTICATION;
  frame.writeInt32BE(8 + rest.length, 1);
  frame.writeInt32BE(code, 5);
  frame.set(rest, 9);
  return frame;
}

/** AuthenticationOk: the caller's to send, once nothing can fail any more. */
export function authenticationOk(): Buffer {
  return authentication(AUTH_OK);
}

/** AuthenticationCleartextPassword. */
export function askCleartextPassword(): Buffer {
  return authentication(AUTH_CLEARTEXT_PASSWORD);
}

/** AuthenticationMD5Password with its four bytes of salt. */
export function askMd5Password(salt: Uint8Array): Buffer {
  return authentication(AUTH_MD5_PASSWORD, salt);
}

/** AuthenticationSASL with the names of the mechanisms offered. */
export function askSasl(mechanisms: readonly string[]): Buffer {
  return authentication(AUTH_SASL, Buffer.from(`${mechanisms.map((name) => `${name}\0`).join('')}\0`, 'latin1'));
}

/** AuthenticationSASLContinue. */
export function saslContinue(message: string): Buffer {
  return authentication(AUTH_SASL_CONTINUE, Buffer.from(message, 'latin1'));
}

/** AuthenticationSASLFinal. */
export function saslFinal(message: string): Buffer {
  return authentication(AUTH_SASL_FINAL, Buffer.from(message, 'latin1'));
}

/** PasswordMessage: one string, its zero byte at the very end. The bytes of the password, a copy. */
export function readPassword(body: Buffer): Buffer {
  if (body.length === 0 || body.indexOf(0) !== body.length - 1) throw new PasswordMessageError('invalid password packet size');
  return Buffer.from(body.subarray(0, -1));
}

/** SASLInitialResponse: a mechanism's name and its first message; undefined when the client sent none. */
export function readSaslInitialResponse(body: Buffer): { mechanism: string; message: Buffer | undefined } {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5) throw new PasswordMessageError('malformed SASLInitialResponse message');
  const mechanism = body.toString('latin1', 0, end);
  const length = body.readInt32BE(end + 1);
  const message = body.subarray(end + 5);
  if (length === -1 && message.length === 0) return { mechanism, message: undefined };
  if (length !== message.length) throw new PasswordMessageError('malformed SASLInitialResponse message');
  return { mechanism, message };
}
