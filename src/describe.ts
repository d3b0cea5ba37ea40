/** What `shardyard check` prints: the topology and the limits as they were understood, for a person to read. No secret is in it. */
import type { ShardedDatabase, TableSpec } from '../routing/index.ts';
import type { Config, DatabaseEntry, UserEntry } from './config/config.ts';
import { notImplementedText } from './config/load.ts';
import { commaList } from './config/values.ts';

const nameOf = (name: string): string => (/^[A-Za-z0-9_.*-]+$/.test(name) ? name : `'${name.replaceAll("'", "''")}'`);

function listeners(config: Config): string {
  const { listen_addr, listen_port, unix_socket_dir } = config.settings;
  const sockets = unix_socket_dir === '' ? [] : [`${unix_socket_dir}/.s.PGSQL.${listen_port}`];
  const places = [...commaList(listen_addr).map((address) => `${address}:${listen_port}`), ...sockets];
  return places.length === 0 ? 'nowhere: listen_addr and unix_socket_dir are empty' : places.join(', ');
}

const isState = (key: string): boolean => key.startsWith('session_state.') || key === 'state_audit' || key === 'leak_sentinel';
const isTime = (key: string): boolean => key.endsWith('_timeout') || key === 'server_lifetime';

/** Undefined values are left out; times are in seconds, as in the file. */
function pairs(values: Readonly<Record<string, unknown>>): string {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  const shown = (key: string, value: unknown): string => {
    if (isTime(key)) return `${Number(value) / 1000}s`;
    return key === 'leak_sentinel' ? `${value}%` : String(value);
  };
  return known.map(([key, value]) => `${key}=${shown(key, value)}`).join(', ');
}

function poolLimits(entry: DatabaseEntry, config: Config): string {
  const { settings } = config;
  const some = (value: number): number | undefined => (value === 0 ? undefined : value);
  return pairs({
    pool_mode: entry.pool_mode ?? settings.pool_mode,
    pool_size: entry.pool_size ?? settings.default_pool_size,
    min_pool_size: some(entry.min_pool_size ?? settings.min_pool_size),
    reserve_pool_size: some(entry.reserve_pool_size ?? settings.reserve_pool_size),
    max_db_connections: some(entry.max_db_connections ?? settings.max_db_connections),
    max_db_client_connections: some(entry.max_db_client_connections ?? settings.max_db_client_connections),
    ...Object.fromEntries(Object.entries(entry).filter(([key]) => isState(key))),
  });
}

function describePlain(entry: DatabaseEntry, config: Config): string {
  const hosts = entry.hosts.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(', ');
  const dbname = entry.dbname === '*' ? 'the name asked for' : nameOf(entry.dbname);
  const more = pairs({ user: entry.user, reads: entry.reads, load_balance_hosts: entry.load_balance_hosts });
  return `  ${nameOf(entry.name)}: ${dbname} on ${hosts}; ${more === '' ? '' : `${more}; `}${poolLimits(entry, config)}`;
}

function describeTable({ schema, name, placement }: TableSpec): string {
  const table = `    table ${schema === undefined ? '' : `${schema}.`}${name}: `;
  if (placement.kind === 'everywhere') return `${table}everywhere (the same rows on each shard)`;
  if (placement.kind === 'on') return `${table}on ${nameOf(placement.shard)}`;
  return `${table}by key ${placement.column} (${placement.type}), shard_by=${placement.shardBy}`;
}

function describeSharded(entry: DatabaseEntry, database: ShardedDatabase, config: Config): readonly string[] {
  const shards = database.shards.map((shard, index) => `${index} ${nameOf(shard)}`).join(', ');
  const tables = [...database.tables.values()].flat();
  const mode = entry.pool_mode ?? config.settings.pool_mode;
  return [`  ${nameOf(entry.name)}: sharded over ${shards}; pool_mode=${mode}`, ...tables.map(describeTable)];
}

function describeDatabase(entry: DatabaseEntry, config: Config): readonly string[] {
  const database = config.topology.databases.get(entry.name);
  return database?.kind === 'sharded' ? describeSharded(entry, database, config) : [describePlain(entry, config)];
}

function describeUser({ name, ...limits }: UserEntry): string {
  return `  ${nameOf(name)}: ${pairs(limits)}`;
}

/** Lines, ready to print. */
export function describeConfig(config: Config): readonly string[] {
  const { settings } = config;
  const databases = [...config.databases.values(), ...(config.fallback === undefined ? [] : [config.fallback])];
  const users = [...config.users.values()].map(describeUser);
  const notImplemented = notImplementedText(config);
  return [
    `${config.file}: configuration is valid`,
    `listens on: ${listeners(config)}`,
    `authentication: ${settings.auth_type}${settings.auth_file === undefined ? '' : `, auth_file ${settings.auth_file}`}`,
    `console: admin_users ${settings.admin_users || '(none)'}, stats_users ${settings.stats_users || '(none)'}`,
    databases.length === 0 ? 'databases: none' : 'databases:',
    ...databases.flatMap((entry) => describeDatabase(entry, config)),
    ...(users.length === 0 ? [] : ['users:', ...users]),
    ...(notImplemented === undefined ? [] : [notImplemented]),
  ];
}
