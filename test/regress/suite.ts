/**
 * Where Postgres's own core regression suite is on this machine. It is not part of any package of binaries, so the environment says where
 * it was built; docs/exactness.md tells how to get it. What can be derived from one variable need not be said in another.
 *
 *   PG_REGRESS           the program pg_regress
 *   PG_REGRESS_INPUTDIR  the folder with sql/, expected/ and parallel_schedule; without it the folder of pg_regress
 *   PG_REGRESS_DLPATH    the folder with regress.so; without it the folder of pg_regress
 *   PG_BIN               the folder with initdb, pg_ctl and psql of the same version; without it what pg_config says
 *   PG_LIBPQ_PIPELINE    the program libpq_pipeline of the test modules; without it where a build has it, if it is there
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { spawnOptions } from '../support/postgres-files.ts';

export interface Suite {
  readonly pgRegress: string;
  readonly inputDir: string;
  readonly libraryDir: string;
  readonly binDir: string;
  /** As in `postgres --version`. */
  readonly version: string;
  /** undefined: not there, and not run. */
  readonly libpqPipeline: string | undefined;
}

/** The suite, or why it cannot be run here. */
export function findSuite(env: NodeJS.ProcessEnv): Suite | { readonly missing: string } {
  const pgRegress = env.PG_REGRESS ?? '';
  if (pgRegress === '') return { missing: 'the environment variable PG_REGRESS does not name the program pg_regress' };
  const built = path.dirname(path.resolve(pgRegress));
  const inputDir = path.resolve(env.PG_REGRESS_INPUTDIR ?? built);
  const libraryDir = path.resolve(env.PG_REGRESS_DLPATH ?? built);
  const binDir = path.resolve(env.PG_BIN ?? said('pg_config', '--bindir') ?? '/usr/bin');
  const needed = [
    path.resolve(pgRegress),
    path.join(inputDir, 'parallel_schedule'),
    path.join(inputDir, 'sql'),
    path.join(inputDir, 'expected'),
    path.join(libraryDir, 'regress.so'),
    ...['initdb', 'pg_ctl', 'psql', 'postgres'].map((name) => path.join(binDir, name)),
  ];
  const absent = needed.filter((file) => !existsSync(file));
  if (absent.length > 0) return { missing: `there is no ${absent.join(', no ')}` };
  const unreadable = needed.filter((file) => !readable(file));
  if (unreadable.length > 0) return { missing: `the user that Postgres runs as may not read ${unreadable.join(', ')}` };
  const pipeline = env.PG_LIBPQ_PIPELINE ?? path.join(built, '../modules/libpq_pipeline/libpq_pipeline');
  return {
    pgRegress: path.resolve(pgRegress),
    inputDir,
    libraryDir,
    binDir,
    version: said(path.join(binDir, 'postgres'), '--version') ?? 'Postgres',
    libpqPipeline: existsSync(pipeline) ? path.resolve(pipeline) : undefined,
  };
}

function said(program: string, argument: string): string | undefined {
  const { status, stdout } = spawnSync(program, [argument], { ...spawnOptions('/'), encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

const readable = (file: string): boolean => spawnSync('/bin/sh', ['-c', 'test -r "$1"', 'sh', file], spawnOptions('/')).status === 0;
