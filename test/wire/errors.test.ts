/** Every text that clients can see, word for word: users and tools match on them, so a change here is a change of the product. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as errors from '../../src/wire/errors.ts';

type Row = readonly [
  fields: errors.MessageFields,
  severity: string,
  sqlstate: string,
  message: string,
  detail?: string | undefined,
  hint?: string,
];

/** PgBouncer's texts; FATAL and 08P01 where nothing else is said; Postgres's codes for failed log-ins. */
const pooler: Record<string, Row> = {
  noUserName: [errors.noUserName, 'FATAL', '08P01', 'no username supplied'],
  userNameTooLong: [errors.userNameTooLong, 'FATAL', '08P01', 'username too long'],
  startupWithoutTerminator: [
    errors.startupWithoutTerminator,
    'FATAL',
    '08P01',
    'invalid startup packet layout: expected terminator as last byte',
  ],
  startupRepeated: [errors.startupRepeated, 'FATAL', '08P01', 'client re-sent startup pkt'],
  oldProtocol: [errors.oldProtocol, 'FATAL', '08P01', 'old V2 protocol not supported'],
  sslRequired: [errors.sslRequired, 'FATAL', '08P01', 'SSL required'],
  dataAfterSslRequest: [errors.dataAfterSslRequest, 'FATAL', '08P01', 'received unencrypted data after SSL request'],
  dataAfterGssRequest: [errors.dataAfterGssRequest, 'FATAL', '08P01', 'received unencrypted data after GSSAPI encryption request'],
  unsupportedOptions: [
    errors.unsupportedOptions,
    'FATAL',
    '08P01',
    "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed",
  ],
  unsupportedStartupParameter: [errors.unsupportedStartupParameter('foo'), 'FATAL', '08P01', 'unsupported startup parameter: foo'],
  unsupportedParameterInOptions: [
    errors.unsupportedParameterInOptions('geqo'),
    'FATAL',
    '08P01',
    'unsupported startup parameter in options: geqo',
  ],
  noSuchDatabase: [errors.noSuchDatabase('shop'), 'FATAL', '3D000', 'no such database: shop'],
  databaseDisabled: [errors.databaseDisabled('shop'), 'FATAL', '08P01', 'database "shop" is disabled'],
  authDatabaseDisabled: [errors.authDatabaseDisabled('authdb'), 'FATAL', '08P01', 'authentication database "authdb" is disabled'],
  noSuchUser: [errors.noSuchUser, 'FATAL', '28000', 'no such user'],
  passwordFailed: [errors.passwordFailed, 'FATAL', '28P01', 'password authentication failed'],
  saslFailed: [errors.saslFailed, 'FATAL', '28P01', 'SASL authentication failed'],
  saslMechanismUnknown: [errors.saslMechanismUnknown, 'FATAL', '08P01', 'client selected an invalid SASL authentication mechanism'],
  trustFailed: [errors.trustFailed, 'FATAL', '28000', '"trust" authentication failed'],
  certificateFailed: [errors.certificateFailed, 'FATAL', '28000', 'certificate authentication failed'],
  peerRejected: [errors.peerRejected, 'FATAL', '28000', 'unix socket login rejected'],
  loginRejected: [errors.loginRejected, 'FATAL', '28000', 'login rejected'],
  noAuthenticationMethod: [errors.noAuthenticationMethod, 'FATAL', '08P01', 'no authentication method is found'],
  emptyPassword: [errors.emptyPassword, 'FATAL', '28P01', 'empty password returned by client'],
  passwordTooLong: [errors.passwordTooLong, 'FATAL', '08P01', 'password too long'],
  passwordTooEarly: [errors.passwordTooEarly, 'FATAL', '08P01', 'client password pkt before startup packet'],
  configError: [errors.configError, 'FATAL', '08P01', 'bouncer config error'],
  consoleNotAllowed: [errors.consoleNotAllowed, 'FATAL', '08P01', 'not allowed'],
  tooManyClients: [errors.tooManyClients, 'FATAL', '08P01', 'no more connections allowed (max_client_conn)'],
  tooManyDatabaseClients: [errors.tooManyDatabaseClients, 'FATAL', '08P01', 'client connections exceeded (max_db_client_connections)'],
  tooManyUserClients: [errors.tooManyUserClients, 'FATAL', '08P01', 'client connections exceeded (max_user_client_connections)'],
  loginTimeout: [errors.loginTimeout, 'FATAL', '08P01', 'client_login_timeout'],
  loginTimeoutServerDown: [errors.loginTimeoutServerDown, 'FATAL', '08P01', 'client_login_timeout (server down)'],
  shuttingDown: [errors.shuttingDown, 'FATAL', '08P01', 'pooler is shutting down'],
  serverShuttingDown: [errors.serverShuttingDown, 'FATAL', '08P01', 'server shutting down'],
  databaseRemoved: [errors.databaseRemoved, 'FATAL', '08P01', 'database removed'],
  databaseChanged: [errors.databaseChanged, 'FATAL', '08P01', 'database configuration changed'],
  killedByAdmin: [errors.killedByAdmin, 'FATAL', '08P01', 'admin forced disconnect'],
  terminatedByAdmin: [errors.terminatedByAdmin, 'FATAL', '57P01', 'terminating connection due to administrator command'],
  suspendTimeout: [errors.suspendTimeout, 'FATAL', '08P01', 'suspend_timeout'],
  queryWaitTimeout: [errors.queryWaitTimeout, 'FATAL', '08P01', 'query_wait_timeout'],
  queryTimeoutWaiting: [errors.queryTimeoutWaiting, 'FATAL', '08P01', 'query_timeout'],
  queryTimeoutRunning: [errors.queryTimeoutRunning, 'FATAL', '08P01', 'query timeout'],
  clientIdleTimeout: [errors.clientIdleTimeout, 'FATAL', '08P01', 'client_idle_timeout'],
  idleTransactionTimeout: [errors.idleTransactionTimeout, 'FATAL', '08P01', 'idle transaction timeout'],
  transactionTimeout: [errors.transactionTimeout, 'FATAL', '08P01', 'transaction timeout'],
  queued: [errors.queued, 'NOTICE', '00000', 'No server connection available in postgres backend, client being queued'],
  badPacketHeader: [
    errors.badPacketHeader(Buffer.from([0x51, 0, 0, 0, 1, 2, 3, 4, 5])),
    'FATAL',
    '08P01',
    "bad packet header: '5100000001020304'",
  ],
  unknownPacket: [errors.unknownPacket, 'FATAL', '08P01', 'unknown pkt'],
  simpleQueryDisallowed: [errors.simpleQueryDisallowed, 'FATAL', '08P01', 'PQexec disallowed'],
  brokenPacket: [errors.brokenPacket('Bind'), 'FATAL', '08P01', 'broken Bind packet'],
  unparsablePacket: [errors.unparsablePacket, 'FATAL', '08P01', 'failed to parse packet'],
  noTransactionsInStatementMode: [
    errors.noTransactionsInStatementMode,
    'FATAL',
    '08P01',
    'transaction blocks not allowed in statement pooling mode',
  ],
  connectFailed: [errors.connectFailed, 'FATAL', '08P01', 'connect failed'],
  connectTimeout: [errors.connectTimeout, 'FATAL', '08P01', 'connect timeout'],
  dnsFailed: [errors.dnsFailed, 'FATAL', '08P01', 'server DNS lookup failed'],
  loginFailed: [errors.loginFailed, 'FATAL', '08P01', 'login failed'],
  serverRefusedLogin: [errors.serverRefusedLogin('3D000', 'database "X" does not exist'), 'FATAL', '3D000', 'database "X" does not exist'],
  loginHasBeenFailing: [
    errors.loginHasBeenFailing('connect failed'),
    'FATAL',
    '08P01',
    'server login has been failing, cached error: connect failed (server_login_retry)',
  ],
  wrongPasswordType: [errors.wrongPasswordType, 'FATAL', '08P01', 'server login failed: wrong password type'],
  invalidServerSignature: [errors.invalidServerSignature, 'FATAL', '08P01', 'server login failed: invalid server signature'],
  noSaslMechanism: [
    errors.noSaslMechanism,
    'FATAL',
    '08P01',
    "server login failed: none of the server's SASL authentication mechanisms are supported",
  ],
  connectQueryFailed: [errors.connectQueryFailed, 'FATAL', '08P01', 'exec_on_connect query failed'],
  serverCrashed: [errors.serverCrashed, 'FATAL', '08P01', 'server conn crashed?'],
  serverProtocolError: [errors.serverProtocolError, 'FATAL', '08P01', 'bad pkt header'],
  evicted: [errors.evicted, 'FATAL', '08P01', 'evicted'],
  adminNeeded: [errors.adminNeeded, 'ERROR', '08P01', 'admin access needed'],
  invalidCommand: [errors.invalidCommand('frob'), 'ERROR', '08P01', "invalid command 'frob', use SHOW HELP;"],
  badArguments: [errors.badArguments, 'ERROR', '08P01', 'bad arguments'],
  setFailed: [errors.setFailed, 'ERROR', '08P01', 'SET failed'],
  reloadFailed: [errors.reloadFailed, 'ERROR', 'F0000', 'RELOAD failed, see logs for additional details'],
  noDatabase: [errors.noDatabase('dne'), 'ERROR', '08P01', 'no such database: dne'],
  databaseRequired: [errors.databaseRequired, 'ERROR', '08P01', 'a database is required'],
  alreadyPaused: [errors.alreadyPaused, 'ERROR', '08P01', 'already suspended/paused'],
  notPaused: [errors.notPaused, 'ERROR', '08P01', 'pooler is not paused/suspended'],
  cannotResume: [errors.cannotResume, 'ERROR', '08P01', 'pooler is shutting down'],
  cannotSuspend: [errors.cannotSuspend, 'ERROR', '08P01', 'cannot suspend with paused databases'],
  databaseNotPaused: [errors.databaseNotPaused('shop'), 'ERROR', '08P01', 'database shop is not paused'],
  notForAdminDatabase: [errors.notForAdminDatabase('pause', 'pgbouncer'), 'ERROR', '08P01', 'cannot pause admin db: pgbouncer'],
  noSuchClient: [errors.noSuchClient, 'ERROR', '08P01', 'client not found'],
  invalidClientId: [errors.invalidClientId, 'ERROR', '08P01', 'invalid client pointer supplied'],
  extendedOnConsole: [errors.extendedOnConsole, 'ERROR', '08P01', 'extended query protocol not supported by admin console'],
  packetOnConsole: [errors.packetOnConsole(83), 'ERROR', '08P01', 'unsupported packet type for admin console: 83'],
  badPacket: [errors.badPacket, 'FATAL', '08P01', 'bad packet'],
  incompleteQuery: [errors.incompleteQuery, 'FATAL', '08P01', 'incomplete query'],
  setIgnored: [errors.setIgnored, 'NOTICE', '00000', 'SET ignored'],
};

const postgres: Record<string, Row> = {
  unsupportedProtocol: [
    errors.unsupportedProtocol(4, 7),
    'FATAL',
    '0A000',
    'unsupported frontend protocol 4.7: server supports 3.0 to 3.2',
  ],
  queryCanceled: [errors.queryCanceled, 'ERROR', '57014', 'canceling statement due to user request'],
  noSuchStatement: [errors.noSuchStatement('s1'), 'ERROR', '26000', 'prepared statement "s1" does not exist'],
  statementExists: [errors.statementExists('s1'), 'ERROR', '42P05', 'prepared statement "s1" already exists'],
  noSuchPortal: [errors.noSuchPortal('c1'), 'ERROR', '34000', 'portal "c1" does not exist'],
  transactionAborted: [
    errors.transactionAborted,
    'ERROR',
    '25P02',
    'current transaction is aborted, commands ignored until end of transaction block',
  ],
  transactionAlreadyOpen: [errors.transactionAlreadyOpen, 'WARNING', '25001', 'there is already a transaction in progress'],
  noTransaction: [errors.noTransaction, 'WARNING', '25P01', 'there is no transaction in progress'],
  invalidMessageType: [errors.invalidMessageType(33), 'FATAL', '08P01', 'invalid frontend message type 33'],
};

const ours: Record<string, Row> = {
  packetTooLarge: [
    errors.packetTooLarge(5000, 4000),
    'FATAL',
    '08P01',
    'message of 5000 bytes is larger than max_packet_size (4000)',
    undefined,
    'Raise max_packet_size, or send the value in parts.',
  ],
  statementTooLarge: [
    errors.statementTooLarge(5000, 4000),
    'FATAL',
    '54000',
    'statement of 5000 bytes is larger than the limit of 4000 bytes',
  ],
  transactionLost: [
    errors.transactionLost,
    'ERROR',
    '40001',
    'server connection was lost: the transaction was rolled back',
    undefined,
    'Run the whole transaction again.',
  ],
  commitUnknown: [
    errors.commitUnknown,
    'FATAL',
    '08007',
    'server connection was lost during COMMIT: it is not known whether the transaction was committed',
    undefined,
    'Find out from the data before the transaction is run again.',
  ],
  pinLost: [
    errors.pinLost(['temp', 'listen']),
    'FATAL',
    '57P01',
    'server connection was lost together with the state of this session',
    'The session was pinned to it: temp, listen.',
    'Connect again.',
  ],
  internalError: [
    errors.internalError,
    'FATAL',
    'XX000',
    'internal error: this session was closed',
    undefined,
    'The log of the pooler says what happened.',
  ],
  limitExceeded: [errors.limitExceeded('max_queued', 10), 'FATAL', '54000', 'limit exceeded: max_queued (10)'],
  refused: [errors.refused({ sqlstate: '0A000', message: 'no', detail: 'because', hint: 'do' }), 'ERROR', '0A000', 'no', 'because', 'do'],
  poolerFatal: [errors.poolerFatal('x'), 'FATAL', '08P01', 'x'],
  poolerError: [errors.poolerError('x', '22000'), 'ERROR', '22000', 'x'],
  notice: [errors.notice('x'), 'NOTICE', '00000', 'x'],
};

const all = { ...pooler, ...postgres, ...ours };

for (const [name, [fields, severity, sqlstate, message, detail, hint]] of Object.entries(all)) {
  test(`${name} says "${message}"`, () => {
    const expected = { severity, sqlstate, message, ...(detail !== undefined && { detail }), ...(hint !== undefined && { hint }) };
    assert.deepEqual(fields, expected);
  });
}

test('no text of the catalogue is left out here', () => {
  const exported = Object.entries(errors)
    .filter(([, value]) => typeof value !== 'string')
    .map(([name]) => name);
  assert.deepEqual(
    exported.filter((name) => !(name in all)),
    [],
  );
});

test('a missing unnamed statement has no name in its text', () => {
  assert.equal(errors.noSuchStatement('').message, 'unnamed prepared statement does not exist');
});

test('a refusal without detail and hint has neither field', () => {
  assert.deepEqual(errors.refused({ sqlstate: '0A000', message: 'no' }), { severity: 'ERROR', sqlstate: '0A000', message: 'no' });
});
