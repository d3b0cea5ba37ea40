/** What buildTopology accepts, finds wrong, and makes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildTopology, type DatabaseSpec, findDatabase, type ShardedDatabase, type Topology } from '../../routing/topology.ts';

const built = (databases: readonly DatabaseSpec[], epoch = 1): Topology => {
  const result = buildTopology({ databases }, epoch);
  assert.ok('topology' in result, JSON.stringify(result));
  return result.topology;
};
const wrong = (databases: readonly DatabaseSpec[]): readonly string[] => {
  const result = buildTopology({ databases }, 1);
  return 'problems' in result ? result.problems.map(({ database, message }) => `${database}: ${message}`) : [];
};
const shards: readonly DatabaseSpec[] = [{ name: 'shop_0', reads: 'replicas' }, { name: 'shop_1' }];
const everywhere = { kind: 'everywhere' } as const;

describe('a topology', () => {
  it('has plain and sharded databases, an epoch, and is frozen', () => {
    const topology = built(
      [
        ...shards,
        {
          name: 'shop',
          shards: ['shop_0', 'shop_1'],
          tables: [
            { name: 'orders', placement: { kind: 'key', column: 'customer_id', type: 'integer', shardBy: 'consistent' } },
            { name: 'legacy', placement: { kind: 'key', column: 'id', type: 'uuid', shardBy: 'hash' } },
            { name: 'orders', schema: 'old', placement: { kind: 'on', shard: 'shop_1' } },
            { name: 'countries', placement: everywhere },
          ],
        },
      ],
      7,
    );
    const shop = topology.databases.get('shop') as ShardedDatabase;
    assert.equal(topology.epoch, 7);
    assert.equal(topology.fallback, false);
    assert.deepEqual(topology.databases.get('shop_0'), { kind: 'plain', name: 'shop_0', reads: 'replicas' });
    assert.deepEqual(topology.databases.get('shop_1'), { kind: 'plain', name: 'shop_1' });
    assert.deepEqual(shop.shardReads, ['replicas', undefined]);
    assert.equal(shop.buckets.length, 4096);
    assert.deepEqual([...shop.tables.keys()], ['orders', 'legacy', 'countries']);
    assert.equal(shop.tables.get('orders')?.length, 2);
    assert.ok(Object.isFrozen(topology) && Object.isFrozen(shop) && Object.isFrozen(shop.shards) && Object.isFrozen(shop.buckets));
  });

  it('finds databases by name, and others by the fallback', () => {
    const topology = built([...shards, { name: '*', reads: 'any' }]);
    assert.equal(topology.databases.has('*'), false);
    assert.deepEqual(findDatabase(topology, 'shop_0'), { kind: 'plain', name: 'shop_0', reads: 'replicas' });
    assert.deepEqual(findDatabase(topology, 'other'), { kind: 'plain', name: 'other', reads: 'any' });
    assert.equal(findDatabase(built(shards), 'other'), undefined);
  });

  it('finds every problem of the shards at once', () => {
    assert.deepEqual(
      wrong([
        ...shards,
        { name: 'shop_1' },
        { name: 'a', shards: [] },
        { name: 'b', shards: ['shop_0', 'shop_0', 'nowhere', 'b', '*'] },
        { name: 'c', shards: ['a'] },
        { name: 'd', reads: 'any', shards: ['shop_0'] },
        { name: '*', shards: ['shop_0'] },
      ]),
      [
        'shop_1: the database is listed twice',
        'a: shards= must name at least one database',
        'b: shard "shop_0" is named twice in shards=',
        'b: shard "nowhere" is not a database of this configuration',
        'b: a sharded database cannot be its own shard',
        'b: shard "*" is not a database of this configuration',
        'c: shard "a" is itself sharded; a shard must be a database with hosts',
        'd: reads= belongs on the lines of the shards, not on a sharded database',
        '*: the fallback database "*" cannot be sharded',
      ],
    );
  });

  it('has 4,096 shards at most', () => {
    const many = Array.from({ length: 4097 }, (_, i) => ({ name: `s${i}` }));
    assert.deepEqual(wrong([...many, { name: 'shop', shards: many.map(({ name }) => name) }]), [
      'shop: shards= names 4097 databases; at most 4096 are possible',
    ]);
  });

  it('finds every problem of the tables at once', () => {
    assert.deepEqual(
      wrong([
        ...shards,
        {
          name: 'shop',
          shards: ['shop_0', 'shop_1'],
          tables: [
            { name: 'a', placement: everywhere },
            { name: 'a', placement: everywhere },
            { name: 'a', schema: 's', placement: everywhere },
            { name: 'b', placement: { kind: 'on', shard: 'shop_2' } },
            { name: 'c', placement: { kind: 'key', column: '', type: 'text', shardBy: 'hash' } },
            { name: 'd', schema: 'pg_catalog', placement: everywhere },
          ],
        },
        { name: 'plain', tables: [{ name: 'a', placement: everywhere }] },
      ]),
      [
        'shop: table "a" is declared twice',
        'shop: table "b" is on "shop_2", which is not a shard of "shop"',
        'shop: table "c" needs the name of its key column',
        'shop: table "pg_catalog.d" is in a schema of the system and cannot be declared',
        'plain: table "a" is declared, but database "plain" is not sharded',
      ],
    );
  });

  it('takes names that JavaScript has a use for', () => {
    const topology = built([
      { name: '__proto__' },
      { name: 'constructor', shards: ['__proto__'], tables: [{ name: 'toString', placement: everywhere }] },
    ]);
    assert.deepEqual((topology.databases.get('constructor') as ShardedDatabase).shards, ['__proto__']);
  });
});
