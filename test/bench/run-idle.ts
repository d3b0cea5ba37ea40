/**
 * Many clients that only stay, and some that work. Memory for an idle client is what the process grows by: measured after the same busy
 * time without and with the idle ones, in a new process each time, as a runtime gives back late what it once had.
 */
import { connectLink, type Link } from './link.ts';
import type { Contender } from './poolers.ts';
import type { Figures } from './results.ts';
import { runPgbench, type Setting } from './run-pgbench.ts';
import { openFilesLimit, residentBytes } from './usage.ts';
import type { IdleRow, PgbenchRow } from './workloads.ts';

const AT_ONCE = 50;
/** Files that a process has open besides those of idle clients. */
const OTHER_FILES = 500;

/** How many idle clients the system lets this process hold. */
export function idleClients(wanted: number, limit = openFilesLimit()): number {
  return Math.max(Math.min(wanted, limit - OTHER_FILES), 0);
}

/** Runs the busy clients beside the idle ones; a direct connection has none, as each would be a process of Postgres. */
export async function runIdle(contender: Contender, row: IdleRow, setting: Setting): Promise<Figures> {
  const busy: PgbenchRow = { ...row, kind: 'pgbench', clients: row.busy, protocol: 'extended', scripts: [{ builtin: 'select-only' }] };
  if (contender.pid === undefined) return runPgbench(contender, busy, setting);
  await runPgbench(contender, busy, setting);
  const before = residentBytes(contender.pid);
  const count = idleClients(row.idle);
  const links: Link[] = [];
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, lane) => {
        for (let i = lane; i < count && !setting.signal.aborted; i += AT_ONCE) links.push(await connectLink(contender));
      }),
    );
    const figures = await runPgbench(contender, busy, setting);
    const after = residentBytes(contender.pid);
    return before === undefined || after === undefined ? figures : { ...figures, idleBytes: Math.max(after - before, 0) / count };
  } finally {
    for (const link of links) link.close();
  }
}
