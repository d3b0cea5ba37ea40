/** Where buckets lie. These placements hold for ever: a change here means that every user's rows are looked for on the wrong shard. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bucketCount, bucketOf, fillBuckets, fingerprint, ringIsIntact } from '../../routing/buckets.ts';
import { keyHash, partitionHash } from '../../routing/hash.ts';
import { parseInteger } from '../../routing/keys.ts';

const named = (prefix: string, count: number): readonly string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const counts = (buckets: readonly number[], shards: number): readonly number[] =>
  Array.from({ length: shards }, (_, shard) => buckets.filter((at) => at === shard).length);
const print = (shards: readonly string[]): string => {
  const { hi, lo } = fingerprint(fillBuckets(shards));
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
};

describe('the bucket map', () => {
  it('is the same on every start, machine and day', () => {
    assert.deepEqual(
      {
        one: print(['only']),
        two: print(named('shop_', 2)),
        three: print(named('shop_', 3)),
        four: print(named('shop_', 4)),
        sixteen: print(named('tenant-', 16)),
        unicode: print(['größe', '日本', '😀']),
        proto: print(['__proto__', 'constructor']),
      },
      {
        one: 'c3a6509130cb3912',
        two: '92e607333dd9a569',
        three: '89057ad1b4afaf42',
        four: 'be2490f7c043a87d',
        sixteen: 'c1892cb2a175a91e',
        unicode: '42c8a258fdf55258',
        proto: '1551e2165fe89c7f',
      },
    );
    assert.equal(fillBuckets(named('shop_', 4)).slice(0, 64).join(''), '1133022030000000213330110213311130002211122002332233310012222210');
    assert.equal(ringIsIntact(), true);
  });

  it('does not depend on the order in which shards are listed', () => {
    const shards = named('shop_', 5);
    const turned = [...shards].reverse();
    const there = fillBuckets(shards).map((shard) => shards[shard]);
    assert.deepEqual(
      fillBuckets(turned).map((shard) => turned[shard]),
      there,
    );
  });

  it('moves a fifth of the buckets to a fifth shard, and no other bucket', () => {
    const before = fillBuckets(named('shop_', 4));
    const after = fillBuckets(named('shop_', 5));
    const moved = before.flatMap((shard, bucket) => (after[bucket] === shard ? [] : [after[bucket]]));
    assert.deepEqual([...new Set(moved)], [4]);
    assert.ok(Math.abs(moved.length / bucketCount - 0.2) < 0.02, `${moved.length} moved`);
  });

  it('moves buckets only to the new shard when two points meet', () => {
    for (let size = 1; size < 24; size++) {
      const before = fillBuckets(named('n', size));
      const after = fillBuckets(named('n', size + 1));
      assert.ok(
        before.every((shard, bucket) => after[bucket] === shard || after[bucket] === size),
        `${size} shards and one more`,
      );
    }
  });

  it('gives each shard its share within a tenth', () => {
    for (const prefix of ['shop_', 's', 'shard-', 'db', 'tenant_eu_'])
      for (const size of [2, 3, 4, 5, 8])
        for (const count of counts(fillBuckets(named(prefix, size)), size))
          assert.ok(Math.abs(count / (bucketCount / size) - 1) < 0.1, `${prefix} ${size}: ${count}`);
  });

  it('takes the bucket that Postgres would call the remainder of modulus 4096', () => {
    const key = parseInteger('42')!;
    // SELECT (hashint8extended(42, 8816678312871386365) + 2275) & 4095
    assert.equal(bucketOf(partitionHash(key)), (keyHash(key).lo + 2275) & 4095);
  });
});
