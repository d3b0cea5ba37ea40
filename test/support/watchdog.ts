/**
 * Cleaning up after a test process that was killed: a tiny `sh` in its own session waits on a pipe that closes when this
 * process ends, however it ends (even SIGKILL), and then runs a script. Handlers in the dying process could not promise that.
 */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** Runs the shell script (its arguments are `$1`, `$2`, …) when this process has ended. Call the result when it is no longer needed. */
export function afterThisProcess(script: string, ...args: readonly string[]): () => void {
  const watchdog = spawn('/bin/sh', ['-c', `cat >/dev/null\n${script}`, 'watchdog', ...args], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  // The pipe to a child is a socket, whatever the types say; it must not keep this process alive.
  (watchdog.stdin as unknown as Socket).unref();
  return () => {
    // The group: the shell and the `cat` it waits for.
    if (watchdog.pid !== undefined && watchdog.exitCode === null) process.kill(-watchdog.pid, 'SIGKILL');
  };
}
