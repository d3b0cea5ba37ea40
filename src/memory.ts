/**
 * How large V8's young generation may become. Left alone it doubles under load up to 32 MB and more, which is much of what thousands of idle
 * clients cost, and gains nothing here: nearly all that an exchange allocates is garbage a moment later. Who gives node a size of his own
 * (`--max-semi-space-size`, `--min-semi-space-size`) gets it.
 */
import v8 from 'node:v8';

const isGiven = (): boolean => [process.env.NODE_OPTIONS ?? '', ...process.execArgv].some((text) => text.includes('semi-space'));

/** It stays as large as start-up has made it: 8 or 16 MB, both halves together. */
export function boundYoungGeneration(): void {
  if (!isGiven()) v8.setFlagsFromString('--semi-space-growth-factor=1');
}
