/**
 * What a program does to itself before it serves: become another user (-u) and go to the background (-d). Node.js cannot fork, so
 * for -d the program is started a second time, detached, and tells its parent over IPC when it is up; only then does the parent end.
 */
import { execFileSync, spawn } from 'node:child_process';

/** Set for the second start. */
const marker = 'SHARDYARD_IN_BACKGROUND';

/** Whether this process is the one in the background. */
export const isInBackground = (): boolean => process.env[marker] === '1' && process.send !== undefined;

function lookUp(user: string, flag: '-u' | '-g'): number {
  try {
    if (user.startsWith('-')) throw new Error('an option, not a name');
    return Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    throw new Error(`could not find user '${user}' to switch to`);
  }
}

/**
 * Gives up root for `user`, with the user's groups. Nothing happens when the process is that user already.
 * @throws Error with a text for the operator when there is no such user, or the process is not root.
 */
export function switchUser(user: string): void {
  const uid = lookUp(user, '-u');
  if (uid === process.getuid?.()) return;
  if (process.getuid?.() !== 0) throw new Error(`cannot switch to user '${user}': not running as root`);
  const gid = lookUp(user, '-g');
  (process as NodeJS.Process & { initgroups?(user: string, group: number): void }).initgroups?.(user, gid);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/**
 * Starts this program again in the background, with the same arguments, and waits until it is up.
 * @throws Error with a text for the operator when it ended instead.
 */
export function startInBackground(): Promise<void> {
  const [node, script, ...rest] = process.argv;
  if (node === undefined || script === undefined) throw new Error('cannot start in the background: there is no program to start');
  const env = { ...process.env, [marker]: '1' };
  const child = spawn(node, [...process.execArgv, script, ...rest], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`could not start in the background (${signal ?? `status ${code}`}): see the log file`)),
    );
    child.once('message', () => {
      child.removeAllListeners();
      child.disconnect();
      child.unref();
      resolve();
    });
  });
}

/** Tells the parent that this process is up, when there is a parent that waits for it. */
export function reportUp(): void {
  if (!isInBackground()) return;
  process.send?.('up', () => process.disconnect());
}
