/**
 * The poolers, each as it would be run: PgBouncer and Shardyard with configurations that say the same. Transaction mode, the same pool, nothing
 * logged for each client. A third way, the direct connection, has no process of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../support/ports.ts';
import { give, newFolder, spawnOptions } from '../support/postgres-files.ts';
import { startShardyard } from '../support/shardyard.ts';
import { afterThisProcess } from '../support/watchdog.ts';
import { DATABASE, SCRAM_PASSWORD, SCRAM_USER, USER } from './database.ts';
import type { ContenderName } from './results.ts';
import { POOL_SIZE } from './workloads.ts';

/** Where clients connect to, and the process whose CPU and memory count. */
export interface Contender {
  readonly name: ContenderName;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
  readonly pid?: number;
  readonly metricsPort?: number;
  /** What is different for it, to be said with its figures. */
  readonly note?: string;
  stop(): Promise<void>;
}

/** What the processes of one benchmark have in common. */
export interface Ground {
  readonly postgresPort: number;
  readonly pgbouncer?: { readonly program: string; readonly version: string };
  readonly scramSecret: string;
}

export type Authentication = 'trust' | 'scram';

/** In place of the common settings where PgBouncer cannot prepare in transaction mode: a server connection lives as long as its client. */
const SESSIONS = { pool_mode: 'session', default_pool_size: '1000', server_lifetime: '0' };
const COMMON = {
  pool_mode: 'transaction',
  default_pool_size: String(POOL_SIZE),
  max_client_conn: '20000',
  listen_backlog: '1024',
  ignore_startup_parameters: 'extra_float_digits',
  log_connections: '0',
  log_disconnections: '0',
  log_stats: '0',
};

const iniLines = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
const databaseLine = (name: string, port: number): string => `${name} = host=127.0.0.1 port=${port} dbname=${DATABASE} user=${USER}\n`;
const whoConnects = (how: Authentication): Pick<Contender, 'user' | 'password'> =>
  how === 'trust' ? { user: USER } : { user: SCRAM_USER, password: SCRAM_PASSWORD };
const authType = (how: Authentication): string => (how === 'trust' ? 'trust' : 'scram-sha-256');

/** A direct connection. */
export function direct({ postgresPort }: Ground, how: Authentication): Contender {
  return { name: 'direct', port: postgresPort, ...whoConnects(how), database: DATABASE, stop: async () => {} };
}

/** Starts Shardyard with these settings besides the common ones. */
export async function startOurs(
  { postgresPort, scramSecret }: Ground,
  how: Authentication,
  name: ContenderName = 'shardyard',
  settings: Readonly<Record<string, string>> = {},
): Promise<Contender> {
  const ini = `[databases]\n${databaseLine(DATABASE, postgresPort)}\n[shardyard]\n${iniLines({ ...COMMON, auth_type: authType(how), ...settings })}`;
  const users = how === 'trust' ? { [USER]: '' } : { [SCRAM_USER]: scramSecret };
  const { port, pid, metricsPort, stop } = await started(ini, users);
  return { name, port, pid, metricsPort, ...whoConnects(how), database: DATABASE, stop };
}

async function started(
  ini: string,
  users: Readonly<Record<string, string>>,
): Promise<Pick<Required<Contender>, 'port' | 'pid' | 'metricsPort' | 'stop'>> {
  const shardyard = await startShardyard(ini, { users, metrics: true, env: { NODE_OPTIONS: '' } });
  const { port, pid, metricsPort } = shardyard;
  return { port, pid, metricsPort, stop: () => shardyard.stop() };
}

/** From 1.21 on PgBouncer knows prepared statements in transaction mode. */
export function knowsPrepared(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 21);
}

/** Starts PgBouncer; undefined when there is none. With `sessions`: in session mode, which its note tells. */
export async function startPgbouncer(ground: Ground, how: Authentication, sessions = false): Promise<Contender | undefined> {
  if (ground.pgbouncer === undefined) return undefined;
  const { program, version } = ground.pgbouncer;
  const folder = newFolder();
  const users = path.join(folder, 'users.txt');
  const [user, secret] = how === 'trust' ? [USER, ''] : [SCRAM_USER, ground.scramSecret];
  writeFileSync(users, `"${user}" "${secret}"\n`);
  give(users);
  const port = await freePort();
  const settings = {
    ...COMMON,
    ...{ listen_addr: '127.0.0.1', listen_port: String(port), unix_socket_dir: '', auth_type: authType(how), auth_file: users },
    ...(knowsPrepared(version) ? { max_prepared_statements: '200' } : {}),
    ...(sessions ? SESSIONS : {}),
  };
  const file = path.join(folder, 'pgbouncer.ini');
  writeFileSync(file, `[databases]\n${databaseLine(DATABASE, ground.postgresPort)}\n[pgbouncer]\n${iniLines(settings)}`);
  const child = spawn(program, [file], { ...spawnOptions(folder), stdio: ['ignore', 'ignore', 'pipe'] });
  const release = afterThisProcess('kill -9 "$1"', String(child.pid));
  child.once('close', release);
  await isUp(child);
  const note = `PgBouncer ${version} cannot prepare in transaction mode: it is in session mode here, with a server connection for each client`;
  return {
    name: 'pgbouncer',
    port,
    pid: child.pid ?? 0,
    ...whoConnects(how),
    database: DATABASE,
    ...(sessions ? { note } : {}),
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function isUp(child: ChildProcess): Promise<void> {
  let log = '';
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error(`PgBouncer ended:\n${log}`)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000);
      if (/process up/.test(log)) resolve();
    });
  });
}

/** SIGTERM ends it at once, or, from 1.23 on, when it has come twice. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const limits = [setTimeout(() => child.kill('SIGTERM'), 500), setTimeout(() => child.kill('SIGKILL'), 3_000)];
  await closed;
  for (const limit of limits) clearTimeout(limit);
}
