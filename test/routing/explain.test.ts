/** Plans in words. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explain } from '../../routing/explain.ts';
import type { Facts } from '../../routing/facts.ts';
import { route } from '../../routing/route.ts';
import { catalog, database, facts, integer, pin, reads, statement, values, view } from './build.ts';

const told = (name: string, given: Facts): readonly string[] =>
  explain(route(given, values(), database(name), view({ catalog: catalog({}) })), database(name));

describe('an explanation', () => {
  it('names the shard, the host and the reason', () => {
    assert.deepEqual(told('shop', facts(statement('select', { relations: [reads('orders', pin('customer_id', integer(2)))] }))), [
      'run on shard shop_0 (1 of 2) of database shop, a replica (the primary when none is healthy)',
      'why: key (the shard key proves the shard)',
      'detail: shard key "customer_id" of table "orders" is on shard "shop_0"; proven to only read',
    ]);
  });

  it('says why a statement may not go to a replica', () => {
    assert.deepEqual(told('replicas', facts(statement('select', { functions: [{ name: 'mystery' }] }))), [
      'run on database replicas, the primary',
      'why: write (not proven read-only)',
      'detail: to the primary: function mystery is not known',
    ]);
  });

  it('shows a refusal with what to do', () => {
    assert.deepEqual(told('shop', facts(statement('select', { relations: [reads('orders')] }))), [
      'refuse with 0A000: cannot prove which shard has the rows of table "orders"',
      'why: not_proven (not proven to need one shard only)',
      'detail: No condition of the statement fixes its shard key "customer_id".',
      'hint: Compare "customer_id" with = or IN to an integer or a parameter, wherever the statement uses the table.',
    ]);
    assert.deepEqual(told('shop', facts(statement('ddl'))), [
      'refuse with 0A000: schema changes are not supported on sharded database "shop"',
      'why: not_proven (not proven to need one shard only)',
      'hint: Run it on each shard, connected by its own name (shop_0, shop_1).',
    ]);
  });

  it('says what is held back', () => {
    assert.deepEqual(told('shop', facts(statement('begin'))), [
      'answer without a server: BEGIN',
      'why: held_back (the shard of the transaction is not known yet)',
      'detail: the transaction waits for the statement that shows its shard',
    ]);
  });
});
