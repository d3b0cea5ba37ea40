/**
 * Maps and sets that take no memory until something is put into them. Most sessions use few of theirs, and an empty Map is a tenth of what an
 * idle client costs.
 */

/** As a Map, as far as it goes. */
export class LazyMap<K, V> implements Iterable<[K, V]> {
  #map: Map<K, V> | undefined;

  get size(): number {
    return this.#map?.size ?? 0;
  }
  get(key: K): V | undefined {
    return this.#map?.get(key);
  }
  has(key: K): boolean {
    return this.#map?.has(key) === true;
  }
  set(key: K, value: V): this {
    this.#map ??= new Map();
    this.#map.set(key, value);
    return this;
  }
  delete(key: K): boolean {
    return this.#map?.delete(key) === true;
  }
  clear(): void {
    this.#map = undefined;
  }
  keys(): Iterable<K> {
    return this.#map?.keys() ?? [];
  }
  values(): Iterable<V> {
    return this.#map?.values() ?? [];
  }
  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.#map ?? [])[Symbol.iterator]();
  }
}

/** As a Set, as far as it goes. */
export class LazySet<T> implements Iterable<T> {
  #set: Set<T> | undefined;

  get size(): number {
    return this.#set?.size ?? 0;
  }
  has(value: T): boolean {
    return this.#set?.has(value) === true;
  }
  add(value: T): this {
    this.#set ??= new Set();
    this.#set.add(value);
    return this;
  }
  delete(value: T): boolean {
    return this.#set?.delete(value) === true;
  }
  clear(): void {
    this.#set = undefined;
  }
  [Symbol.iterator](): Iterator<T> {
    return (this.#set ?? [])[Symbol.iterator]();
  }
}
