/**
 * The configuration that holds now. RELOAD and SET replace one reference; everyone else asks here at the start of an exchange and keeps
 * nothing. Databases that the `*` line stands for are registered here when a client first asks for them.
 */
import { type Database, defaultStateActions, findDatabase, type StateActions, stateKindNames } from '../routing/index.ts';
import type { Config, DatabaseEntry, UserEntry } from './config/config.ts';
import { databaseFor } from './config/load.ts';

/** What is done with session state. */
export interface StateRules {
  readonly actions: StateActions;
  /** Some kind is refused: each statement is looked at before it is sent. */
  readonly rejects: boolean;
  readonly audit: 'off' | 'opaque' | 'always';
}

/** What holds for the sessions of one user on one database. Milliseconds; 0: no limit. */
export interface SessionSettings {
  readonly mode: 'session' | 'transaction' | 'statement';
  readonly clientIdleMs: number;
  readonly idleTransactionMs: number;
  readonly transactionMs: number;
  readonly queryMs: number;
  readonly queryWaitMs: number;
  readonly queryWaitNotifyMs: number;
  readonly maxPreparedStatements: number;
  readonly resetQuery: string;
  readonly resetAlways: boolean;
  readonly statementLimit: number;
  /** Queries that may travel with those of other clients do. */
  readonly pipeline: boolean;
  readonly autoPrepare: boolean;
  /** BEGIN travels with the first statement of its transaction. */
  readonly defersBegin: boolean;
  readonly state: StateRules;
  /** Share of releases, from 0 to 1, that the leak sentinel looks at. */
  readonly leakShare: number;
}

/** Users of one database whose settings are kept. */
const SETTINGS_LIMIT = 10_000;

export class Live {
  #config: Config;
  readonly #auto = new Map<string, DatabaseEntry>();
  /** By database and user. */
  readonly #settings = new Map<string, Map<string, SessionSettings>>();
  readonly #databases = new Map<string, Database>();
  /** Databases that the console has disabled. */
  readonly disabled = new Set<string>();

  constructor(config: Config) {
    this.#config = config;
  }

  get config(): Config {
    return this.#config;
  }

  /** Puts a new configuration in force; returns the names of the databases whose entry is gone or different. */
  replace(config: Config): string[] {
    const before = new Map([...this.#config.databases, ...this.#auto]);
    this.#config = config;
    this.#settings.clear();
    this.#databases.clear();
    this.#auto.clear();
    const changed: string[] = [];
    for (const [name, entry] of before) {
      const now = entry.auto ? this.register(name) : this.#config.databases.get(name);
      if (now === undefined || !sameServers(entry, now)) changed.push(name);
    }
    return changed;
  }

  entry(name: string): DatabaseEntry | undefined {
    return this.#config.databases.get(name) ?? this.#auto.get(name);
  }

  /** The entry, made from the `*` line when there is none of this name. */
  register(name: string, registered?: (name: string) => void): DatabaseEntry | undefined {
    const known = this.entry(name);
    if (known !== undefined) return known;
    const made = databaseFor(this.#config, name);
    if (made?.auto !== true) return made;
    this.#auto.set(name, made);
    registered?.(name);
    return made;
  }

  /** Every database that is known: those of the file, and the registered ones. */
  entries(): DatabaseEntry[] {
    return [...this.#config.databases.values(), ...this.#auto.values()];
  }

  /** The database as routing sees it. */
  database(name: string): Database | undefined {
    const known = this.#databases.get(name);
    if (known !== undefined) return known;
    const database = this.entry(name) === undefined ? undefined : findDatabase(this.#config.topology, name);
    if (database !== undefined) this.#databases.set(name, database);
    return database;
  }

  /** The entry whose servers and catalog speak for a database: itself, or the first shard. */
  speaker(name: string): string {
    return this.entry(name)?.shards?.[0] ?? name;
  }

  /** Is it a shard of a sharded database? */
  isShard(name: string): boolean {
    for (const entry of this.#config.databases.values()) if (entry.shards?.includes(name)) return true;
    return false;
  }

  sessionSettings(databaseName: string, userName: string): SessionSettings {
    let ofDatabase = this.#settings.get(databaseName);
    if (ofDatabase === undefined || ofDatabase.size > SETTINGS_LIMIT) {
      ofDatabase = new Map();
      this.#settings.set(databaseName, ofDatabase);
    }
    let found = ofDatabase.get(userName);
    if (found === undefined) {
      found = this.#makeSettings(databaseName, userName);
      ofDatabase.set(userName, found);
    }
    return found;
  }

  #makeSettings(databaseName: string, userName: string): SessionSettings {
    const { settings, users } = this.#config;
    const user = users.get(userName);
    const entry = this.entry(databaseName);
    const mode = user?.pool_mode ?? entry?.pool_mode ?? settings.pool_mode;
    const state = stateRules(settings, entry, user);
    const keepsStatements = mode !== 'session' && settings.max_prepared_statements > 0;
    return {
      mode,
      clientIdleMs: user?.client_idle_timeout ?? settings.client_idle_timeout,
      idleTransactionMs: user?.idle_transaction_timeout ?? settings.idle_transaction_timeout,
      transactionMs: user?.transaction_timeout ?? settings.transaction_timeout,
      queryMs: user?.query_timeout ?? settings.query_timeout,
      queryWaitMs: user?.query_wait_timeout ?? entry?.query_wait_timeout ?? settings.query_wait_timeout,
      queryWaitNotifyMs: settings.query_wait_notify,
      maxPreparedStatements: settings.max_prepared_statements,
      resetQuery: settings.server_reset_query,
      resetAlways: settings.server_reset_query_always,
      statementLimit: settings.statement_size_limit,
      pipeline:
        mode !== 'session' && mayShare(state) && !settings.server_reset_query_always && (entry?.pipeline ?? settings.pipeline) === 'reads',
      defersBegin: mode === 'transaction' && (entry?.defer_begin ?? settings.defer_begin) === 'on',
      autoPrepare: keepsStatements && (entry?.auto_prepare ?? settings.auto_prepare) === 'on',
      state,
      leakShare: (user?.leak_sentinel ?? entry?.leak_sentinel ?? settings.leak_sentinel) / 100,
    };
  }
}

/** What is asked after every transaction, or pinned by what it has prepared, does not travel with others. */
function mayShare({ audit, actions }: StateRules): boolean {
  return audit !== 'always' && actions.prepared !== 'pin';
}

function stateRules(settings: Config['settings'], entry: DatabaseEntry | undefined, user: UserEntry | undefined): StateRules {
  const chosen = { ...defaultStateActions };
  for (const kind of stateKindNames) {
    const key = `session_state.${kind}` as const;
    chosen[kind] = user?.[key] ?? entry?.[key] ?? settings[key];
  }
  const audit = user?.state_audit ?? entry?.state_audit ?? settings.state_audit;
  if (audit === 'off' && chosen.opaque === 'track') chosen.opaque = 'ignore';
  return { actions: chosen, rejects: Object.values(chosen).includes('reject'), audit };
}

/** Do two versions of an entry lead to the same servers, logged in the same way? Sizes and timeouts may differ: they are asked each time. */
function sameServers(a: DatabaseEntry, b: DatabaseEntry): boolean {
  const key = (entry: DatabaseEntry) =>
    JSON.stringify([
      entry.dbname,
      entry.hosts,
      entry.user,
      entry.password,
      entry.connect_query,
      entry.client_encoding,
      entry.datestyle,
      entry.timezone,
      entry.application_name,
      entry.reads,
      entry.shards,
    ]);
  return key(a) === key(b);
}
