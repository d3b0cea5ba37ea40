/** COPY of many rows in or out by one client: bytes a second. The rows that come in are the same block of lines again and again. */
import { connectLink, frame, queryFrame } from './link.ts';
import type { Contender } from './poolers.ts';
import type { Figures } from './results.ts';
import { cpuOf } from './usage.ts';
import type { CopyRow } from './workloads.ts';

const ROWS_OF_BLOCK = 10_000;
/** About what libpq sends at once. */
const BYTES_OF_FRAME = 8192;

/** Lines of COPY's text format in frames of CopyData, each with whole lines. */
export function copyBlock(rows: number): { readonly frames: Buffer; readonly bytes: number } {
  const frames: Buffer[] = [];
  let [lines, bytes] = ['', 0];
  for (let i = 1; i <= rows; i++) {
    lines += `${i}\t${i % 100}\t${String(i).padStart(40, 'x')}\n`;
    if (lines.length < BYTES_OF_FRAME && i < rows) continue;
    frames.push(frame('d', lines));
    bytes += lines.length;
    lines = '';
  }
  return { frames: Buffer.concat(frames), bytes };
}

let blockOnce: ReturnType<typeof copyBlock> | undefined;

/** Copies once. Rejects when not all rows went over. */
export async function runCopy(contender: Contender, { direction, rows }: CopyRow): Promise<Figures> {
  blockOnce ??= copyBlock(ROWS_OF_BLOCK);
  const block = blockOnce;
  const link = await connectLink(contender);
  try {
    const [began, before] = [performance.now(), contender.pid === undefined ? undefined : cpuOf(contender.pid)];
    const { tag, copiedBytes } =
      direction === 'out'
        ? await link.ask(queryFrame('COPY bench_copy TO STDOUT'))
        : await link.ask(queryFrame('COPY bench_copied FROM STDIN'), block.frames, rows / ROWS_OF_BLOCK);
    const after = contender.pid === undefined ? undefined : cpuOf(contender.pid);
    const seconds = (performance.now() - began) / 1000;
    if (tag !== `COPY ${rows}`) throw new Error(`the server says ${tag} and not COPY ${rows}`);
    const bytes = direction === 'out' ? copiedBytes : (block.bytes * rows) / ROWS_OF_BLOCK;
    const [userUs, systemUs] = before && after ? [after.userUs - before.userUs, after.systemUs - before.systemUs] : [];
    return {
      rate: bytes / seconds,
      ...(userUs === undefined || systemUs === undefined ? {} : { cpuUs: userUs + systemUs, userUs, systemUs }),
    };
  } finally {
    link.close();
  }
}
