/**
 * What the demo shows, as data: scenes of statements through the one endpoint, each with where it must go and why. The places are facts:
 * a key's shard is the same on every machine for ever, so a demo that ends up elsewhere has found a fault and says so.
 */
import { customer, ordersOf } from './data.ts';

/** Where a statement must have gone, and the word for it. */
export interface Sent {
  readonly to: 'shop_0' | 'shop_1' | 'billing';
  readonly role: 'primary' | 'replica';
  readonly why: string;
}

/** The error that must come instead. */
export interface Refused {
  readonly refused: string;
  readonly why: string;
}

/** Answered by Shardyard, sent later or never. */
export interface HeldBack {
  readonly heldBack: true;
}

export type Expected = Sent | Refused | HeldBack;

export interface Step {
  readonly sql: string;
  readonly values?: readonly unknown[];
  readonly expect: Expected;
  /** Said before the statement. */
  readonly note?: string;
  /** The first row that must come back, when it is known. */
  readonly row?: readonly unknown[];
  /** By the second client of the scene. */
  readonly other?: true;
}

export interface Scene {
  readonly title: string;
  readonly text: string;
  /** The database that the scene's client connects to. */
  readonly database: string;
  readonly steps: readonly Step[];
  /** Sessions that must be pinned at the end of the scene, by reason. */
  readonly pinned?: readonly string[];
}

const replica = (to: Sent['to'], why: string): Sent => ({ to, role: 'replica', why });
const primary = (to: Sent['to'], why: string): Sent => ({ to, role: 'primary', why });
const refused = (why: string): Refused => ({ refused: '0A000', why });

const ORDERS_OF =
  'SELECT c.name, k.name AS country, count(*)::int AS orders FROM customers c JOIN orders o ON o.customer_id = c.id' +
  ' JOIN countries k ON k.code = c.country WHERE c.id = $1 GROUP BY 1, 2';

export const SCENES: readonly Scene[] = [
  {
    title: 'By database name',
    text: 'One endpoint, several databases. "billing" is a plain one on a server of its own, and each shard can be asked for by its own name.',
    database: 'billing',
    steps: [
      { sql: 'SELECT count(*)::int AS unpaid FROM invoices WHERE NOT paid', expect: primary('billing', 'unsharded'), row: [100] },
      { sql: 'UPDATE invoices SET paid = true WHERE id = $1', values: [3], expect: primary('billing', 'unsharded') },
    ],
  },
  {
    title: 'One shard by its own name',
    text: 'What belongs to no single key, such as a count over a whole shard, is asked of a shard itself.',
    database: 'shop_1',
    steps: [
      { sql: 'SELECT count(*) > 0 AS has_orders FROM orders', expect: replica('shop_1', 'read'), row: [true] },
      { sql: 'ANALYZE orders', expect: primary('shop_1', 'write') },
    ],
  },
  {
    title: 'By shard key',
    text: 'The database "shop" is made of shop_0 and shop_1. The customer in the statement, or bound to it, shows the shard.',
    database: 'shop',
    steps: [
      { sql: 'SELECT name FROM customers WHERE id = $1', values: [7], expect: replica('shop_0', 'key'), row: [customer(7).name] },
      { sql: 'SELECT name FROM customers WHERE id = $1', values: [10], expect: replica('shop_1', 'key'), row: [customer(10).name] },
      { sql: "SELECT name FROM customers WHERE id = '7'", expect: replica('shop_0', 'key'), row: [customer(7).name] },
      {
        note: 'A join of tables with the same key, and one that is the same everywhere.',
        sql: ORDERS_OF,
        values: [10],
        expect: replica('shop_1', 'key'),
      },
      {
        note: 'Several keys, as long as one shard has them all.',
        sql: 'SELECT count(*)::int AS orders FROM orders WHERE customer_id IN (7, 8)',
        expect: replica('shop_0', 'key'),
        row: [ordersOf(7).length + ordersOf(8).length],
      },
      { sql: 'SELECT name FROM countries WHERE code = $1', values: ['PT'], expect: replica('shop_0', 'everywhere'), row: ['Portugal'] },
      { sql: "INSERT INTO audit (event) VALUES ('the demo was here')", expect: primary('shop_0', 'on') },
    ],
  },
  {
    title: 'Reads to replicas, everything else to the primary',
    text: 'A replica gets what is proven to only read. What writes, locks or cannot be proven goes to the primary.',
    database: 'shop',
    steps: [
      {
        sql: 'SELECT sum(total) > 0 AS spent FROM orders WHERE customer_id = $1',
        values: [10],
        expect: replica('shop_1', 'key'),
        row: [true],
      },
      {
        sql: "INSERT INTO orders (customer_id, product, total) VALUES ($1, 'tent', 149.00)",
        values: [10],
        expect: primary('shop_1', 'key'),
      },
      { sql: 'UPDATE orders SET total = total * 0.9 WHERE customer_id = $1', values: [10], expect: primary('shop_1', 'key') },
      { sql: 'SELECT name FROM customers WHERE id = 10 FOR UPDATE', expect: primary('shop_1', 'key'), row: [customer(10).name] },
      { sql: "DELETE FROM orders WHERE customer_id = 10 AND product = 'tent'", expect: primary('shop_1', 'key') },
    ],
  },
  {
    title: 'A transaction waits for its shard',
    text: 'BEGIN is answered at once and sent with the first statement that shows the shard. From there on everything goes where it began.',
    database: 'shop',
    steps: [
      { sql: 'BEGIN', expect: { heldBack: true } },
      {
        sql: "INSERT INTO orders (customer_id, product, total) VALUES ($1, 'wool socks', 12.50)",
        values: [7],
        expect: primary('shop_0', 'key'),
      },
      {
        note: 'A read, but of this transaction: it must see the row above.',
        sql: "SELECT count(*) > 0 AS seen FROM orders WHERE customer_id = 7 AND product = 'wool socks' AND total = 12.50",
        expect: primary('shop_0', 'transaction'),
        row: [true],
      },
      { sql: 'COMMIT', expect: primary('shop_0', 'transaction') },
      { note: 'And one that would need both shards.', sql: 'BEGIN', expect: { heldBack: true } },
      { sql: 'UPDATE orders SET total = total + 1 WHERE customer_id = 7', expect: primary('shop_0', 'key') },
      { sql: 'UPDATE orders SET total = total - 1 WHERE customer_id = 10', expect: refused('wrong_shard') },
      { sql: 'ROLLBACK', expect: primary('shop_0', 'transaction') },
    ],
  },
  {
    title: 'Refused, never guessed',
    text: 'What would need more than one shard is not supported yet. It is refused with an error that says what to do; these errors are expected.',
    database: 'shop',
    steps: [
      { sql: 'SELECT count(*) FROM orders', expect: refused('not_proven') },
      { sql: 'SELECT name FROM customers WHERE id IN (7, 10)', expect: refused('cross_shard') },
      { sql: 'UPDATE orders SET customer_id = 10 WHERE customer_id = 7', expect: refused('key_change') },
      { sql: "INSERT INTO countries VALUES ('IT', 'Italy')", expect: refused('not_proven') },
      { sql: 'SELECT * FROM coupons', expect: refused('not_proven') },
    ],
  },
  {
    title: 'Session state stays with its session',
    text: 'A setting follows its session to whichever server connection it gets. What cannot follow keeps the connection, and SHOW PINS says why.',
    database: 'shop_1',
    steps: [
      { sql: "SET work_mem = '32MB'", expect: primary('shop_1', 'write') },
      {
        note: 'A read, on a replica, and the setting is there.',
        sql: "SELECT name, current_setting('work_mem') AS work_mem FROM customers WHERE id = 10",
        expect: replica('shop_1', 'read'),
        row: [customer(10).name, '32MB'],
      },
      { note: 'Another client does not see it.', other: true, sql: 'SHOW work_mem', expect: primary('shop_1', 'write'), row: ['4MB'] },
      {
        note: 'A temporary table lives on one server connection.',
        other: true,
        sql: 'CREATE TEMP TABLE basket AS SELECT product, total FROM orders WHERE customer_id = 10',
        expect: primary('shop_1', 'write'),
      },
      { other: true, sql: 'SELECT count(*) > 0 AS filled FROM basket', expect: primary('shop_1', 'pinned'), row: [true] },
      { note: 'So does a lock of the session.', sql: 'SELECT pg_advisory_lock(10)', expect: primary('shop_1', 'write') },
      {
        note: 'A read, but its session is pinned to the primary now.',
        sql: 'SELECT name FROM customers WHERE id = 10',
        expect: primary('shop_1', 'pinned'),
        row: [customer(10).name],
      },
    ],
    pinned: ['advisory', 'temp'],
  },
];
