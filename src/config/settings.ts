/**
 * Every setting, once, as data. The parser, the defaults, SHOW CONFIG, SET, RELOAD, the list of what is not implemented,
 * docs/configuration.md and config/shardyard.ini are made from this table, and the type `Settings` is inferred from it.
 * Names, defaults and order are PgBouncer's (doc/config.md); the last group is our own. How a value is read and printed
 * is `values.ts`.
 *
 * To release a setting, set `implemented` to true. An enum may be implemented for some values only (`implementedValues`),
 * and a value that would be unsafe to accept without its implementation is fatal (`refused`: value and reason).
 * The settings `session_state.<kind>` come from routing's table of the kinds.
 */
import { type StateAction, type StateKind, stateKindNames, stateKinds } from '../../routing/index.ts';

export type SettingGroup =
  | 'generic'
  | 'authentication'
  | 'log'
  | 'console'
  | 'timeouts'
  | 'tls'
  | 'dangerous'
  | 'network'
  | 'shardyard'
  | 'state';

/** Titles for documents, in the order in which the groups are printed. */
export const groupTitles: Readonly<Record<SettingGroup, string>> = {
  generic: 'Generic',
  authentication: 'Authentication',
  log: 'Log',
  console: 'Console access',
  timeouts: 'Connection checks and timeouts',
  tls: 'TLS',
  dangerous: 'Dangerous timeouts',
  network: 'Low-level network',
  shardyard: "Shardyard's own",
  state: 'Session state',
};

/**
 * One setting. `default` is the text that PgBouncer would print as the default; null is its NULL (a string is then undefined, and
 * RELOAD leaves what SET has changed unless the file names the setting).
 * - `int`: an integer as strtol reads it with base 0 (0777 is octal, 0x1ff hexadecimal).
 * - `seconds`: a decimal number of seconds, kept in milliseconds. `wholeSeconds`: an integer number of seconds, kept in milliseconds.
 * - `percent`: a share such as `1%` or `0.5%`, or 0, kept as a number from 0 to 100.
 * - `bool`: 0 or 1; on/off, yes/no and true/false are accepted too.
 */
export interface SettingSpec {
  readonly type: 'int' | 'seconds' | 'wholeSeconds' | 'percent' | 'bool' | 'enum' | 'string';
  readonly default: string | null;
  readonly reloadable: boolean;
  readonly group: SettingGroup;
  readonly implemented: boolean;
  readonly doc: string;
  readonly unit?: string;
  readonly values?: readonly string[];
  readonly implementedValues?: readonly string[];
  readonly refused?: Readonly<Record<string, string>>;
  /** For `int`: smallest (0 when not given) and largest value (2147483647 when not given). */
  readonly min?: number;
  readonly max?: number;
  /** Not in SHOW CONFIG: PgBouncer knows it on Windows only. */
  readonly hidden?: boolean;
}

const noTlsYet = 'TLS is not implemented yet, and this value promises an encrypted connection';
const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
const sslRefused = { require: noTlsYet, 'verify-ca': noTlsYet, 'verify-full': noTlsYet };

type StateSettings = {
  readonly [Kind in StateKind as `session_state.${Kind}`]: SettingSpec & { readonly type: 'enum'; readonly values: readonly StateAction[] };
};

function stateSetting(kind: StateKind): SettingSpec {
  const { actions, doc } = stateKinds[kind];
  return { type: 'enum', default: actions[0], values: actions, reloadable: true, group: 'state', implemented: true, doc };
}

const stateSettings = Object.fromEntries(
  stateKindNames.map((kind) => [`session_state.${kind}`, stateSetting(kind)]),
) as unknown as StateSettings;

export const settingsTable = {
  // ---- generic
  logfile: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'File that log lines are appended to; empty for none.',
  },
  pidfile: {
    type: 'string',
    default: '',
    reloadable: false,
    group: 'generic',
    implemented: true,
    doc: 'File that holds the process id while Shardyard runs; needed for -d.',
  },
  listen_addr: {
    type: 'string',
    default: '',
    reloadable: false,
    group: 'generic',
    implemented: true,
    doc: 'Addresses to accept TCP connections on, separated by commas; `*` for all; empty for the Unix socket only.',
  },
  listen_port: {
    type: 'int',
    default: '6432',
    reloadable: false,
    group: 'generic',
    implemented: true,
    max: 65535,
    doc: 'TCP port, and the number in the name of the Unix socket.',
  },
  unix_socket_dir: {
    type: 'string',
    default: '/tmp',
    reloadable: false,
    group: 'generic',
    implemented: true,
    doc: 'Folder of the Unix socket `.s.PGSQL.<port>`; `@name` for an abstract one; empty for none. Also where a database without `host` is looked for.',
  },
  unix_socket_mode: {
    type: 'int',
    default: '0777',
    reloadable: false,
    group: 'generic',
    implemented: true,
    max: 0o7777,
    doc: 'Permissions of the Unix socket, octal with a leading 0.',
  },
  unix_socket_group: {
    type: 'string',
    default: '',
    reloadable: false,
    group: 'generic',
    implemented: false,
    doc: 'Group of the Unix socket.',
  },
  user: {
    type: 'string',
    default: null,
    reloadable: false,
    group: 'generic',
    implemented: true,
    doc: 'Operating system user to change to after starting as root.',
  },
  pool_mode: {
    type: 'enum',
    default: 'session',
    values: ['session', 'transaction', 'statement'],
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'When a server connection may serve another client: after the session, the transaction or the statement.',
  },
  max_client_conn: {
    type: 'int',
    default: '100',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Largest number of client connections; the console does not count.',
  },
  default_pool_size: {
    type: 'int',
    default: '20',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Server connections for each pool (host, database and user); 0 for no limit.',
  },
  min_pool_size: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Server connections that a pool keeps open even when nobody needs them.',
  },
  reserve_pool_size: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Further server connections for a pool whose clients wait longer than `reserve_pool_timeout`.',
  },
  reserve_pool_timeout: {
    type: 'seconds',
    default: '5',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'How long a client waits before the reserve is used; 0 for never.',
  },
  max_db_connections: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Server connections for each database, all users together; 0 for no limit.',
  },
  max_db_client_connections: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Client connections for each database; 0 for no limit.',
  },
  max_user_connections: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Server connections for each user, all databases together; 0 for no limit.',
  },
  max_user_client_connections: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Client connections for each user; 0 for no limit.',
  },
  server_round_robin: {
    type: 'bool',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Use the server connections of a pool in turn instead of the one that was used last.',
  },
  track_extra_parameters: {
    type: 'string',
    default: 'IntervalStyle',
    reloadable: false,
    group: 'generic',
    implemented: true,
    doc: 'Parameters kept for each client besides the usual ones; Shardyard keeps every parameter that the server reports.',
  },
  ignore_startup_parameters: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Start-up parameters, separated by commas, that clients may send and that have no effect.',
  },
  peer_id: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: false,
    max: 16383,
    doc: 'Number of this process among its peers, 1 to 16383; 0 for no peering.',
  },
  disable_pqexec: {
    type: 'bool',
    default: '0',
    reloadable: false,
    group: 'generic',
    implemented: false,
    doc: 'Refuse the simple query protocol.',
  },
  application_name_add_host: {
    type: 'bool',
    default: '0',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: "Append the client's address and port to application_name when the client connects.",
  },
  conffile: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Configuration file that the next RELOAD reads; the one of the command line when not set.',
  },
  service_name: {
    type: 'string',
    default: null,
    reloadable: false,
    group: 'generic',
    implemented: false,
    hidden: true,
    doc: 'Name of the service on Windows.',
  },
  job_name: {
    type: 'string',
    default: 'pgbouncer',
    reloadable: false,
    group: 'generic',
    implemented: false,
    doc: 'Other name of `service_name`.',
  },
  stats_period: {
    type: 'wholeSeconds',
    default: '60',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'How often averages are computed and the statistics line is logged.',
  },
  max_prepared_statements: {
    type: 'int',
    default: '200',
    reloadable: true,
    group: 'generic',
    implemented: true,
    doc: 'Named prepared statements kept on each server connection in transaction and statement mode; 0 turns this off.',
  },
  scram_iterations: {
    type: 'int',
    default: '4096',
    reloadable: true,
    group: 'generic',
    implemented: true,
    min: 1,
    doc: 'Iterations of the SCRAM secrets that are made from plain passwords.',
  },

  // ---- authentication
  auth_type: {
    type: 'enum',
    default: 'md5',
    values: ['any', 'trust', 'plain', 'md5', 'scram-sha-256', 'cert', 'hba', 'ldap', 'pam'],
    implementedValues: ['any', 'trust', 'plain', 'md5', 'scram-sha-256'],
    refused: {
      cert: 'certificate authentication needs TLS, which is not implemented yet',
      hba: 'rules of an auth_hba_file are not implemented yet',
      ldap: 'LDAP authentication is not implemented yet',
      pam: 'PAM authentication is not implemented yet',
    },
    reloadable: true,
    group: 'authentication',
    implemented: true,
    doc: 'How clients prove who they are; `md5` uses SCRAM for a user whose stored secret is one.',
  },
  auth_hba_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'File of rules in the style of pg_hba.conf, for `auth_type = hba`.',
  },
  auth_ident_file: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'File that maps system users to database users, for rules with `map=`.',
  },
  auth_file: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'authentication',
    implemented: true,
    doc: 'File of users and secrets, one `"user" "secret"` on a line.',
  },
  auth_user: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'User that runs `auth_query` for users who are not in `auth_file`.',
  },
  auth_query: {
    type: 'string',
    default:
      'SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin',
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'Query that gives name and secret of the user $1.',
  },
  auth_dbname: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'Database of this file in which `auth_query` runs.',
  },
  auth_ldap_options: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'authentication',
    implemented: false,
    doc: 'Options for `auth_type = ldap`.',
  },

  // ---- log
  syslog: { type: 'bool', default: '0', reloadable: true, group: 'log', implemented: false, doc: 'Log to syslog.' },
  syslog_ident: {
    type: 'string',
    default: 'pgbouncer',
    reloadable: true,
    group: 'log',
    implemented: false,
    doc: 'Name of the program in syslog.',
  },
  syslog_facility: {
    type: 'string',
    default: 'daemon',
    reloadable: true,
    group: 'log',
    implemented: false,
    doc: 'Facility in syslog.',
  },
  log_connections: { type: 'bool', default: '1', reloadable: true, group: 'log', implemented: true, doc: 'Log each successful login.' },
  log_disconnections: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'log',
    implemented: true,
    doc: 'Log each end of a connection, with the reason.',
  },
  log_pooler_errors: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'log',
    implemented: true,
    doc: 'Log the errors that Shardyard itself sends to clients.',
  },
  log_stats: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'log',
    implemented: true,
    doc: 'Log a line of statistics every `stats_period`.',
  },
  verbose: {
    type: 'int',
    default: null,
    reloadable: true,
    group: 'log',
    implemented: true,
    doc: 'How much is logged, 0 to 3; each -v of the command line counts one.',
  },

  // ---- console
  admin_users: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'console',
    implemented: true,
    doc: 'Users, separated by commas, who may use every command of the console.',
  },
  stats_users: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'console',
    implemented: true,
    doc: 'Users, separated by commas, who may only look (SHOW).',
  },

  // ---- connection checks and timeouts
  server_reset_query: {
    type: 'string',
    default: 'DISCARD ALL',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Query that cleans a server connection when a session ends, in session mode; empty for none.',
  },
  server_reset_query_always: {
    type: 'bool',
    default: '0',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Run `server_reset_query` in every pool mode, each time a server connection is given back.',
  },
  server_check_delay: {
    type: 'seconds',
    default: '30',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'A server connection that was idle for longer is checked before it is used.',
  },
  server_check_query: {
    type: 'string',
    default: '<empty>',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Query for that check; `<empty>` is the empty query, no value at all means no check.',
  },
  server_fast_close: {
    type: 'bool',
    default: '0',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'In session mode, close server connections after RECONNECT as soon as they are idle instead of when the session ends.',
  },
  server_lifetime: {
    type: 'seconds',
    default: '3600',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'A server connection this old is closed when nobody uses it; 0 means that it is used once.',
  },
  server_idle_timeout: {
    type: 'seconds',
    default: '600',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'A server connection unused for this long is closed; 0 for never.',
  },
  server_connect_timeout: {
    type: 'seconds',
    default: '15',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Longest time for connecting and logging in to a server; 0 for no limit.',
  },
  server_login_retry: {
    type: 'seconds',
    default: '15',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Pause after a failed attempt to reach a server.',
  },
  client_login_timeout: {
    type: 'seconds',
    default: '60',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'Longest time that a client may take to log in; 0 for no limit.',
  },
  autodb_idle_timeout: {
    type: 'seconds',
    default: '3600',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'A database made from the `*` line and unused for this long is forgotten.',
  },
  pool_idle_timeout: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'A pool without clients and servers is forgotten after this long; 0 for never.',
  },
  dns_max_ttl: {
    type: 'seconds',
    default: '15',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'How long an answer of the name service is kept.',
  },
  dns_nxdomain_ttl: {
    type: 'seconds',
    default: '15',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'How long an error of the name service is kept.',
  },
  dns_zone_check_period: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'How often the serial numbers of zones are looked at; 0 for never.',
  },
  resolv_conf: {
    type: 'string',
    default: '',
    reloadable: false,
    group: 'timeouts',
    implemented: false,
    doc: 'File to use instead of /etc/resolv.conf.',
  },
  query_wait_notify: {
    type: 'wholeSeconds',
    default: '5',
    reloadable: true,
    group: 'timeouts',
    implemented: true,
    doc: 'A client that waits this long for a server connection gets a notice; 0 for never.',
  },
  login_notify_message: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'timeouts',
    implemented: false,
    doc: 'Notice that each client gets after logging in.',
  },

  // ---- TLS
  client_tls_sslmode: {
    type: 'enum',
    default: 'disable',
    values: sslModes,
    implementedValues: ['disable'],
    refused: sslRefused,
    reloadable: true,
    group: 'tls',
    implemented: true,
    doc: 'Whether clients may or must use TLS.',
  },
  client_tls_key_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Private key shown to clients.',
  },
  client_tls_cert_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Certificate shown to clients.',
  },
  client_tls_ca_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: "Authorities that the clients' certificates are checked against.",
  },
  client_tls_protocols: {
    type: 'string',
    default: 'secure',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'TLS versions for clients; `secure` is 1.2 and 1.3.',
  },
  client_tls_ciphers: {
    type: 'string',
    default: 'default',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Ciphers for clients up to TLS 1.2.',
  },
  client_tls13_ciphers: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Cipher suites for clients with TLS 1.3.',
  },
  client_tls_ecdhcurve: {
    type: 'string',
    default: 'auto',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Curve for the key exchange with clients.',
  },
  client_tls_dheparams: {
    type: 'string',
    default: 'auto',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Diffie-Hellman parameters for clients.',
  },
  server_tls_sslmode: {
    type: 'enum',
    default: 'prefer',
    values: sslModes,
    implementedValues: ['disable', 'allow', 'prefer'],
    refused: sslRefused,
    reloadable: true,
    group: 'tls',
    implemented: true,
    doc: 'Whether connections to servers may or must use TLS; those that permit a plain connection get one.',
  },
  server_tls_ca_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: "Authorities that the servers' certificates are checked against.",
  },
  server_tls_key_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Private key shown to servers.',
  },
  server_tls_cert_file: {
    type: 'string',
    default: '',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Certificate shown to servers.',
  },
  server_tls_protocols: {
    type: 'string',
    default: 'secure',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'TLS versions for servers; `secure` is 1.2 and 1.3.',
  },
  server_tls_ciphers: {
    type: 'string',
    default: 'default',
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Ciphers for servers up to TLS 1.2.',
  },
  server_tls13_ciphers: {
    type: 'string',
    default: null,
    reloadable: true,
    group: 'tls',
    implemented: false,
    doc: 'Cipher suites for servers with TLS 1.3.',
  },

  // ---- dangerous timeouts
  query_timeout: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A query that runs for longer loses its server connection, and its client; 0 for no limit.',
  },
  query_wait_timeout: {
    type: 'seconds',
    default: '120',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A client that waits longer for a server connection is disconnected; 0 for no limit.',
  },
  cancel_wait_timeout: {
    type: 'seconds',
    default: '10',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A cancel request that waits longer to be forwarded is dropped; 0 for no limit.',
  },
  client_idle_timeout: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A client that is idle for longer is disconnected; 0 for no limit.',
  },
  idle_transaction_timeout: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A client that is idle for longer inside a transaction is disconnected; 0 for no limit.',
  },
  transaction_timeout: {
    type: 'seconds',
    default: '0',
    reloadable: true,
    group: 'dangerous',
    implemented: true,
    doc: 'A client whose transaction is open for longer is disconnected; 0 for no limit.',
  },
  suspend_timeout: {
    type: 'seconds',
    default: '10',
    reloadable: true,
    group: 'dangerous',
    implemented: false,
    doc: 'How long SUSPEND waits for buffers to empty.',
  },

  // ---- low-level network
  pkt_buf: {
    type: 'int',
    default: '4096',
    unit: 'bytes',
    reloadable: false,
    group: 'network',
    implemented: false,
    doc: 'Size of the buffer for one packet.',
  },
  max_packet_size: {
    type: 'int',
    default: '2147483647',
    unit: 'bytes',
    max: 4294967295,
    reloadable: true,
    group: 'network',
    implemented: true,
    doc: 'Largest protocol message that is let through.',
  },
  listen_backlog: {
    type: 'int',
    default: '128',
    reloadable: false,
    group: 'network',
    implemented: true,
    doc: 'Connections that may wait to be accepted.',
  },
  sbuf_loopcnt: {
    type: 'int',
    default: '5',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Buffers that are read from one connection before the next one has its turn.',
  },
  so_reuseport: {
    type: 'bool',
    default: '0',
    reloadable: false,
    group: 'network',
    implemented: false,
    doc: 'Set SO_REUSEPORT, so that several processes may share a port.',
  },
  tcp_defer_accept: {
    type: 'int',
    default: '1',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Set TCP_DEFER_ACCEPT.',
  },
  tcp_socket_buffer: {
    type: 'int',
    default: '0',
    unit: 'bytes',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: "Size of the kernel's buffers for a connection; 0 leaves it to the system.",
  },
  tcp_keepalive: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'network',
    implemented: true,
    doc: 'Have the system look whether the other side of an idle connection is still there.',
  },
  tcp_keepcnt: {
    type: 'int',
    default: '0',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Lost keepalive probes after which a connection is given up; 0 leaves it to the system.',
  },
  tcp_keepidle: {
    type: 'wholeSeconds',
    default: '0',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Idle time before the first keepalive probe; 0 leaves it to the system.',
  },
  tcp_keepintvl: {
    type: 'wholeSeconds',
    default: '0',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Time between keepalive probes; 0 leaves it to the system.',
  },
  tcp_user_timeout: {
    type: 'int',
    default: '0',
    unit: 'milliseconds',
    reloadable: true,
    group: 'network',
    implemented: false,
    doc: 'Longest time that sent data may stay unacknowledged; 0 leaves it to the system.',
  },

  // ---- our own
  sql_parser: {
    type: 'enum',
    default: 'libpg-query',
    values: ['libpg-query', 'node-sql-parser'],
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Parser that reads the statements: libpg-query is the grammar of Postgres itself.',
  },
  facts_cache_size: {
    type: 'int',
    default: '10000',
    unit: 'statements',
    min: 1,
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Statement texts whose analysis is kept.',
  },
  metrics_listen_addr: {
    type: 'string',
    default: '127.0.0.1',
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Address on which /metrics, /healthz and /readyz are served.',
  },
  metrics_port: {
    type: 'int',
    default: '0',
    max: 65535,
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Port for /metrics, /healthz and /readyz; 0 for none.',
  },
  pipeline: {
    type: 'enum',
    default: 'reads',
    values: ['off', 'reads'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Queries of several clients travel one behind the other on one server connection, where that is proven to be safe and quick (transaction and statement mode).',
  },
  pipeline_width: {
    type: 'int',
    default: '4',
    unit: 'connections',
    min: 1,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: "Server connections of a pool that carry several clients' queries at once: about twice the server's cores.",
  },
  pipeline_depth: {
    type: 'int',
    default: '32',
    unit: 'queries',
    min: 1,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Queries that stand one behind the other on one such connection.',
  },
  auto_prepare: {
    type: 'enum',
    default: 'on',
    values: ['off', 'on'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Unnamed statements of the extended protocol that come again are prepared once on each server connection (with max_prepared_statements above 0).',
  },
  defer_begin: {
    type: 'enum',
    default: 'on',
    values: ['off', 'on'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'BEGIN is answered at once and travels with the first statement of its transaction, or alone when that takes longer than a moment (transaction mode).',
  },
  health_check_period: {
    type: 'seconds',
    default: '5',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'How often each host of a database with `reads` is asked whether it lives and whether it is the primary.',
  },
  health_check_timeout: {
    type: 'seconds',
    default: '3',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'A host that has not answered such a question after this long counts as down.',
  },
  statement_size_limit: {
    type: 'int',
    default: '16777216',
    unit: 'bytes',
    min: 4096,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Longest statement that is read whole and analyzed; a longer one counts as not understood.',
  },
  log_pins: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Warn of a pin that lasts for `log_pins_after`, and log its end.',
  },
  log_pins_after: {
    type: 'seconds',
    default: '60',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'How long a session may be pinned to its server connection before `log_pins` warns of it; 0 for each pin that outlives its statement.',
  },
  // ---- session state
  ...stateSettings,
  state_audit: {
    type: 'enum',
    default: 'opaque',
    values: ['off', 'opaque', 'always'],
    reloadable: true,
    group: 'state',
    implemented: true,
    doc: 'When the server is asked what a session has left in it: after statements that may run code which no parser sees, after every transaction, or never. `off` is unsafe: what such code leaves (settings, locks, temporary tables) stays with the server connection for whoever gets it next, as with PgBouncer.',
  },
  leak_sentinel: {
    type: 'percent',
    default: '1%',
    reloadable: true,
    group: 'state',
    implemented: true,
    doc: 'Share of releases of a server connection after which it is asked, although nothing is suspected, whether anything was left in it. What is found closes the connection, is logged as a warning and counted in `shardyard_leaks_total`, which must stay 0.',
  },
} as const satisfies Readonly<Record<string, SettingSpec>>;

type Table = typeof settingsTable;
export type SettingName = keyof Table;

type ValueOf<S extends SettingSpec> = S extends { readonly type: 'enum'; readonly values: readonly (infer V)[] }
  ? V
  : S extends { readonly type: 'string'; readonly default: null }
    ? string | undefined
    : S extends { readonly type: 'string' }
      ? string
      : S extends { readonly type: 'bool' }
        ? boolean
        : number;

/** The checked value of every setting, by PgBouncer's name. Times are numbers of milliseconds; only strings can be undefined. */
export type Settings = { readonly [Name in SettingName]: ValueOf<Table[Name]> };

/** One value of `Settings`. */
export type SettingValue = string | number | boolean | undefined;

/** All names, in the order of the table. */
export const settingNames = Object.keys(settingsTable) as readonly SettingName[];

/** The row of a name, or undefined for a name that is not a setting. */
export function settingSpec(name: string): SettingSpec | undefined {
  return Object.hasOwn(settingsTable, name) ? settingsTable[name as SettingName] : undefined;
}
