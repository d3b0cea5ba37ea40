/**
 * Every error and notice that Shardyard itself says to a client, in one place, so that their words can be tested and
 * counted on. Where PgBouncer has a text for the case it is that text, since its users match on it; its SQLSTATE is then
 * 08P01, but for failed log-ins, where it is Postgres's. FATAL ones are followed by the end of the connection, ERROR ones by ReadyForQuery when the
 * exchange ends. Where the case exists in Postgres but not in PgBouncer, text and SQLSTATE are Postgres's.
 *
 * Refusals of the router are not here: they are part of its plan (`routing/plan.ts`) and become fields by `refused`.
 * No password and no parameter value may be given to any of these.
 */
import type { MessageFields } from './write.ts';

export type { MessageFields } from './write.ts';

/** The SQLSTATE of PgBouncer's own errors: protocol_violation. */
export const POOLER_SQLSTATE = '08P01';
/** Postgres's, where drivers and frameworks look at them: who may not come in, with what password, to which database. */
export const INVALID_AUTHORIZATION = '28000';
export const INVALID_PASSWORD = '28P01';
export const INVALID_DATABASE = '3D000';

/** PgBouncer's form of an error that ends the connection. */
export function poolerFatal(message: string, sqlstate: string = POOLER_SQLSTATE): MessageFields {
  return { severity: 'FATAL', sqlstate, message };
}

/** PgBouncer's form of an error that leaves the connection open; the console's errors are all of this kind. */
export function poolerError(message: string, sqlstate: string = POOLER_SQLSTATE): MessageFields {
  return { severity: 'ERROR', sqlstate, message };
}

/** PgBouncer's form of a notice. */
export function notice(message: string): MessageFields {
  return { severity: 'NOTICE', sqlstate: '00000', message };
}

// Start-up.

export const noUserName: MessageFields = poolerFatal('no username supplied');
export const userNameTooLong: MessageFields = poolerFatal('username too long');
export const startupWithoutTerminator: MessageFields = poolerFatal('invalid startup packet layout: expected terminator as last byte');
export const startupRepeated: MessageFields = poolerFatal('client re-sent startup pkt');
export const oldProtocol: MessageFields = poolerFatal('old V2 protocol not supported');
export const sslRequired: MessageFields = poolerFatal('SSL required');
export const dataAfterSslRequest: MessageFields = poolerFatal('received unencrypted data after SSL request');
export const dataAfterGssRequest: MessageFields = poolerFatal('received unencrypted data after GSSAPI encryption request');
export const unsupportedOptions: MessageFields = poolerFatal(
  "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed",
);
export function unsupportedStartupParameter(name: string): MessageFields {
  return poolerFatal(`unsupported startup parameter: ${name}`);
}
export function unsupportedParameterInOptions(name: string): MessageFields {
  return poolerFatal(`unsupported startup parameter in options: ${name}`);
}
/** Postgres's own words (backend_startup.c) for a major version that is not 3. */
export function unsupportedProtocol(major: number, minor: number): MessageFields {
  return poolerFatal(`unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`, '0A000');
}

// Who may come in.

export function noSuchDatabase(name: string): MessageFields {
  return poolerFatal(`no such database: ${name}`, INVALID_DATABASE);
}
export function databaseDisabled(name: string): MessageFields {
  return poolerFatal(`database "${name}" is disabled`);
}
export function authDatabaseDisabled(name: string): MessageFields {
  return poolerFatal(`authentication database "${name}" is disabled`);
}
/** Says that the user is unknown: only where that is no secret (auth_query found none). */
export const noSuchUser: MessageFields = poolerFatal('no such user', INVALID_AUTHORIZATION);
export const passwordFailed: MessageFields = poolerFatal('password authentication failed', INVALID_PASSWORD);
export const saslFailed: MessageFields = poolerFatal('SASL authentication failed', INVALID_PASSWORD);
export const saslMechanismUnknown: MessageFields = poolerFatal('client selected an invalid SASL authentication mechanism');
export const trustFailed: MessageFields = poolerFatal('"trust" authentication failed', INVALID_AUTHORIZATION);
export const certificateFailed: MessageFields = poolerFatal('certificate authentication failed', INVALID_AUTHORIZATION);
export const peerRejected: MessageFields = poolerFatal('unix socket login rejected', INVALID_AUTHORIZATION);
export const loginRejected: MessageFields = poolerFatal('login rejected', INVALID_AUTHORIZATION);
export const noAuthenticationMethod: MessageFields = poolerFatal('no authentication method is found');
export const emptyPassword: MessageFields = poolerFatal('empty password returned by client', INVALID_PASSWORD);
export const passwordTooLong: MessageFields = poolerFatal('password too long');
export const passwordTooEarly: MessageFields = poolerFatal('client password pkt before startup packet');
/** What is wrong is in the log: the configuration of the pooler, not anything that the client did. */
export const configError: MessageFields = poolerFatal('bouncer config error');
/** Neither admin_users nor stats_users has the user that asks for the console. */
export const consoleNotAllowed: MessageFields = poolerFatal('not allowed');

export const tooManyClients: MessageFields = poolerFatal('no more connections allowed (max_client_conn)');
export const tooManyDatabaseClients: MessageFields = poolerFatal('client connections exceeded (max_db_client_connections)');
export const tooManyUserClients: MessageFields = poolerFatal('client connections exceeded (max_user_client_connections)');
export const loginTimeout: MessageFields = poolerFatal('client_login_timeout');
/** The client came in time, but no server could say what its start-up needs to know. */
export const loginTimeoutServerDown: MessageFields = poolerFatal('client_login_timeout (server down)');

// The end, from our side.

export const shuttingDown: MessageFields = poolerFatal('pooler is shutting down');
/** To clients that wait for a server while SHUTDOWN WAIT_FOR_SERVERS takes the servers away. */
export const serverShuttingDown: MessageFields = poolerFatal('server shutting down');
export const databaseRemoved: MessageFields = poolerFatal('database removed');
export const databaseChanged: MessageFields = poolerFatal('database configuration changed');
export const killedByAdmin: MessageFields = poolerFatal('admin forced disconnect');
/** pg_terminate_backend() of the client's process id; Postgres's words. */
export const terminatedByAdmin: MessageFields = poolerFatal('terminating connection due to administrator command', '57P01');
export const suspendTimeout: MessageFields = poolerFatal('suspend_timeout');

export const queryWaitTimeout: MessageFields = poolerFatal('query_wait_timeout');
/** query_timeout passed while the client still waited for a server. */
export const queryTimeoutWaiting: MessageFields = poolerFatal('query_timeout');
/** query_timeout passed while the query ran; its server connection is closed. */
export const queryTimeoutRunning: MessageFields = poolerFatal('query timeout');
export const clientIdleTimeout: MessageFields = poolerFatal('client_idle_timeout');
export const idleTransactionTimeout: MessageFields = poolerFatal('idle transaction timeout');
export const transactionTimeout: MessageFields = poolerFatal('transaction timeout');
/** To a client that has waited longer than query_wait_notify. */
export const queued: MessageFields = notice('No server connection available in postgres backend, client being queued');

// What clients may not send.

/** `header` is the first bytes of what came; they are shown in hexadecimal. */
export function badPacketHeader(header: Uint8Array): MessageFields {
  return poolerFatal(`bad packet header: '${Buffer.from(header.subarray(0, 8)).toString('hex')}'`);
}
/** max_packet_size; PgBouncer calls this a bad packet header, too, and says no more. */
export function packetTooLarge(bytes: number, limitBytes: number): MessageFields {
  return {
    ...poolerFatal(`message of ${bytes} bytes is larger than max_packet_size (${limitBytes})`),
    hint: 'Raise max_packet_size, or send the value in parts.',
  };
}
/** A statement, or Parse or Bind message, that must be read whole and does not fit. */
export function statementTooLarge(bytes: number, limitBytes: number): MessageFields {
  return { severity: 'FATAL', sqlstate: '54000', message: `statement of ${bytes} bytes is larger than the limit of ${limitBytes} bytes` };
}
export const unknownPacket: MessageFields = poolerFatal('unknown pkt');
export const simpleQueryDisallowed: MessageFields = poolerFatal('PQexec disallowed');
export function brokenPacket(name: 'Parse' | 'Bind' | 'Describe' | 'Close'): MessageFields {
  return poolerFatal(`broken ${name} packet`);
}
export const unparsablePacket: MessageFields = poolerFatal('failed to parse packet');
export const noTransactionsInStatementMode: MessageFields = poolerFatal('transaction blocks not allowed in statement pooling mode');

// Servers.

export const connectFailed: MessageFields = poolerFatal('connect failed');
export const connectTimeout: MessageFields = poolerFatal('connect timeout');
export const dnsFailed: MessageFields = poolerFatal('server DNS lookup failed');
export const loginFailed: MessageFields = poolerFatal('login failed');
/** The server refused our log-in: its own SQLSTATE and message go to the clients that waited for it. */
export function serverRefusedLogin(sqlstate: string | undefined, message: string): MessageFields {
  return poolerFatal(message, sqlstate);
}
/** server_login_retry has not passed: `reason` is what the last attempt said. */
export function loginHasBeenFailing(reason: string): MessageFields {
  return poolerFatal(`server login has been failing, cached error: ${reason} (server_login_retry)`);
}
export const wrongPasswordType: MessageFields = poolerFatal('server login failed: wrong password type');
export const invalidServerSignature: MessageFields = poolerFatal('server login failed: invalid server signature');
export const noSaslMechanism: MessageFields = poolerFatal(
  "server login failed: none of the server's SASL authentication mechanisms are supported",
);
export const connectQueryFailed: MessageFields = poolerFatal('exec_on_connect query failed');
/** The server closed the connection in the middle of an exchange. */
export const serverCrashed: MessageFields = poolerFatal('server conn crashed?');
export const serverProtocolError: MessageFields = poolerFatal('bad pkt header');
export const evicted: MessageFields = poolerFatal('evicted');

/** The server connection went away while an open transaction waited between two statements: nothing of it was kept. */
export const transactionLost: MessageFields = {
  severity: 'ERROR',
  sqlstate: '40001',
  message: 'server connection was lost: the transaction was rolled back',
  hint: 'Run the whole transaction again.',
};
/** It went away while COMMIT was under way. */
export const commitUnknown: MessageFields = {
  severity: 'FATAL',
  sqlstate: '08007',
  message: 'server connection was lost during COMMIT: it is not known whether the transaction was committed',
  hint: 'Find out from the data before the transaction is run again.',
};
/** It went away with session state (a pin) that no other server connection has. */
export function pinLost(reasons: readonly string[]): MessageFields {
  return {
    severity: 'FATAL',
    sqlstate: '57P01',
    message: 'server connection was lost together with the state of this session',
    detail: `The session was pinned to it: ${reasons.join(', ')}.`,
    hint: 'Connect again.',
  };
}

// What Postgres would say, where we answer in its place.

export const queryCanceled: MessageFields = {
  severity: 'ERROR',
  sqlstate: '57014',
  message: 'canceling statement due to user request',
};
export function noSuchStatement(name: string): MessageFields {
  const message = name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`;
  return { severity: 'ERROR', sqlstate: '26000', message };
}
export function statementExists(name: string): MessageFields {
  return { severity: 'ERROR', sqlstate: '42P05', message: `prepared statement "${name}" already exists` };
}
export function noSuchPortal(name: string): MessageFields {
  return { severity: 'ERROR', sqlstate: '34000', message: `portal "${name}" does not exist` };
}
export const transactionAborted: MessageFields = {
  severity: 'ERROR',
  sqlstate: '25P02',
  message: 'current transaction is aborted, commands ignored until end of transaction block',
};
export const transactionAlreadyOpen: MessageFields = {
  severity: 'WARNING',
  sqlstate: '25001',
  message: 'there is already a transaction in progress',
};
export const noTransaction: MessageFields = {
  severity: 'WARNING',
  sqlstate: '25P01',
  message: 'there is no transaction in progress',
};
/** Postgres's words for a message type that has no place in the protocol (postgres.c). */
export function invalidMessageType(type: number): MessageFields {
  return { severity: 'FATAL', sqlstate: '08P01', message: `invalid frontend message type ${type}` };
}
/** A mistake of ours: the session ends, the process does not. What happened is in the log and nowhere else. */
export const internalError: MessageFields = {
  severity: 'FATAL',
  sqlstate: 'XX000',
  message: 'internal error: this session was closed',
  hint: 'The log of the pooler says what happened.',
};
/** A limit on what is buffered for one session, by the name of its setting. */
export function limitExceeded(setting: string, limit: number): MessageFields {
  return { severity: 'FATAL', sqlstate: '54000', message: `limit exceeded: ${setting} (${limit})` };
}

/** A refusal of the router, as fields. */
export function refused(plan: {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}): MessageFields {
  return {
    severity: 'ERROR',
    sqlstate: plan.sqlstate,
    message: plan.message,
    ...(plan.detail !== undefined && { detail: plan.detail }),
    ...(plan.hint !== undefined && { hint: plan.hint }),
  };
}

// The console.

export const adminNeeded: MessageFields = poolerError('admin access needed');
export function invalidCommand(text: string): MessageFields {
  return poolerError(`invalid command '${text}', use SHOW HELP;`);
}
export const badArguments: MessageFields = poolerError('bad arguments');
export const setFailed: MessageFields = poolerError('SET failed');
export const reloadFailed: MessageFields = poolerError('RELOAD failed, see logs for additional details', 'F0000');
export function noDatabase(name: string): MessageFields {
  return poolerError(`no such database: ${name}`);
}
export const databaseRequired: MessageFields = poolerError('a database is required');
export const alreadyPaused: MessageFields = poolerError('already suspended/paused');
export const notPaused: MessageFields = poolerError('pooler is not paused/suspended');
export const cannotResume: MessageFields = poolerError('pooler is shutting down');
export const cannotSuspend: MessageFields = poolerError('cannot suspend with paused databases');
export function databaseNotPaused(name: string): MessageFields {
  return poolerError(`database ${name} is not paused`);
}
/** `verb` as in "cannot pause admin db: pgbouncer". */
export function notForAdminDatabase(verb: string, name: string): MessageFields {
  return poolerError(`cannot ${verb} admin db: ${name}`);
}
export const noSuchClient: MessageFields = poolerError('client not found');
export const invalidClientId: MessageFields = poolerError('invalid client pointer supplied');
export const extendedOnConsole: MessageFields = poolerError('extended query protocol not supported by admin console');
export function packetOnConsole(type: number): MessageFields {
  return poolerError(`unsupported packet type for admin console: ${type}`);
}
export const badPacket: MessageFields = poolerFatal('bad packet');
export const incompleteQuery: MessageFields = poolerFatal('incomplete query');
export const setIgnored: MessageFields = notice('SET ignored');
