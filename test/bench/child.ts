/** A program that is run to its end, within a time limit, unless the benchmark ends before it. */
import { spawn } from 'node:child_process';

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly limitMs: number;
  /** Ends the program when it is aborted. */
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
}

/** Runs a program; rejects when it fails, with the end of what it wrote to standard error, or takes longer than its limit. */
export function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  const { limitMs, signal, env, ...rest } = options;
  return new Promise((resolve, reject) => {
    // A caller's own connection settings (PGHOST, PGOPTIONS, …) are not for the benchmark.
    const clean = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', ...env };
    const child = spawn(program, args, {
      ...rest,
      env: clean,
      signal,
      timeout: limitMs,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-20_000);
    });
    child.once('error', reject);
    child.once('close', (code, endedBy) => {
      if (code === 0) return resolve({ stdout, stderr });
      const why = endedBy === null ? `ended with ${code}` : `was ended by ${endedBy} (its limit is ${Math.round(limitMs / 1000)} s)`;
      reject(new Error(`${program.split('/').at(-1)} ${why}: ${telling(stderr)}`));
    });
  });
}

/** The first lines that tell of an error, or the last line. */
function telling(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const errors = lines.filter((line) => /error|fatal|could not|abort/i.test(line));
  return (errors.length > 0 ? errors.slice(0, 2) : lines.slice(-1)).join(' | ').slice(0, 300);
}
