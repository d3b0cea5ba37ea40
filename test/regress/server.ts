/**
 * The Postgres server that a run of the regression suite gets: of the suite's own version, thrown away afterwards, never used twice, with a
 * database `regression` as pg_regress would have made it.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { freePort } from '../support/ports.ts';
import { countServer, newFolder, SUPERUSER, spawnOptions } from '../support/postgres-files.ts';
import type { Suite } from './suite.ts';

export interface RegressServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly user: string;
  /** The server may write here. */
  readonly folder: string;
  stop(): void;
}

/** What pg_regress sets in the database that it makes (create_database in pg_regress.c). */
const DATABASE_SETTINGS = {
  lc_messages: 'C',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  bytea_output: 'hex',
  timezone_abbreviations: 'Default',
};

const START_LIMIT_SECONDS = 60;

function run(suite: Suite, folder: string, program: string, args: readonly string[]): void {
  const ran = spawnSync(path.join(suite.binDir, program), args, { ...spawnOptions(folder), encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${program} failed: ${ran.error ?? ''}${ran.stdout}${ran.stderr}`);
}

/** Makes the cluster and starts it; rejects with what the server said when it does not start. */
export async function startRegressServer(suite: Suite): Promise<RegressServer> {
  const folder = newFolder();
  const data = path.join(folder, 'data');
  const port = await freePort();
  run(suite, folder, 'initdb', ['-D', data, '-U', SUPERUSER, '-A', 'trust', '--no-locale', '-E', 'UTF8', '-N']);
  appendFileSync(path.join(data, 'postgresql.conf'), configuration(port, folder));
  countServer(1);
  const log = path.join(folder, 'log');
  try {
    run(suite, folder, 'pg_ctl', ['-D', data, '-l', log, '-w', '-t', String(START_LIMIT_SECONDS), '-s', 'start']);
  } catch (error) {
    countServer(-1);
    throw new Error(`${error}\n${readFileSync(log, 'utf8')}`);
  }
  await makeDatabase(folder, port);
  const stop = (): void => {
    spawnSync(path.join(suite.binDir, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-w', '-s', 'stop'], spawnOptions(folder));
    countServer(-1);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { host: '127.0.0.1', port, user: SUPERUSER, folder, stop };
}

/** What `pg_regress --temp-instance` would say, and room for a pool. */
const configuration = (port: number, folder: string): string => `
port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${folder}'
max_connections = 100
max_prepared_transactions = 2
fsync = off
track_activity_query_size = 16384
`;

async function makeDatabase(socketDir: string, port: number): Promise<void> {
  const client = new pg.Client({ host: socketDir, port, user: SUPERUSER, database: 'postgres' });
  await client.connect();
  await client.query("CREATE DATABASE regression TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
  for (const [name, value] of Object.entries(DATABASE_SETTINGS)) await client.query(`ALTER DATABASE regression SET ${name} TO '${value}'`);
  await client.end();
}
