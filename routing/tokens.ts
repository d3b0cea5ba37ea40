/**
 * The tokens of a text, as three arrays of plain numbers: a text of 10 MB has some millions of them, and nine bytes for each is what
 * keeps them small.
 */

export class Tokens {
  kinds: Uint8Array;
  /** Places in the text, in UTF-16 code units. */
  starts: Int32Array;
  ends: Int32Array;
  count = 0;

  /** `length`: of the text; most tokens have a few characters. */
  constructor(length: number) {
    const room = Math.max(16, length >> 2);
    this.kinds = new Uint8Array(room);
    this.starts = new Int32Array(room);
    this.ends = new Int32Array(room);
  }

  push(kind: number, start: number, end: number): void {
    if (this.count === this.kinds.length) this.#grow();
    this.kinds[this.count] = kind;
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count += 1;
  }

  #grow(): void {
    const { kinds, starts, ends } = this;
    const room = kinds.length * 2;
    this.kinds = new Uint8Array(room);
    this.kinds.set(kinds);
    this.starts = new Int32Array(room);
    this.starts.set(starts);
    this.ends = new Int32Array(room);
    this.ends.set(ends);
  }
}
