/** The line in front of a pool, in order: who waits for a server of his own, and who could share one, by settings. */
import type { Label } from '../server/settings.ts';
import type { Waiter } from './parts.ts';

export class Waiting implements Iterable<Waiter> {
  readonly #line = new Set<Waiter>();
  /** How many of those that could share there are, for each label. */
  readonly #sharers = new Map<Label, number>();
  /** Those that need a server of their own. */
  alone = 0;

  get size(): number {
    return this.#line.size;
  }

  [Symbol.iterator](): Iterator<Waiter> {
    return this.#line.values();
  }

  add(waiter: Waiter): void {
    this.#line.add(waiter);
    this.#count(waiter, 1);
  }

  delete(waiter: Waiter): void {
    if (this.#line.delete(waiter)) this.#count(waiter, -1);
  }

  /** Servers that those in line would use at once; `lacking`: how many more could be shared by those with a label. */
  wanted(lacking: (label: Label) => number): number {
    let wanted = this.alone;
    for (const [label, count] of this.#sharers) wanted += Math.min(count, Math.max(0, lacking(label)));
    return wanted;
  }

  /** Everyone, in order; then nobody waits any more. */
  takeAll(): readonly Waiter[] {
    const all = [...this.#line];
    this.#line.clear();
    this.#sharers.clear();
    this.alone = 0;
    return all;
  }

  #count({ sharing }: Waiter, by: 1 | -1): void {
    if (sharing === undefined) {
      this.alone += by;
      return;
    }
    const count = (this.#sharers.get(sharing.label) ?? 0) + by;
    if (count > 0) this.#sharers.set(sharing.label, count);
    else this.#sharers.delete(sharing.label);
  }
}
