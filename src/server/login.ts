/**
 * Log-in to a Postgres server: start-up packet, proof of who we are by whatever method the server asks for, then its parameters and cancel
 * key, up to the first ReadyForQuery. It ends with a connection that nothing is owed on; the bytes after that are the caller's
 * (`control.takeRest()`), as are the socket, time limits and what becomes of waiting clients on failure.
 *
 * SCRAM works with a plain password, or with the keys that a client's own SCRAM exchange gave us when we store the same SCRAM secret as
 * the server. Texts are PgBouncer's.
 */
import { md5Answer, md5Secret } from '../auth/md5.ts';
import { answerServer, checkServerFinal, openToServer, readServerFirst, SCRAM_MECHANISM, scramNonce } from '../auth/scram.ts';
import { deriveKeys, ScramError, type ScramKeys } from '../auth/scram-keys.ts';
import type { Secret } from '../auth/secrets.ts';
import {
  type Control,
  ControlError,
  passwordFrame,
  type ServerError,
  type ServerMessage,
  saslFrame,
  saslInitialFrame,
  startupFrame,
} from '../wire/control.ts';

/** Notices kept of one log-in. */
const MAX_NOTICES = 100;

export interface LoginRequest {
  readonly user: string;
  readonly database: string;
  /** What we store for the user; undefined is taken for an empty password, so that the server says what it thinks of it. */
  readonly secret: Secret | undefined;
  /** Keys from a client's SCRAM exchange, for users whose secret is a SCRAM secret. */
  readonly scramKeys?: ScramKeys | undefined;
  /** Further parameters of the start-up packet: client_encoding, application_name, options, … */
  readonly startup?: Readonly<Record<string, string>> | undefined;
  /** Value of the start-up parameter `replication`. */
  readonly replication?: string | undefined;
}

export interface LoggedIn {
  /** As the server reported them, in order of arrival. */
  readonly parameters: Map<string, string>;
  /** Process id of the Postgres backend; 0 when the server gave no cancel key. */
  readonly pid: number;
  /** Cancel key: 4 bytes in protocol 3.0; empty when the server gave none. */
  readonly secret: Buffer;
  readonly notices: readonly ServerError[];
}

/** The server let us not in, or did not say it in a way we understand. `message` and `sqlstate` are for waiting clients. */
export class LoginError extends Error {
  override readonly name = 'LoginError';
  readonly sqlstate: string;
  /** For the log: one line, without secrets. */
  readonly logReason: string;
  /** What the server said, word for word; undefined when it was us who gave up. */
  readonly serverError: ServerError | undefined;

  constructor(message: string, sqlstate: string, logReason: string, serverError?: ServerError) {
    super(message);
    this.sqlstate = sqlstate;
    this.logReason = logReason;
    this.serverError = serverError;
  }
}

function refuse(message: string, reason: string = message): LoginError {
  return new LoginError(`server login failed: ${message}`, '08P01', `server login failed: ${reason}`);
}

function refusedBy(error: ServerError): LoginError {
  return new LoginError(error.message, error.sqlstate, `server login failed: ${error.severity} ${error.message}`, error);
}

/** The next message of the log-in; notices are put aside, errors thrown. */
async function nextOf(control: Control, notices: ServerError[]): Promise<ServerMessage> {
  for (;;) {
    const message = await control.next();
    if (message.name === 'error') throw refusedBy(message.report);
    if (message.name !== 'notice') return message;
    if (notices.length < MAX_NOTICES) notices.push(message.report);
  }
}

const NO_PASSWORD = Buffer.alloc(0);

function cleartextAnswer({ secret }: LoginRequest): Buffer {
  if (!secret) return passwordFrame(NO_PASSWORD);
  if (secret.kind === 'plain') return passwordFrame(secret.password);
  throw refuse('wrong password type', `cannot do password authentication: the secret is ${secret.kind}, not a plain password`);
}

function md5Response({ secret, user }: LoginRequest, salt: Buffer): Buffer {
  if (secret?.kind === 'scram-sha-256') throw refuse('wrong password type', 'cannot do MD5 authentication: wrong password type');
  const stored = secret?.kind === 'md5' ? secret.hash : md5Secret(secret?.password ?? NO_PASSWORD, user);
  return passwordFrame(Buffer.from(md5Answer(stored, salt)));
}

/** Where the keys of a SCRAM exchange come from: a password to derive them from, or the keys themselves. */
function scramSource({ secret, scramKeys }: LoginRequest): Buffer | ScramKeys {
  if (secret?.kind === 'plain') return secret.password;
  if (secret?.kind === 'md5') throw refuse('wrong password type', 'cannot do SCRAM authentication: wrong password type');
  if (scramKeys) return scramKeys;
  if (!secret) return NO_PASSWORD;
  throw refuse(
    'wrong password type',
    'cannot do SCRAM authentication: password is SCRAM secret but client authentication did not provide SCRAM keys',
  );
}

/** The whole SASL exchange: both sides have proved themselves when it resolves. */
async function proveByScram(control: Control, request: LoginRequest, mechanisms: readonly string[], notices: ServerError[]): Promise<void> {
  if (!mechanisms.includes(SCRAM_MECHANISM)) {
    const offered = mechanisms.map((name) => JSON.stringify(name)).join(', ');
    throw refuse(
      "none of the server's SASL authentication mechanisms are supported",
      `none of the server's SASL authentication mechanisms are supported (${offered})`,
    );
  }
  const source = scramSource(request);
  const nonce = scramNonce();
  control.send(saslInitialFrame(SCRAM_MECHANISM, openToServer(nonce)));
  const challenge = await nextOf(control, notices);
  if (challenge.name !== 'authenticationSASLContinue') throw refuse(`unexpected ${challenge.name} during SCRAM authentication`);
  const first = readServerFirst(nonce, Buffer.from(challenge.data, 'utf8'));
  const keys = Buffer.isBuffer(source) ? await deriveKeys(source, first.salt, first.iterations) : source;
  const answer = answerServer(first, keys);
  control.send(saslFrame(answer.message));
  const final = await nextOf(control, notices);
  if (final.name !== 'authenticationSASLFinal') throw refuse(`unexpected ${final.name} during SCRAM authentication`);
  checkServerFinal(answer.expected, Buffer.from(final.data, 'utf8'));
}

const METHODS: Readonly<Record<number, string>> = { 2: 'Kerberos V5', 6: 'SCM', 7: 'GSSAPI', 8: 'GSSAPI', 9: 'SSPI' };

/** Answers one request for proof; false when the server asks for none (any more). */
async function prove(control: Control, request: LoginRequest, notices: ServerError[]): Promise<boolean> {
  let asked = await nextOf(control, notices);
  if (asked.name === 'negotiateProtocolVersion') {
    // We ask for 3.0 and no options: there is nothing that a server could take from us but options of `startup`.
    if (asked.options.length > 0) throw refuse(`server does not know protocol options: ${asked.options.join(', ')}`);
    asked = await nextOf(control, notices);
  }
  switch (asked.name) {
    case 'authenticationOk':
      return false;
    case 'authenticationCleartextPassword':
      control.send(cleartextAnswer(request));
      return true;
    case 'authenticationMD5Password':
      control.send(md5Response(request, asked.salt));
      return true;
    case 'authenticationSASL':
      await proveByScram(control, request, asked.mechanisms, notices);
      return true;
    case 'authenticationUnsupported':
      throw refuse(`${METHODS[asked.code] ?? `method ${asked.code}`} authentication is not supported`);
    default:
      throw refuse(`unexpected ${asked.name} before authentication`);
  }
}

/** What the server tells after AuthenticationOk, up to ReadyForQuery. */
async function welcome(control: Control, notices: ServerError[]): Promise<LoggedIn> {
  const parameters = new Map<string, string>();
  let [pid, secret] = [0, NO_PASSWORD];
  for (;;) {
    const message = await nextOf(control, notices);
    switch (message.name) {
      case 'parameterStatus':
        parameters.set(message.parameterName, message.parameterValue);
        break;
      case 'backendKeyData':
        pid = message.pid;
        secret = Buffer.from(message.key);
        break;
      case 'readyForQuery':
        if (message.status !== 'I') throw refuse(`transaction status ${JSON.stringify(message.status)} after log-in`);
        return { parameters, pid, secret, notices };
      default:
        throw refuse(`unexpected ${message.name} after authentication`);
    }
  }
}

function startupOf(request: LoginRequest): Buffer {
  const { user, database, startup, replication } = request;
  return startupFrame({ ...startup, ...(replication === undefined ? {} : { replication }), user, database });
}

function failureOf(error: unknown): unknown {
  const isOurs = error instanceof ScramError || error instanceof ControlError;
  return isOurs ? refuse(error.message) : error;
}

/**
 * Logs in over a connection on which nothing was said yet. Rejects with LoginError, or with what `control.end()` was told when the
 * connection went away. After it resolved, take `control.takeRest()` before the connection is used for anything else.
 */
export async function login(control: Control, request: LoginRequest): Promise<LoggedIn> {
  const notices: ServerError[] = [];
  try {
    control.send(startupOf(request));
    // A server asks for one proof and then agrees; whatever else it asks is not Postgres.
    if (await prove(control, request, notices)) {
      const end = await nextOf(control, notices);
      if (end.name !== 'authenticationOk') throw refuse(`unexpected ${end.name} instead of the end of authentication`);
    }
    return await welcome(control, notices);
  } catch (error) {
    throw failureOf(error);
  }
}
