/**
 * Postgres's partition hash, bit for bit: the 64-bit hash of a key as `PARTITION BY HASH` computes it.
 * It is the first step from a shard key to its shard (`buckets.ts` and `route.ts` do the rest), and any server can check it:
 *
 *   hashint8extended(key, 8816678312871386365), hashtextextended(…), uuid_hash_extended(…)
 *
 * The arithmetic is on two unsigned 32-bit halves; BigInt would be ten times slower. Source of the rules: PostgreSQL's
 * common/hashfn.c, access/hash/hashfunc.c, utils/adt/uuid.c and compute_partition_hash_value of partitioning/partbounds.c.
 * The bytes are read as a little-endian server reads them; a big-endian server hashes text and uuid differently.
 */

/** An unsigned 64-bit number: `hi * 2^32 + lo`, both halves unsigned. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

/**
 * A shard key's value, exact. An integer is 64-bit two's complement in two halves: int2, int4 and int8 of equal value are equal here
 * and hash the same, as in Postgres. Text is its UTF-8 bytes, uuid its 16 bytes.
 */
export type KeyValue =
  | { readonly kind: 'integer'; readonly hi: number; readonly lo: number }
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'uuid'; readonly bytes: Uint8Array };

/** HASH_PARTITION_SEED, 0x7A5B22367996DCFD: what every column of a hash partition key is hashed with. */
export const partitionSeed: Hash64 = { hi: 0x7a5b2236, lo: 0x7996dcfd };

/** What `hash_combine64(0, hash)` adds: the low bits of a row hash are `(hash + 2275) & 4095`. */
const combine: Hash64 = { hi: 0x49a0f4dd, lo: 0x15e5a8e3 };

/** The three running words a, b, c. Shared because the hash is synchronous; Uint32Array wraps as C's uint32 does. */
const words = new Uint32Array(3);

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

const mix = (): void => {
  let a = words[0]!;
  let b = words[1]!;
  let c = words[2]!;
  a = (a - c) ^ rotate(c, 4);
  c = (c + b) | 0;
  b = (b - a) ^ rotate(a, 6);
  a = (a + c) | 0;
  c = (c - b) ^ rotate(b, 8);
  b = (b + a) | 0;
  a = (a - c) ^ rotate(c, 16);
  c = (c + b) | 0;
  b = (b - a) ^ rotate(a, 19);
  a = (a + c) | 0;
  c = (c - b) ^ rotate(b, 4);
  b = (b + a) | 0;
  words[0] = a;
  words[1] = b;
  words[2] = c;
};

const begin = (length: number, seed: Hash64): void => {
  words.fill(0x9e3779b9 + length + 3923095);
  if (seed.hi === 0 && seed.lo === 0) return;
  words[0]! += seed.hi;
  words[1]! += seed.lo;
  mix();
};

const finish = (): Hash64 => {
  let a = words[0]!;
  let b = words[1]!;
  let c = words[2]!;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return { hi: b >>> 0, lo: c >>> 0 };
};

/** Up to four bytes as a little-endian word; bytes past `end` count as 0. */
const word = (bytes: Uint8Array, at: number, end: number): number => {
  let value = 0;
  for (let i = 0; i < 4 && at + i < end; i++) value |= bytes[at + i]! << (8 * i);
  return value;
};

/** `hash_bytes_extended`: the hash of text (any deterministic collation: those hash the bytes) and of uuid. */
export const hashBytes = (bytes: Uint8Array, seed: Hash64 = partitionSeed): Hash64 => {
  const end = bytes.length;
  let at = 0;
  begin(end, seed);
  for (; end - at >= 12; at += 12) {
    words[0]! += word(bytes, at, end);
    words[1]! += word(bytes, at + 4, end);
    words[2]! += word(bytes, at + 8, end);
    mix();
  }
  words[0]! += word(bytes, at, end);
  words[1]! += word(bytes, at + 4, end);
  // The lowest byte of c belongs to the length.
  words[2]! += word(bytes, at + 8, end) << 8;
  return finish();
};

/** `hashint8extended`, and with it `hashint4extended` and `hashint2extended`: the halves are folded so that equal values agree. */
export const hashInteger = (hi: number, lo: number, seed: Hash64 = partitionSeed): Hash64 => {
  begin(4, seed);
  words[0]! += (lo ^ ((hi | 0) >= 0 ? hi : ~hi)) >>> 0;
  return finish();
};

/** The extended hash of one key with the partition seed, as the functions in the header give it (there signed). */
export const keyHash = (value: KeyValue): Hash64 => (value.kind === 'integer' ? hashInteger(value.hi, value.lo) : hashBytes(value.bytes));

/** The row hash of a one-column hash partition key: `hash_combine64(0, keyHash(value))`, as `satisfies_hash_partition` compares it. */
export const partitionHash = (value: KeyValue): Hash64 => {
  const { hi, lo } = keyHash(value);
  const sum = lo + combine.lo;
  return { hi: (hi + combine.hi + (sum > 0xffffffff ? 1 : 0)) >>> 0, lo: sum >>> 0 };
};

/** The remainder of `FOR VALUES WITH (MODULUS modulus, REMAINDER …)` that a row hash belongs to; modulus 1 to 65,536, exact. */
export const remainder = (hash: Hash64, modulus: number): number => ((hash.hi % modulus) * (0x100000000 % modulus) + hash.lo) % modulus;
