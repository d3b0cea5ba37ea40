/**
 * What is known of users' passwords: plain, md5 hash or SCRAM secret, told apart by their form as Postgres and PgBouncer do; and the file
 * they are read from, `auth_file` (userlist.txt), lines of `"user" "secret"`. Reading is as lenient as PgBouncer's: text after the secret
 * is ignored, and a broken entry is reported and ends the reading without undoing what was read before it.
 *
 * The result is immutable; RELOAD reads the file again and swaps the map. Who may log in with what is decided in `authenticate.ts`.
 */
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SCRAM_KEY_BYTES, type ScramSecret } from './scram-keys.ts';

/** A user's secret. Passwords are bytes: a file need not be UTF-8. */
export type Secret =
  | { readonly kind: 'plain'; readonly password: Buffer }
  | { readonly kind: 'md5'; readonly hash: string }
  | { readonly kind: 'scram-sha-256'; readonly scram: ScramSecret };

export interface SecretsProblem {
  readonly file: string;
  /** From 1; 0 when the file could not be read. */
  readonly line: number;
  readonly message: string;
}

export interface Secrets {
  /** By user name. Undefined when the file could not be read: keep what was there. */
  readonly users: ReadonlyMap<string, Secret> | undefined;
  readonly problems: readonly SecretsProblem[];
}

// PgBouncer's limits (MAX_USERNAME, MAX_PASSWORD), without the terminating zero byte.
const MAX_USER_BYTES = 127;
const MAX_SECRET_BYTES = 65_530;

const MD5_FORM = /^md5[0-9a-f]{32}$/;
const SCRAM_FORM = /^SCRAM-SHA-256\$(\d{1,10}):([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2}):([A-Za-z0-9+/]+={0,2})$/;

/** Bytes of strict base64 (RFC 4648: padded, no other characters, no stray bits); undefined when it is not. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function parseScramSecret(text: string): ScramSecret | undefined {
  const [, iterationText = '', saltText = '', storedText = '', serverText = ''] = SCRAM_FORM.exec(text) ?? [];
  const iterations = Number(iterationText);
  const [salt, storedKey, serverKey] = [fromBase64(saltText), fromBase64(storedText), fromBase64(serverText)];
  if (iterations < 1 || iterations > 0x7fff_ffff || !salt || salt.length === 0) return undefined;
  if (storedKey?.length !== SCRAM_KEY_BYTES || serverKey?.length !== SCRAM_KEY_BYTES) return undefined;
  return { iterations, salt, storedKey, serverKey };
}

/** Classifies a stored secret by its form; what has no other form is a plain password (get_password_type() of Postgres). */
export function parseSecret(stored: Buffer | string): Secret {
  const password = typeof stored === 'string' ? Buffer.from(stored, 'utf8') : stored;
  const text = password.toString('latin1');
  if (MD5_FORM.test(text)) return { kind: 'md5', hash: text };
  const scram = parseScramSecret(text);
  return scram ? { kind: 'scram-sha-256', scram } : { kind: 'plain', password };
}

/** A secret at rest in Postgres's form. */
export function formatScramSecret(secret: ScramSecret): string {
  const [salt, storedKey, serverKey] = [secret.salt, secret.storedKey, secret.serverKey].map((bytes) => bytes.toString('base64'));
  return `SCRAM-SHA-256$${secret.iterations}:${salt}$${storedKey}:${serverKey}`;
}

const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const NEWLINE = 0x0a;

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** Position of the next newline from `at`, or the end. */
function endOfLine(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(NEWLINE, at);
  return end < 0 ? bytes.length : end;
}

/** The quoted text that opens at `open` and the position after its closing quote; undefined when it is not closed. */
function quoted(bytes: Buffer, open: number): { text: Buffer; after: number } | undefined {
  const parts: Buffer[] = [];
  let from = open + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote < 0) return undefined;
    const doubled = bytes[quote + 1] === QUOTE;
    parts.push(bytes.subarray(from, doubled ? quote + 1 : quote));
    if (!doubled) return { text: Buffer.concat(parts), after: quote + 1 };
    from = quote + 2;
  }
}

type Entry = { readonly user: string; readonly secret: Buffer; readonly after: number } | { readonly broken: string };

/** One `"user" "secret"` from `at`. Between the two anything may stand, even a line's end: PgBouncer looks for the next quote. */
function readEntry(bytes: Buffer, at: number): Entry {
  if (bytes[at] !== QUOTE) return { broken: 'broken auth file: a user name in double quotes is expected' };
  const user = quoted(bytes, at);
  if (!user) return { broken: 'broken auth file: the user name is not closed by a double quote' };
  if (user.text.length > MAX_USER_BYTES) return { broken: 'username too long in auth file' };
  const open = bytes.indexOf(QUOTE, user.after);
  const secret = open < 0 ? undefined : quoted(bytes, open);
  if (!secret) return { broken: 'broken auth file: a secret in double quotes is expected after the user name' };
  if (secret.text.length > MAX_SECRET_BYTES) return { broken: 'password too long in auth file' };
  if (user.text.includes(0) || secret.text.includes(0)) return { broken: 'broken auth file: zero byte' };
  if (!isUtf8(user.text)) return { broken: 'broken auth file: the user name is not UTF-8' };
  return { user: user.text.toString('utf8'), secret: secret.text, after: secret.after };
}

function looksLikeBrokenScram(secret: Secret): boolean {
  return secret.kind === 'plain' && secret.password.toString('latin1').startsWith('SCRAM-SHA-256$');
}

/** Reads the text of an auth_file. Of several entries for one user the last holds. Problems never carry a secret. */
export function parseSecrets(bytes: Buffer, file: string): Secrets {
  const reading = secretsIn(bytes, file);
  for (;;) {
    const next = reading.next();
    if (next.done === true) return next.value;
  }
}

/** Entries after which a large file is left for a moment. */
const AT_ONCE = 250;

function* secretsIn(bytes: Buffer, file: string): Generator<void, Secrets> {
  const users = new Map<string, Secret>();
  const problems: SecretsProblem[] = [];
  let line = 1;
  let counted = 0;
  const report = (at: number, message: string): void => {
    for (; counted < at; counted++) if (bytes[counted] === NEWLINE) line++;
    problems.push({ file, line, message });
  };
  for (let at = 0; ; ) {
    while (isSpace(bytes[at])) at++;
    if (at >= bytes.length) break;
    if (bytes[at] === SEMICOLON) {
      at = endOfLine(bytes, at);
      continue;
    }
    const entry = readEntry(bytes, at);
    if ('broken' in entry) {
      report(at, `${entry.broken}; the rest of the file is not read`);
      break;
    }
    const secret = parseSecret(entry.secret);
    if (looksLikeBrokenScram(secret))
      report(at, `secret of "${entry.user}" starts like a SCRAM secret but is not one: taken as a plain password`);
    users.set(entry.user, secret);
    if (users.size % AT_ONCE === 0) yield;
    at = endOfLine(bytes, entry.after);
  }
  return { users, problems };
}

/** Reads an auth_file, a large one in many turns of the event loop. Never rejects: a file that cannot be read is a problem, and `users` is then undefined. */
export async function readSecrets(file: string): Promise<Secrets> {
  try {
    const reading = secretsIn(await readFile(file), file);
    for (;;) {
      const next = reading.next();
      if (next.done === true) return next.value;
      await nextTurn();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { users: undefined, problems: [{ file, line: 0, message: `could not open auth_file ${file}: ${reason}` }] };
  }
}
