/**
 * Many clients over few server connections: all are connected at once and work at the same time, and the servers themselves are asked how
 * many connections that took them. Each client checks that the answers it gets are its own.
 */
import type pg from 'pg';
import { query } from '../support/postgres.ts';
import { show } from './console.ts';
import { CUSTOMERS, connect, customer } from './data.ts';
import type { Screen } from './screen.ts';
import { type Host, hostPort, POOL_SIZE, type Stage, USER } from './stage.ts';

const CLIENTS = 200;
const ROUNDS = 5;
/** Clients that connect at the same time: more only wait for each other's password checks. */
const CONNECTING = 25;

export interface Crowd {
  readonly clients: number;
  readonly servers: number;
  readonly wrong: readonly string[];
}

export async function playCrowd(stage: Stage, console: pg.Client, screen: Screen, checkpoint: () => void): Promise<Crowd> {
  screen.title('Many clients, few server connections');
  screen.say(
    `${CLIENTS} clients stay connected to "shop" and work at the same time. A pool (one for each host) may open ${POOL_SIZE} connections.`,
  );
  screen.say();
  const clients: pg.Client[] = [];
  try {
    for (let n = 0; n < CLIENTS; n += CONNECTING) {
      checkpoint();
      const some = await Promise.allSettled(Array.from({ length: Math.min(CONNECTING, CLIENTS - n) }, () => connect(stage, 'shop')));
      for (const each of some) if (each.status === 'fulfilled') clients.push(each.value);
      for (const each of some) if (each.status === 'rejected') throw each.reason;
    }
    checkpoint();
    const startMs = performance.now();
    const wrong = (await Promise.all(clients.map((client, n) => work(client, 1 + (n % CUSTOMERS))))).flat();
    const tookMs = performance.now() - startMs;
    const statements = CLIENTS * ROUNDS * STATEMENTS_OF_A_ROUND;
    screen.say(`  ${statements} statements in ${(tookMs / 1000).toFixed(2)} s, ${Math.round(statements / (tookMs / 1000))} a second`);
    return { ...(await count(stage, console, screen)), wrong: [...wrong.slice(0, 5), ...(await tooMany(stage, console))] };
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

const STATEMENTS_OF_A_ROUND = 5;

/** One client's work: reads of its customer, and a small transaction. Resolves with what was wrong. */
async function work(client: pg.Client, id: number): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { rows } = await client.query<{ name: string }>('SELECT name FROM customers WHERE id = $1', [id]);
    if (rows[0]?.name !== customer(id).name) wrong.push(`customer ${id} is ${JSON.stringify(rows)}, not ${customer(id).name}`);
    await client.query('BEGIN');
    await client.query('UPDATE orders SET total = total + 0.01 WHERE customer_id = $1', [id]);
    const mine = await client.query<{ customer_id: string }>('SELECT customer_id FROM orders WHERE customer_id = $1', [id]);
    if (mine.rows.length === 0 || mine.rows.some((row) => row.customer_id !== String(id)))
      wrong.push(`customer ${id} got orders of others`);
    await client.query('COMMIT');
  }
  return wrong;
}

const shardHosts = ({ hosts }: Stage): readonly Host[] => hosts.filter(({ database }) => database !== 'billing');

/** Shows what the pools and the servers say while all clients are still connected. */
async function count(stage: Stage, console: pg.Client, screen: Screen): Promise<{ clients: number; servers: number }> {
  const clients = (await show(console, 'CLIENTS')).filter(({ database }) => database === 'shop').length;
  const servers = (await show(console, 'SERVERS')).filter(({ database }) => database?.startsWith('shop')).length;
  const rows: (readonly (string | number)[])[] = [];
  for (const host of shardHosts(stage))
    rows.push([host.database, host.role, hostPort(host), await pooled(console, host), await backends(host)]);
  screen.say(`  ${screen.strong(`${clients} clients are connected, over ${servers} server connections:`)}`);
  screen.table([['shard', 'role', 'host', 'SHOW POOLS', 'pg_stat_activity'], ...rows]);
  screen.say('  pg_stat_activity counts the connection for health checks as well.');
  return { clients, servers };
}

/** Server connections to a host, as Shardyard counts them. */
async function pooled(console: pg.Client, host: Host): Promise<number> {
  const pools = (await show(console, 'POOLS')).filter((pool) => pool.database === host.database && pool.host === hostPort(host));
  const states = ['sv_active', 'sv_idle', 'sv_used', 'sv_tested', 'sv_login', 'sv_active_cancel', 'sv_being_canceled'];
  return pools.reduce((sum, pool) => sum + states.reduce((all, state) => all + Number(pool[state]), 0), 0);
}

/** Connections of the application's user, as the server itself counts them. */
async function backends({ server }: Host): Promise<number> {
  const [row] = await query<{ n: number }>(server, `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = '${USER}'`);
  return row?.n ?? 0;
}

async function tooMany(stage: Stage, console: pg.Client): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const host of shardHosts(stage)) {
    const [ours, theirs] = [await pooled(console, host), await backends(host)];
    if (ours < 1 || ours > POOL_SIZE) wrong.push(`${hostPort(host)}: ${ours} server connections in a pool of ${POOL_SIZE}`);
    if (theirs > POOL_SIZE + 1) wrong.push(`${hostPort(host)}: the server has ${theirs} connections, the pool may open ${POOL_SIZE}`);
  }
  return wrong;
}
