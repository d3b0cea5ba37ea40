/**
 * How V8's young generation grows. Left alone it doubles as load and clients come, and until it has its full size much that is garbage a moment
 * later is copied, and kept for long. Here it gets its full size (of V8's choice: 32 MB and more) the first time that it is to grow: with a thousand clients at work
 * that is a quarter more, and what idle clients cost is theirs alone. Who gives node a size of his own (`--max-semi-space-size`,
 * `--min-semi-space-size`) gets it.
 */
import v8 from 'node:v8';

const isGiven = (): boolean => [process.env.NODE_OPTIONS ?? '', ...process.execArgv].some((text) => text.includes('semi-space'));

/** It grows in one step. */
export function growYoungGenerationAtOnce(): void {
  if (!isGiven()) v8.setFlagsFromString('--semi-space-growth-factor=16');
}
