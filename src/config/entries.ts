/**
 * The lines of [databases], [users] and [peers]: connection strings checked into typed entries.
 * Keys are PgBouncer's (src/loader.c) and ours for databases: `reads`, `shards`, lists of hosts and ports. What names must exist
 * elsewhere in the file is not looked at here (`load.ts`, and routing's buildTopology).
 */
import { stateKindNames, stateKinds } from '../../routing/index.ts';
import type { DatabaseEntry, HostPort, PeerEntry, UserEntry } from './config.ts';
import { type Pair, parsePairs } from './connection-string.ts';
import type { ConfigProblem } from './error.ts';
import type { IniEntry } from './ini.ts';
import { nearest } from './nearest.ts';
import { type Parsed, parseEnum, parsePercent, parseSeconds } from './values.ts';

/** Takes one problem; where it stands is added by `reportAt`. */
export type Report = (problem: Omit<ConfigProblem, 'file' | 'line'>) => void;

type Value = string | number | readonly string[] | readonly number[] | undefined;
type Parse = (text: string) => Parsed<Value>;

const text: Parse = (value) => ({ ok: true, value });
const oneOf =
  (...values: readonly string[]): Parse =>
  (value) =>
    parseEnum(value, values);

/** A decimal integer; `inherits` says which values mean that the next wider setting holds. */
function whole(inherits: (value: number) => boolean): Parse {
  return (value) => {
    const number = Number(value);
    if (!/^[+-]?\d{1,10}$/.test(value) || number < -1 || number > 2147483647) {
      return { ok: false, allowed: 'an integer of at least 0, or -1 to inherit' };
    }
    return { ok: true, value: inherits(number) ? undefined : number };
  };
}
const size = whole((value) => value < 0);
/** 0 in `max_*` means inherit, too (as in PgBouncer). */
const limit = whole((value) => value <= 0);
const seconds: Parse = (value) => (value === '-1' ? { ok: true, value: undefined } : parseSeconds(value));

function list<T extends string | number>(item: (text: string) => T | undefined, allowed: string): Parse {
  return (value) => {
    const items = value.split(',').map((one) => item(one.trim()));
    return items.includes(undefined) ? { ok: false, allowed } : { ok: true, value: items as unknown as readonly string[] };
  };
}
function port(value: string): number | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65535 ? Number(value) : undefined;
}
const nonEmpty = (value: string): string | undefined => (value === '' ? undefined : value);
const ports = list(port, 'a port from 1 to 65535, or as many as there are hosts, separated by commas');
const hosts = list(nonEmpty, 'host names, addresses or socket folders, separated by commas');
const poolMode = oneOf('session', 'transaction', 'statement');

/** What may be said of session state for one database or one user. */
const stateKeys: Readonly<Record<string, Parse>> = {
  ...Object.fromEntries(stateKindNames.map((kind) => [`session_state.${kind}`, oneOf(...stateKinds[kind].actions)])),
  state_audit: oneOf('off', 'opaque', 'always'),
  leak_sentinel: parsePercent,
};

const databaseKeys: Readonly<Record<string, Parse>> = {
  dbname: text,
  host: hosts,
  port: ports,
  user: text,
  password: text,
  auth_user: text,
  auth_query: text,
  auth_dbname: text,
  pool_size: size,
  min_pool_size: size,
  reserve_pool_size: size,
  reserve_pool: size,
  connect_query: text,
  pool_mode: poolMode,
  load_balance_hosts: oneOf('round-robin', 'disable'),
  max_db_connections: limit,
  max_db_client_connections: limit,
  server_lifetime: seconds,
  query_wait_timeout: seconds,
  client_encoding: text,
  datestyle: text,
  timezone: text,
  application_name: text,
  reads: oneOf('primary', 'replicas', 'any'),
  shards: list(nonEmpty, 'names of databases of this file, separated by commas'),
  pipeline: oneOf('off', 'reads'),
  pipeline_width: limit,
  pipeline_depth: limit,
  auto_prepare: oneOf('off', 'on'),
  defer_begin: oneOf('off', 'on'),
  ...stateKeys,
};
/** Names of the keys of a line of [databases]. */
export const databaseKeyNames: readonly string[] = Object.keys(databaseKeys);

/** What a line with `shards` may say besides; all else belongs to server connections, which its shards have and it has not. */
const shardedKeys = new Set([
  'shards',
  'pipeline',
  'auto_prepare',
  'defer_begin',
  'pool_mode',
  'max_db_client_connections',
  'query_wait_timeout',
  'auth_user',
  'auth_query',
  'auth_dbname',
  ...Object.keys(stateKeys),
]);

const userKeys: Readonly<Record<string, Parse>> = {
  pool_mode: poolMode,
  pool_size: size,
  reserve_pool_size: size,
  max_user_connections: limit,
  max_user_client_connections: limit,
  query_timeout: seconds,
  query_wait_timeout: seconds,
  idle_transaction_timeout: seconds,
  transaction_timeout: seconds,
  client_idle_timeout: seconds,
  ...stateKeys,
};
/** Names of the keys of a line of [users]. */
export const userKeyNames: readonly string[] = Object.keys(userKeys);

const peerKeys: Readonly<Record<string, Parse>> = { host: text, port: ports, pool_size: size };

/** Adds the place of an entry to each problem. */
export function reportAt(entry: { readonly file: string; readonly line: number }, problems: ConfigProblem[]): Report {
  return (problem) => void problems.push({ file: entry.file, line: entry.line, ...problem });
}

function readPair(pair: Pair, keys: Readonly<Record<string, Parse>>, what: string, report: Report): Value {
  const parse = Object.hasOwn(keys, pair.key) ? keys[pair.key] : undefined;
  if (parse === undefined) {
    if (!pair.showable) return void report({ message: `${what}: unknown key behind the password; quote a password that has blanks in it` });
    const near = nearest(pair.key, Object.keys(keys));
    const hint = near === undefined ? `known keys: ${Object.keys(keys).join(', ')}` : `did you mean "${near}"?`;
    return void report({ key: pair.key, ...(near && { nearest: near }), message: `${what}: unknown key "${pair.key}"; ${hint}` });
  }
  const parsed = parse(pair.value);
  if (parsed.ok) return parsed.value;
  const found = pair.showable ? { found: pair.value } : {};
  const shown = pair.showable ? `"${pair.value}" is not allowed` : 'value is not allowed';
  return void report({
    key: pair.key,
    ...found,
    allowed: parsed.allowed,
    message: `${what}: ${pair.key}: ${shown}; allowed: ${parsed.allowed}`,
  });
}

/** The known keys of a connection string; the last of several wins. Undefined when there was a problem. */
function readKeys(source: string, keys: Readonly<Record<string, Parse>>, what: string, report: Report): Map<string, Value> | undefined {
  const result = parsePairs(source);
  if ('problem' in result) return void report({ message: `${what}: ${result.problem}` });
  let failed = false;
  const values = new Map<string, Value>();
  for (const pair of result.pairs) {
    const value = readPair(pair, keys, what, (problem) => {
      failed = true;
      report(problem);
    });
    values.set(pair.key, value);
  }
  return failed ? undefined : values;
}

/** The values that are set, as properties; `skip` names those that have another shape in the entry. */
function properties(values: ReadonlyMap<string, Value>, ...skip: readonly string[]): Record<string, Value> {
  return Object.fromEntries([...values].filter(([key, value]) => value !== undefined && !skip.includes(key)));
}

function hostPorts(values: ReadonlyMap<string, Value>, socketDir: string, what: string, report: Report): readonly HostPort[] | undefined {
  const names = (values.get('host') as readonly string[] | undefined) ?? (socketDir === '' ? [] : [socketDir]);
  const numbers = (values.get('port') as readonly number[] | undefined) ?? [5432];
  if (names.length === 0) return void report({ key: 'host', message: `${what}: host is missing, and unix_socket_dir is empty` });
  if (numbers.length !== 1 && numbers.length !== names.length) {
    const message = `${what}: port has ${numbers.length} items for ${names.length} of host; give one, or as many`;
    return void report({ key: 'port', found: numbers.join(','), allowed: `1 or ${names.length} ports`, message });
  }
  return names.map((host, index) => ({ host, port: numbers[index] ?? numbers[0] ?? 5432 }));
}

/**
 * One line of [databases]. `socketDir` is where a database without `host` is looked for. For the `*` line, a `dbname` of
 * `*` means the name that is asked for. Undefined when there was a problem, which was reported.
 */
export function readDatabase(entry: IniEntry, name: string, socketDir: string, report: Report): DatabaseEntry | undefined {
  const what = `database "${name}"`;
  const values = readKeys(entry.value, databaseKeys, what, report);
  if (values === undefined) return undefined;
  if (values.get('auth_dbname') === 'pgbouncer' || values.get('auth_dbname') === 'shardyard') {
    return void report({
      key: 'auth_dbname',
      message: `cannot use the reserved "${values.get('auth_dbname')}" database as an auth_dbname`,
    });
  }
  if (values.has('reserve_pool') && !values.has('reserve_pool_size')) values.set('reserve_pool_size', values.get('reserve_pool'));
  const plain = properties(values, 'host', 'port', 'reserve_pool') as Partial<DatabaseEntry>;
  if (values.has('shards')) return readSharded(name, values, plain, report);
  const found = hostPorts(values, socketDir, what, report);
  return found && { dbname: name, ...plain, name, hosts: found, auto: false };
}

function readSharded(
  name: string,
  values: ReadonlyMap<string, Value>,
  plain: Partial<DatabaseEntry>,
  report: Report,
): DatabaseEntry | undefined {
  if (name === '*') return void report({ key: 'shards', message: 'database "*": shards is not allowed for the fallback' });
  const extra = [...values.keys()].filter((key) => !shardedKeys.has(key));
  for (const key of extra) {
    const message = `database "${name}": ${key} is not allowed together with shards; give it to the databases that are the shards`;
    report({ key, allowed: [...shardedKeys].join(', '), message });
  }
  return extra.length > 0 ? undefined : { dbname: name, ...plain, name, hosts: [], auto: false };
}

/** One line of [users]; undefined when there was a problem, which was reported. */
export function readUser(entry: IniEntry, name: string, report: Report): UserEntry | undefined {
  const values = readKeys(entry.value, userKeys, `user "${name}"`, report);
  return values && { ...(properties(values) as Partial<UserEntry>), name };
}

/** One line of [peers]; undefined when there was a problem, which was reported. */
export function readPeer(entry: IniEntry, name: string, report: Report): PeerEntry | undefined {
  const values = readKeys(entry.value, peerKeys, `peer "${name}"`, report);
  if (values === undefined) return undefined;
  if (port(name) === undefined)
    return void report({ key: name, allowed: '1 to 65535', message: `peer "${name}": a peer is named by its number, 1 to 65535` });
  const host = values.get('host') as string | undefined;
  if (host === undefined) return void report({ key: 'host', message: `peer "${name}": host is missing` });
  const number = (values.get('port') as readonly number[] | undefined)?.[0] ?? 6432;
  return { ...(properties(values, 'host', 'port') as Partial<PeerEntry>), peer_id: Number(name), host, port: number };
}
