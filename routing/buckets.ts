/**
 * Which shard a hash belongs to under `shard_by = consistent`: row hash → one of 4,096 buckets → shard.
 * The bucket is the remainder that Postgres gives the row: `satisfies_hash_partition(…, 4096, bucket, key)` is true.
 * The bucket map is filled once for a topology, by a ring from the package `consistent-hash`; no statement ever asks the ring.
 *
 * Invariant: the map depends on the shards' names and on nothing else, not on their order, the machine or the day. The package
 * would place nodes with `Math.random()` and names with a weak hash, so both are taken from it: a shard's points are Postgres
 * hashes of its name, and a bucket's name is spelled so that the package's hash of it is the place where the bucket must lie.
 * `ringIsIntact` notices if another version of the package would place anything elsewhere.
 */
import ConsistentHash from 'consistent-hash';
import { type Hash64, hashBytes, remainder } from './hash.ts';

/** How many buckets there are: the unit that moves when shards are added. */
export const bucketCount = 4096;

/** Points of one shard on the ring: 1,024 keep the shards' shares within about a tenth of each other. */
const pointsPerShard = 1024;

/** The largest prime below 2^25. The package shifts its hash left by 5, so a 20-bit hash fills this range. */
const range = 33554393;

/** `hashtextextended(name, i) & 0xffffffff`, modulo the range. */
const pointsOf = (name: string): readonly number[] => {
  const bytes = new TextEncoder().encode(name);
  return Array.from({ length: pointsPerShard }, (_, i) => hashBytes(bytes, { hi: 0, lo: i }).lo % range);
};

/** Five characters of the codes 0 to 15: the package's string hash of them is the 20-bit number they spell. */
const spell = (place: number): string =>
  String.fromCharCode((place >>> 16) & 15, (place >>> 12) & 15, (place >>> 8) & 15, (place >>> 4) & 15, place & 15);

/** The buckets lie evenly on the ring, half a step from its ends. */
const nameOf = (bucket: number): string => spell(bucket * 256 + 128);

/** Bucket → index into `shards`, 4,096 entries. `shards` are distinct names, one at least; where two points meet, the greater name wins. */
export const fillBuckets = (shards: readonly string[]): readonly number[] => {
  const index = new Map(shards.map((name, i) => [name, i]));
  const ring = new ConsistentHash({ range });
  for (const name of [...shards].sort((a, b) => (a < b ? -1 : 1))) ring.add(name, pointsPerShard, pointsOf(name));
  return Array.from({ length: bucketCount }, (_, bucket) => index.get(ring.get(nameOf(bucket)) ?? '') ?? 0);
};

/** The bucket of a row hash (`partitionHash`). */
export const bucketOf = (hash: Hash64): number => remainder(hash, bucketCount);

const reference = ['shop_0', 'shop_1', 'shop_2', 'shop_3'];
const expected: Hash64 = { hi: 0xbe2490f7, lo: 0xc043a87d };

/** A fingerprint of a bucket map, to compare two of them. */
export const fingerprint = (buckets: readonly number[]): Hash64 => hashBytes(Uint8Array.from(buckets));

/** Whether the ring still places a reference set of shards as it always did. If not, keys would be looked for on the wrong shard. */
export const ringIsIntact = (): boolean => {
  const { hi, lo } = fingerprint(fillBuckets(reference));
  return hi === expected.hi && lo === expected.lo;
};
