/** The part of the package `consistent-hash` that `buckets.ts` uses; the package brings no types. */
declare module 'consistent-hash' {
  class ConsistentHash {
    constructor(options: { range: number });
    /** Always with explicit points: without them the package takes `Math.random()`. */
    add(node: string, count: number, points: readonly number[]): this;
    /** The node of the first point at or after the place of `name`; null on an empty ring. */
    get(name: string): string | null;
  }
  export = ConsistentHash;
}
