/** Random bytes for keys, nonces and salts. The system is asked for many at once: asking costs more than what it gives. */
import { randomFillSync } from 'node:crypto';

const store = Buffer.alloc(4096);
let used = store.length;

/** So many bytes (at most 256) that nobody has seen, in a buffer of their own. */
export function freshRandom(length: number): Buffer {
  if (used + length > store.length) {
    randomFillSync(store);
    used = 0;
  }
  const fresh = Buffer.from(store.subarray(used, used + length));
  store.fill(0, used, used + length);
  used += length;
  return fresh;
}
