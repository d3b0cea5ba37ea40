/**
 * The stage of a campaign: one Postgres server, two databases from one template, and Shardyard with a pool of two in front of the second.
 * It puts the data back between rounds, knows when a session has let go of everything, and looks at what sessions left behind.
 */
import pg from 'pg';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { type RawTarget, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { CLIENTS, USERS } from './generate.ts';
import type { Side } from './play.ts';
import { databaseSettings, ROLES, SCHEMA } from './stage-schema.ts';
import { lines } from './transcript.ts';

export const POOL_SIZE = 2;

/** After this time a session that ended should hold nothing any more. */
const SETTLE_LIMIT_MS = 8_000;
const POLL_MS = 2;

export interface StageSide extends Side {
  /** Data as at the beginning, no prepared transactions. */
  reset(): Promise<void>;
  /** What sessions left behind, seen from the server and by new sessions; empty when all is well. */
  leftBehind(): Promise<readonly string[]>;
  /** Makes all server connections new. */
  refresh(): Promise<void>;
}

export interface Stage {
  readonly direct: StageSide;
  readonly through: StageSide;
  /** The same server and database as `direct`, to test the harness itself. */
  readonly again: StageSide;
  readonly shardyard: Shardyard;
  readonly postgres: Postgres;
  stop(): Promise<void>;
}

/** Of a slot: advisory locks, tables of its schema that a transaction has locked. Its prepared transactions have no process. */
const HELD = `
SELECT count(*)::int AS held FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation AND l.locktype = 'relation'
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid IS NOT NULL AND (
  l.locktype = 'advisory' AND (l.objsubid = 1 AND l.objid::bigint / 100 = $1 OR l.objsubid = 2 AND l.classid::bigint = $1)
  OR c.relnamespace = to_regnamespace('c' || $1)::oid)`;

const RUNNING = `SELECT count(*)::int AS found FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query = $1
  AND wait_event = 'PgSleep'`;

/** Others' connections that are not idle, and what idle ones hold. */
const UNCLEAN = `
SELECT 'connection ' || coalesce(state, '?') || ', last: ' || query AS what FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
UNION ALL SELECT 'advisory lock ' || classid || ' ' || objid || ' of an idle connection' FROM pg_locks
WHERE locktype = 'advisory' AND pid IS NOT NULL AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots`;

/** What a new session says of itself; the same as on a connection of its own. */
const NEW_SESSION = [
  "SELECT name, setting FROM pg_settings WHERE setting <> boot_val AND context IN ('user', 'superuser') AND name NOT LIKE 'transaction_%' ORDER BY 1",
  "SELECT current_user, session_user, current_setting('role'), current_schemas(false), current_setting('app.a'), nullif(current_setting('app.b', true), '')",
  "SELECT current_setting('timezone'), current_setting('work_mem'), current_setting('search_path'), current_setting('transaction_read_only')",
  'SELECT name, statement FROM pg_cursors',
  'SELECT name, statement FROM pg_prepared_statements WHERE from_sql',
  'SELECT pg_listening_channels()',
  'SELECT relname, relkind FROM pg_class WHERE relnamespace = pg_my_temp_schema()',
  "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
  'SELECT lastval()',
];

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, POLL_MS));

/** What new sessions see, line by line: those of the first user, then those of the second. */
type Sessions = readonly (readonly string[])[];

interface SideParts {
  readonly target: RawTarget;
  /** A connection of the harness itself, straight to the database. */
  readonly admin: pg.Client;
  readonly database: string;
  /** How many sessions of each user have servers of their own. */
  readonly sessions: number;
  /** What a new session of each user must see; undefined: whatever it sees. */
  readonly expected?: Sessions;
  readonly refresh?: () => Promise<void>;
}

class DatabaseSide implements StageSide {
  readonly target: RawTarget;
  readonly database: string;
  readonly #admin: pg.Client;
  readonly #sessions: number;
  readonly #expected: Sessions | undefined;
  #asked: Promise<unknown> = Promise.resolve();
  readonly refresh: () => Promise<void>;
  readonly renews: boolean;

  constructor({ target, admin, database, sessions, expected, refresh }: SideParts) {
    // Only through Shardyard there are servers to be made new.
    this.renews = refresh === undefined;
    this.target = target;
    this.#admin = admin;
    this.database = database;
    this.#sessions = sessions;
    this.#expected = expected;
    this.refresh = refresh ?? (() => Promise.resolve());
  }

  /** One after another: several players ask at the same time. */
  #ask(sql: string, values: readonly unknown[] = []): Promise<pg.QueryResult<Record<string, unknown>>> {
    const answer = this.#asked.then(() => this.#admin.query(sql, [...values]));
    this.#asked = answer.catch(() => {});
    return answer;
  }

  async #until(what: string, sql: string, values: readonly unknown[], done: (row: Record<string, unknown>) => boolean): Promise<void> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const { rows: found } = await this.#ask(sql, values);
      if (done(found[0] ?? {})) return;
      if (performance.now() > deadline) throw new Error(`${what} within ${SETTLE_LIMIT_MS} ms`);
      await pause();
    }
  }

  settled(slot: number): Promise<void> {
    return this.#until('locks of the ended session are not released', HELD, [slot], ({ held }) => held === 0);
  }

  running(sql: string, over: () => boolean): Promise<void> {
    return this.#until('the statement does not run', RUNNING, [sql], ({ found }) => found !== 0 || over());
  }

  async reset(): Promise<void> {
    const { rows: prepared } = await this.#ask('SELECT gid FROM pg_prepared_xacts WHERE database = current_database()');
    for (const { gid } of prepared) await this.#ask(`ROLLBACK PREPARED '${gid}'`);
    for (let slot = 1; slot <= CLIENTS; slot++) await this.#ask(`CALL harness.reset(${slot})`);
  }

  async leftBehind(): Promise<readonly string[]> {
    const fromServer = await this.#unclean();
    if (fromServer.length > 0) return fromServer;
    const expected = this.#expected;
    if (expected === undefined) return [];
    const seen = await this.newSessions();
    return seen.flatMap((session, i) => {
      const wanted = expected[Math.floor(i / this.#sessions)] ?? [];
      return session.flatMap((line, at) => (line === wanted[at] ? [] : [`a new session sees ${line}\n   instead of ${wanted[at]}`]));
    });
  }

  /** Waits for connections to become idle; what is not idle in the end. */
  async #unclean(): Promise<readonly string[]> {
    const deadline = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const { rows: found } = await this.#ask(UNCLEAN);
      if (found.length === 0 || performance.now() > deadline) return found.map(({ what }) => String(what));
      await pause();
    }
  }

  /** As many new sessions of each user as the pool has servers, each on another server: what they see. */
  async newSessions(): Promise<Sessions> {
    const all: (readonly string[])[] = [];
    for (const user of USERS) {
      const clients = await Promise.all(
        Array.from({ length: this.#sessions }, () => rawLogIn(this.target, { user, database: this.database, password: user })),
      );
      // All have a server before any of them gives it back.
      await Promise.all(clients.map((client) => client.query('BEGIN')));
      for (const client of clients) {
        const answers: string[] = [...lines(client.greeting, client.pid)];
        for (const sql of NEW_SESSION) {
          const answer = await client.query(sql);
          answers.push(JSON.stringify([sql, rows(answer), lines(answer, client.pid).filter((line) => line.startsWith('E'))]));
        }
        all.push(answers);
      }
      await Promise.all(clients.map((client) => client.query('ROLLBACK')));
      await Promise.all(clients.map((client) => client.close()));
    }
    return all;
  }
}

async function connect(postgres: Postgres, database: string): Promise<pg.Client> {
  const { socketDir: host, port, user, password } = postgres;
  const client = new pg.Client({ host, port, user, password, database });
  // A server that ends fails the next question, which says so.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function makeDatabases(postgres: Postgres): Promise<void> {
  const first = await connect(postgres, 'postgres');
  await first.query(ROLES);
  await first.query('CREATE DATABASE common');
  const common = await connect(postgres, 'common');
  await common.query(SCHEMA);
  await common.end();
  for (const name of ['direct', 'through']) {
    await first.query(`CREATE DATABASE ${name} TEMPLATE common`);
    await first.query(databaseSettings(name));
  }
  await first.end();
}

/** Starts everything. `settings`: lines for the [shardyard] section. */
export async function setStage(settings: readonly string[] = []): Promise<Stage> {
  const postgres = await startPostgres({ settings: { max_prepared_transactions: '20', max_connections: '60' } });
  await makeDatabases(postgres);
  const shardyard = await startShardyard(
    [
      `[databases]\nthrough = host=127.0.0.1 port=${postgres.port}`,
      `[shardyard]\npool_mode = transaction\ndefault_pool_size = ${POOL_SIZE}`,
      ...settings,
    ].join('\n'),
    { users: Object.fromEntries(USERS.map((user) => [user, user])) },
  );
  const [directAdmin, throughAdmin, console] = [
    await connect(postgres, 'direct'),
    await connect(postgres, 'through'),
    new pg.Client({ host: '127.0.0.1', port: shardyard.port, user: 'postgres', database: 'shardyard' }),
  ];
  console.on('error', () => {});
  await console.connect();
  const direct = new DatabaseSide({ target: postgres, admin: directAdmin, database: 'direct', sessions: 1 });
  const expected = await direct.newSessions();
  const refresh = async (): Promise<void> => {
    await console.query('RECONNECT through');
    await console.query('WAIT_CLOSE through');
  };
  return {
    direct,
    again: new DatabaseSide({ target: postgres, admin: directAdmin, database: 'direct', sessions: 1, expected }),
    through: new DatabaseSide({ target: shardyard, admin: throughAdmin, database: 'through', sessions: POOL_SIZE, expected, refresh }),
    shardyard,
    postgres,
    stop: async () => {
      for (const client of [directAdmin, throughAdmin, console]) await client.end().catch(() => {});
      try {
        await shardyard.stop();
      } finally {
        await postgres.stop();
      }
    },
  };
}
