/** The few sums of a benchmark: medians, percentiles, ratios, and how they are written. Pure. */

/** The middle value, or the mean of the two in the middle; undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return ((sorted[half - 1] ?? upper) + upper) / 2;
}

/** The smallest value that `share` (0 to 1) of the values do not exceed (nearest rank); `sorted` ascends. Undefined for none. */
export function percentile(sorted: ArrayLike<number>, share: number): number | undefined {
  if (sorted.length === 0) return undefined;
  return sorted[Math.min(Math.max(Math.ceil(share * sorted.length) - 1, 0), sorted.length - 1)];
}

/** `value / base`; undefined when either is missing or the base is not positive. */
export function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined || base <= 0 ? undefined : value / base;
}

/** The medians of each number that the records have; a number that no record has is left out. */
export function medians<K extends string>(records: readonly Readonly<Partial<Record<K, number>>>[]): Partial<Record<K, number>> {
  const names = new Set(records.flatMap((record) => Object.keys(record) as K[]));
  const result: Partial<Record<K, number>> = {};
  for (const name of names) {
    const middle = median(records.flatMap((record) => record[name] ?? []));
    if (middle !== undefined) result[name] = middle;
  }
  return result;
}

/** Three significant digits, thousands with commas: `12,300`, `4.56`, `0.078`; `–` for nothing. */
export function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1000) return String(rounded).replace(/\B(?=(\d{3})+$)/g, ',');
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toFixed(Math.min(decimals, 6));
}

/** `1.93 ×`; `–` for nothing. */
export function times(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '–' : `${value.toFixed(2)} ×`;
}
