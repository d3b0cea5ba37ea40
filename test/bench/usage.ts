/** What a process has used, from the operating system: CPU of all its threads, and resident memory. Linux only; elsewhere unknown. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Cpu {
  readonly userUs: number;
  readonly systemUs: number;
}

let ticksOnce: number | undefined;

/** Ticks of a second in /proc. */
function ticksPerSecond(): number {
  try {
    ticksOnce ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8', timeout: 5_000 })) || 100;
  } catch {
    ticksOnce = 100;
  }
  return ticksOnce;
}

const ofProcess = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
};

/** utime and stime of a line of /proc/PID/stat, in ticks; the name before them may hold anything. Source: proc(5). */
export function ticksOf(stat: string): readonly [user: number, system: number] {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[11]), Number(fields[12])];
}

/** CPU time of a process so far. */
export function cpuOf(pid: number): Cpu | undefined {
  const stat = ofProcess(pid, 'stat');
  if (stat === undefined) return undefined;
  const [user, system] = ticksOf(stat);
  const tickUs = 1e6 / ticksPerSecond();
  return { userUs: user * tickUs, systemUs: system * tickUs };
}

/** Resident memory of a process now. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(ofProcess(pid, 'status') ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** How many files this process, and those it starts, may have open. */
export function openFilesLimit(): number {
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(ofProcess(process.pid, 'limits') ?? '')?.[1];
  return found === undefined ? 1024 : found === 'unlimited' ? Infinity : Number(found);
}
