/**
 * Postgres's md5 authentication, both sides: the secret at rest is `md5` and the hexadecimal md5 of password and user name; the answer to
 * a challenge is `md5` and the hexadecimal md5 of that hash (without its prefix) and the server's four bytes of salt.
 *
 * Rule: src/common/md5_common.c and src/backend/libpq/crypt.c of Postgres.
 */
import { createHash } from 'node:crypto';

/** Bytes of salt in an AuthenticationMD5Password message. */
export const MD5_SALT_BYTES = 4;

function md5Hex(first: Uint8Array | string, second: Uint8Array | string): string {
  return createHash('md5').update(first).update(second).digest('hex');
}

/** The secret at rest (`md5` + 32 hexadecimal digits) of a user's plain password. */
export function md5Secret(password: Uint8Array, user: string): string {
  return `md5${md5Hex(password, user)}`;
}

/** What a client answers to a challenge: `secret` is the secret at rest, `salt` the challenge's four bytes. */
export function md5Answer(secret: string, salt: Uint8Array): string {
  return `md5${md5Hex(secret.slice(3), salt)}`;
}
