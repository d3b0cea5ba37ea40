/**
 * Real Postgres servers for tests: each on its own copy of the template, its own free port of 127.0.0.1 and its own socket folder.
 * Readiness is read from the server's log, never guessed by time. What a server wrote to its log stays readable after it is gone.
 *
 * A server does not keep the test process alive, and does not outlive it (`postgres-files.ts` has the watchdog); tests stop what
 * they start all the same. Replicas are in `postgres-replica.ts`; tests import `postgres.ts`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { freePort } from './ports.ts';
import { countServer, give, newFolder, SUPERUSER, SUPERUSER_PASSWORD, sharedFiles, spawnOptions } from './postgres-files.ts';
import { ProcessLog } from './process-log.ts';

export interface PostgresOptions {
  /** Added to postgresql.conf, after the tests' own settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf, instead of `trust` for everyone; replication from the socket folder is always allowed. */
  readonly hba?: readonly string[];
  /** Password of the superuser `postgres`; 'postgres' unless given. It is only asked for when `hba` asks for one. */
  readonly password?: string;
  /** Shown by `cluster_name` and in messages of this file. */
  readonly name?: string;
}

export interface Postgres {
  readonly name: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Folder of the Unix socket (`.s.PGSQL.port`). */
  readonly socketDir: string;
  readonly user: string;
  readonly password: string;
  readonly dataDir: string;
  /** Connection string; database `postgres` unless named. */
  url(database?: string): string;
  /** Ends the server and removes its folder. `immediate` drops connections without a goodbye. Does nothing when already stopped. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Stops (fast, unless told otherwise) if running, and starts on the same data folder and port. */
  restart(mode?: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL for the whole server, as a crash of the machine: data stays, `restart()` recovers it. */
  kill(): Promise<void>;
  /** SIGSTOP for the whole server: connections stay open and nothing answers, as with a host that hangs. */
  pause(): void;
  /** SIGCONT after `pause()`. */
  resume(): void;
  /** Makes the server read its configuration again (SIGHUP); resolves when it has. */
  reload(): Promise<void>;
  /** Replaces pg_hba.conf and makes the server read it; the next connections obey it. */
  setHba(lines: readonly string[]): Promise<void>;
  /** All that the server wrote to its log so far. */
  log(): string;
  /**
   * Resolves when the log has a match, from `from` (a length that `log()` had) on; rejects when the server ends without one, or after
   * `limitMs` (a minute).
   */
  waitForLog(pattern: RegExp, from?: number, limitMs?: number): Promise<void>;
}

const TEST_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '16MB',
  max_connections: '100',
  io_method: 'sync',
  autovacuum: 'off',
  jit: 'off',
  max_worker_processes: '2',
  max_logical_replication_workers: '0',
  wal_level: 'replica',
  hot_standby: 'on',
  max_wal_senders: '6',
  wal_keep_size: '128MB',
  max_wal_size: '512MB',
  wal_retrieve_retry_interval: '100ms',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  log_destination: 'stderr',
  logging_collector: 'off',
};

const TRUST_EVERYONE = ['local all all trust', 'host all all 127.0.0.1/32 trust'];
const READY = /database system is ready to accept (read-only )?connections/;
const PORT_TAKEN = /could not create any TCP\/IP sockets|Address already in use|lock file .* already exists/;

/** Starts a Postgres server on a fresh copy of the template; resolves when it accepts connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const folder = newFolder();
  copyFolder(sharedFiles().template, path.join(folder, 'data'));
  if (options.password !== undefined) setPassword(path.join(folder, 'data'), options.password);
  return startOnFolder(folder, options);
}

/** Starts a server on `folder/data`, which is made already. For `postgres-replica.ts`. */
export async function startOnFolder(folder: string, options: PostgresOptions): Promise<Postgres> {
  countServer(1);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    writeConfiguration(folder, port, options);
    const server = new Server(folder, port, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      if (attempt < 5 && PORT_TAKEN.test(server.log())) continue;
      await server.stop('immediate');
      throw error;
    }
  }
}

/** Copies a data folder as the user that Postgres runs as. Files that vanish meanwhile (a running server's) are let go. */
export function copyFolder(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-pR', from, to], { ...spawnOptions('/'), encoding: 'utf8' });
  const complaints = stderr.split('\n').filter((line) => line !== '' && !/No such file or directory/.test(line));
  if (status !== 0 && complaints.length > 0) throw new Error(`cp -pR ${from} ${to}: ${complaints.join('\n')}`);
}

const quote = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

function writeConfiguration(folder: string, port: number, options: PostgresOptions): void {
  const own = { port: String(port), unix_socket_directories: `"${folder}"`, cluster_name: options.name ?? '' };
  const settings = Object.entries({ ...TEST_SETTINGS, ...own, ...options.settings });
  appendFileSync(
    path.join(folder, 'data', 'postgresql.conf'),
    `\n${settings.map(([key, value]) => `${key} = ${quote(value)}`).join('\n')}\n`,
  );
  writeHba(folder, options.hba ?? TRUST_EVERYONE);
}

function writeHba(folder: string, lines: readonly string[]): void {
  const file = path.join(folder, 'data', 'pg_hba.conf');
  writeFileSync(file, `${['local replication all trust', ...lines].join('\n')}\n`);
  give(file);
}

function setPassword(dataDir: string, password: string): void {
  const { status, stderr } = spawnSync(
    path.join(sharedFiles().native, 'bin', 'postgres'),
    ['--single', '-D', dataDir, '-c', 'fsync=off', '-c', 'io_method=sync', 'postgres'],
    { ...spawnOptions('/'), input: `ALTER ROLE ${SUPERUSER} PASSWORD ${quote(password)}\n`, encoding: 'utf8' },
  );
  if (status !== 0 || /ERROR/.test(stderr)) throw new Error(`setting the superuser's password failed: ${stderr}`);
}

/** Children of a process, by /proc where there is one, else by ps. */
function childrenOf(pid: number): readonly number[] {
  if (!existsSync('/proc/self/stat')) {
    const pairs = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
    return pairs.map((pair) => pair.trim().split(/\s+/).map(Number)).flatMap(([child, parent]) => (parent === pid && child ? [child] : []));
  }
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid ? [Number(name)] : [];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const STOP_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
/** A fast stop waits for replicas to take all changes; one that hangs is not waited for longer than this. */
const FAST_STOP_LIMIT_MS = 10_000;

class Server implements Postgres {
  readonly host = '127.0.0.1';
  readonly user = SUPERUSER;
  readonly name: string;
  readonly port: number;
  readonly socketDir: string;
  readonly password: string;
  readonly dataDir: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;
  readonly #log: ProcessLog;
  #removed = false;

  constructor(folder: string, port: number, options: PostgresOptions) {
    this.#folder = folder;
    this.name = options.name ?? `postgres on port ${port}`;
    this.port = port;
    this.socketDir = folder;
    this.dataDir = path.join(folder, 'data');
    this.password = options.password ?? SUPERUSER_PASSWORD;
    this.#log = new ProcessLog(this.name);
  }

  url(database = 'postgres'): string {
    return `postgres://${this.user}:${encodeURIComponent(this.password)}@${this.host}:${this.port}/${encodeURIComponent(database)}`;
  }

  log(): string {
    return this.#log.text;
  }

  async start(): Promise<void> {
    // Its own session: Ctrl-C in a terminal is for the test process, which stops servers in its own order.
    const postgres = spawn(path.join(sharedFiles().native, 'bin', 'postgres'), ['-D', this.dataDir], {
      ...spawnOptions(this.#folder),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = postgres;
    this.#log.began();
    const from = this.#log.text.length;
    postgres.stderr.setEncoding('utf8').on('data', (text: string) => this.#log.add(text));
    postgres.once('error', (error) => this.#log.add(`${error}\n`));
    postgres.once('close', () => {
      if (this.#process === postgres) this.#process = undefined;
      this.#log.ended();
    });
    await this.waitForLog(READY, from);
    postgres.unref();
    (postgres.stderr as Socket).unref();
  }

  async waitForLog(pattern: RegExp, from = 0, limitMs?: number): Promise<void> {
    this.#process?.ref();
    (this.#process?.stderr as Socket | undefined)?.ref();
    try {
      await this.#log.wait({ pattern, from, limitMs });
    } finally {
      this.#process?.unref();
      (this.#process?.stderr as Socket | undefined)?.unref();
    }
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#end(STOP_SIGNALS[mode]);
    if (this.#removed) return;
    this.#removed = true;
    countServer(-1);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async restart(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#end(STOP_SIGNALS[mode]);
    await this.start();
  }

  async kill(): Promise<void> {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    // The postmaster first, so that it starts no child after we have looked.
    signal(pid, 'SIGSTOP');
    const children = childrenOf(pid);
    const ended = this.#ended();
    for (const each of [pid, ...children]) signal(each, 'SIGKILL');
    await ended;
    rmSync(path.join(this.dataDir, 'postmaster.pid'), { force: true });
  }

  pause(): void {
    this.#signalAll('SIGSTOP');
  }

  resume(): void {
    this.#signalAll('SIGCONT');
  }

  async setHba(lines: readonly string[]): Promise<void> {
    writeHba(this.#folder, lines);
    await this.reload();
  }

  async reload(): Promise<void> {
    const from = this.#log.text.length;
    if (this.#process?.pid !== undefined) signal(this.#process.pid, 'SIGHUP');
    await this.waitForLog(/received SIGHUP, reloading configuration files/, from);
  }

  #signalAll(name: 'SIGSTOP' | 'SIGCONT'): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    signal(pid, name);
    for (const child of childrenOf(pid)) signal(child, name);
  }

  async #end(name: NodeJS.Signals): Promise<void> {
    const postgres = this.#process;
    if (postgres?.pid === undefined) return;
    const { pid } = postgres;
    const ended = this.#ended();
    signal(pid, name);
    this.#signalAll('SIGCONT');
    const limit = setTimeout(() => signal(pid, 'SIGQUIT'), FAST_STOP_LIMIT_MS);
    await ended;
    clearTimeout(limit);
  }

  async #ended(): Promise<void> {
    const postgres = this.#process;
    if (!postgres) return;
    postgres.ref();
    (postgres.stderr as Socket).ref();
    await once(postgres, 'close');
  }
}
