/** Names that a request gives, and what each stands for. Nearly always there is one, so one is kept without a map. */
import type { Prepared } from '../server/prepared.ts';

export class Given {
  #name: string | undefined;
  #prepared: Prepared | undefined;
  #more: Map<string, Prepared | undefined> | undefined;

  /** `prepared` undefined: the name stands for nothing, or for nothing that is known. */
  set(name: string, prepared: Prepared | undefined): void {
    if (this.#name === undefined || this.#name === name) {
      this.#name = name;
      this.#prepared = prepared;
    } else {
      this.#more ??= new Map();
      this.#more.set(name, prepared);
    }
  }

  has(name: string): boolean {
    return this.#name === name || this.#more?.has(name) === true;
  }

  get(name: string): Prepared | undefined {
    return this.#name === name ? this.#prepared : this.#more?.get(name);
  }

  /** Every name is put into the map, over what is there. */
  putInto(map: { set(name: string, prepared: Prepared | undefined): unknown }): void {
    if (this.#name !== undefined) map.set(this.#name, this.#prepared);
    if (this.#more !== undefined) for (const [name, prepared] of this.#more) map.set(name, prepared);
  }

  clear(): void {
    this.#name = undefined;
    this.#prepared = undefined;
    this.#more = undefined;
  }
}
