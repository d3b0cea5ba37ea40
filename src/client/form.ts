/** What frames a request has, and in which order, as a text that a pattern can be held against. */
import * as code from '../wire/codes.ts';
import type { Item } from './request.ts';

/**
 * A letter for each frame: `T` Parse, `S` Describe of a statement, `B` Bind, `P` Describe of a portal, `E` Execute, `C` Close, `.` Sync, and
 * `?` for anything else, also for what is malformed.
 */
export function formOf(items: readonly Item[]): string {
  return items.map(letterOf).join('');
}

function letterOf({ type, target }: Item): string {
  switch (type) {
    case code.PARSE:
      return 'T';
    case code.DESCRIBE:
      return target === code.TARGET_STATEMENT ? 'S' : target === code.TARGET_PORTAL ? 'P' : '?';
    case code.BIND:
      return 'B';
    case code.EXECUTE:
      return 'E';
    case code.CLOSE:
      return 'C';
    case code.SYNC:
      return '.';
    default:
      return '?';
  }
}
