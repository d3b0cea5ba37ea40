/** The file that holds the process id while Shardyard runs, by PgBouncer's rules (src/main.c: check_pidfile, write_pidfile). */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** Whether a process has this id, as far as can be known. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/**
 * Makes way for a new pid file: removes a stale one (`onStale` is told). An empty path means no file.
 * The own id counts as stale: in a container the last process may have had the same.
 * @throws Error with a text for the operator when another instance seems to run.
 */
export function checkPidFile(path: string, onStale: () => void): void {
  if (path === '') return;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw new Error(`could not open pidfile '${path}': ${codeOf(error)}`);
  }
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0) || (pid !== process.pid && isAlive(pid))) throw new Error(`pidfile '${path}' exists, another instance running?`);
  onStale();
  try {
    unlinkSync(path);
  } catch (error) {
    throw new Error(`could not remove stale pidfile '${path}': ${codeOf(error)}`);
  }
}

function removeOwn(path: string, own: string): void {
  try {
    if (readFileSync(path, 'utf8') === own) unlinkSync(path);
  } catch {
    // Somebody else removed it: that is what was wanted.
  }
}

/**
 * Writes the pid file and has it removed when the process exits. An empty path means no file.
 * @throws Error with a text for the operator when the file exists or cannot be written.
 */
export function writePidFile(path: string): void {
  if (path === '') return;
  const own = `${process.pid}\n`;
  try {
    writeFileSync(path, own, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    throw new Error(`could not open pidfile '${path}': ${codeOf(error)}`);
  }
  process.on('exit', () => removeOwn(path, own));
}
