/**
 * A small shop: countries, customers, their orders, an audit trail, and invoices in another database. The tables are made on each shard
 * by its own name; customers and orders then go in by the one name `shop`, and Shardyard finds the shard of each. The same on each run.
 */
import pg from 'pg';
import type { Stage } from './stage.ts';

export const CUSTOMERS = 200;

const COUNTRIES = { DE: 'Germany', FI: 'Finland', GR: 'Greece', IE: 'Ireland', NL: 'Netherlands', PT: 'Portugal', SE: 'Sweden' };
const FIRST_NAMES = ['Ada', 'Bruno', 'Carla', 'David', 'Eleni', 'Finn', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kaisa', 'Liam', 'Marta', 'Nils'];
const LAST_NAMES = ['Almeida', 'Bakker', 'Costa', 'de Vries', 'Ek', 'Fischer', 'Georgiou', 'Heikkinen', 'Jansen', 'Kelly', 'Lindberg'];
const PRODUCTS = ['bicycle bell', 'rain jacket', 'tent', 'head torch', 'map of the coast', 'water bottle', 'wool socks', 'camping stove'];

const at = <T>(list: readonly T[], index: number): T => list[index % list.length]!;

/** Name and country code of a customer, made from the number. */
export function customer(id: number): { readonly name: string; readonly country: string } {
  return { name: `${at(FIRST_NAMES, id * 3)} ${at(LAST_NAMES, id * 7)}`, country: at(Object.keys(COUNTRIES), id * 5) };
}

interface Order {
  readonly product: string;
  readonly total: string;
}

/** What a customer has ordered before the demo begins: one to four things. */
export function ordersOf(id: number): readonly Order[] {
  return Array.from({ length: 1 + (id % 4) }, (_, n) => ({
    product: at(PRODUCTS, id + 3 * n),
    total: (5 + ((id * 37 + n * 101) % 20_000) / 100).toFixed(2),
  }));
}

const SHARD_TABLES = `
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, country text NOT NULL REFERENCES countries);
CREATE TABLE orders (
  customer_id bigint NOT NULL REFERENCES customers,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  product text NOT NULL,
  total numeric(10, 2) NOT NULL,
  PRIMARY KEY (customer_id, id)
);
INSERT INTO countries VALUES ${Object.entries(COUNTRIES)
  .map(([code, name]) => `('${code}', '${name}')`)
  .join(', ')};`;
const AUDIT_TABLE = 'CREATE TABLE audit (at timestamptz NOT NULL DEFAULT now(), event text NOT NULL);';
const BILLING_TABLES = `
CREATE TABLE invoices (id bigint PRIMARY KEY, customer_id bigint NOT NULL, amount numeric(10, 2) NOT NULL, paid boolean NOT NULL);
INSERT INTO invoices SELECT n, 1 + n % ${CUSTOMERS}, 5 + n * 37 % 200, n % 3 > 0 FROM generate_series(1, 300) AS n;`;

/** A client of Shardyard that gives up when an answer does not come. */
export async function connect(stage: Stage, database: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: stage.url(database),
    application_name: 'demo',
    connectionTimeoutMillis: 30_000,
    query_timeout: 30_000,
  });
  // What a lost connection means is told by the statement that fails of it.
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function withClient<T>(stage: Stage, database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(stage, database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Makes the tables and fills them; resolves with the number of rows when the replicas have them too. */
export async function loadData(stage: Stage): Promise<number> {
  await withClient(stage, 'shop_0', (client) => client.query(SHARD_TABLES + AUDIT_TABLE));
  await withClient(stage, 'shop_1', (client) => client.query(SHARD_TABLES));
  await withClient(stage, 'billing', (client) => client.query(BILLING_TABLES));
  const rows = await withClient(stage, 'shop', async (client) => {
    let inserted = 0;
    for (let id = 1; id <= CUSTOMERS; id++) inserted += await insertCustomer(client, id);
    return inserted;
  });
  await stage.replicasFollow();
  return rows + 300;
}

async function insertCustomer(client: pg.Client, id: number): Promise<number> {
  const { name, country } = customer(id);
  await client.query('INSERT INTO customers (id, name, country) VALUES ($1, $2, $3)', [id, name, country]);
  const orders = ordersOf(id);
  const places = orders.map((_, n) => `($1, $${2 * n + 2}, $${2 * n + 3})`).join(', ');
  const values = orders.flatMap(({ product, total }) => [product, total]);
  await client.query(`INSERT INTO orders (customer_id, product, total) VALUES ${places}`, [id, ...values]);
  return 1 + orders.length;
}
