import type { ParseResult } from './parse.ts';
import type { Scan } from './scan.ts';
export function parseSqlParser(_scanned: Scan): ParseResult {
  return { problem: 'x' };
}
