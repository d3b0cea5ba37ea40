import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DatabaseEntry } from '../../src/config/config.ts';
import { HostOrder } from '../../src/pool/host-order.ts';

const [a, b, c] = ['a', 'b', 'c'].map((host) => ({ host, port: 5432 })) as [HostAt, HostAt, HostAt];
type HostAt = DatabaseEntry['hosts'][number];
const entry = (balance?: 'disable'): DatabaseEntry =>
  ({ name: 'db', hosts: [a, b, c], ...(balance === undefined ? {} : { load_balance_hosts: balance }) }) as unknown as DatabaseEntry;

describe('the order of hosts', () => {
  it('gives each connection the next one', () => {
    const order = new HostOrder();
    assert.deepEqual(
      [order.of(entry()), order.of(entry()), order.of(entry())],
      [
        [a, b, c],
        [b, c, a],
        [c, a, b],
      ],
    );
  });

  it('stays with one host as long as it can be reached, where load is not to be balanced', () => {
    const order = new HostOrder();
    const fixed = entry('disable');
    assert.deepEqual(
      [order.of(fixed), order.of(fixed)],
      [
        [a, b, c],
        [a, b, c],
      ],
    );
    order.failed(fixed, a);
    assert.deepEqual(
      [order.of(fixed), order.of(fixed)],
      [
        [b, c, a],
        [b, c, a],
      ],
    );
    order.failed(fixed, c);
    assert.deepEqual(order.of(fixed), [a, b, c]);
  });
});
