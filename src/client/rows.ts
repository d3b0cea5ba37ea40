/** Rows that we asked for ourselves, decoded. */

/** The values of a DataRow frame, as latin1. */
export function rowValues(chunk: Buffer, start: number, end: number): (string | null)[] {
  const values: (string | null)[] = [];
  let at = start + 7;
  for (let count = chunk.readUInt16BE(start + 5); count > 0 && at + 4 <= end; count--) {
    const length = chunk.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : chunk.toString('latin1', at, at + length));
    at += Math.max(0, length);
  }
  return values;
}
