/** Random choices that a seed repeats: the same seed gives the same scripts on every machine and every version of Node. */

export interface Random {
  /** An integer from 0 to `below - 1`. */
  below(below: number): number;
  /** True in `percent` of a hundred cases. */
  chance(percent: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** One of the entries, each as likely as its weight says. */
  weighed<T>(from: readonly (readonly [weight: number, value: T])[]): T;
}

/** `seed` and `stream` are unsigned 32-bit integers; streams of one seed have nothing to do with each other. */
export function random(seed: number, stream: number): Random {
  // splitmix32 on a state that mixes both.
  let state = (Math.imul(seed >>> 0, 0x9e3779b1) ^ Math.imul((stream >>> 0) + 0x7f4a7c15, 0x85ebca6b)) >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const below = (limit: number): number => Math.floor((next() / 0x1_0000_0000) * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick,
    weighed: (from) => {
      let at = below(from.reduce((sum, [weight]) => sum + weight, 0));
      for (const [weight, value] of from) {
        at -= weight;
        if (at < 0) return value;
      }
      throw new Error('nothing to choose from');
    },
  };
}
