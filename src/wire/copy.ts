/** Copying bytes from buffer to buffer. */

/** Up to so many bytes a loop is quicker: `Buffer.copy` makes a view of each part of a buffer. */
const BY_LOOP = 128;

/** Copies [start, end) of `from` to `at` of `to`, which has room for it; returns how many bytes. The two do not overlap. */
export function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  const length = end - start;
  if (length > BY_LOOP) return from.copy(to, at, start, end);
  for (let i = 0; i < length; i += 1) to[at + i] = from[start + i]!;
  return length;
}
