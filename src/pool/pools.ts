/**
 * All pools, and how a plan's target finds one: database entry → host of the wanted role → the pool of (host, database, user). Pools are
 * made when first asked for. For an entry with `reads` the host is chosen by role and health (`hosts.ts`); who asks before the roles are
 * known, or while there is no primary, waits. Without `reads` a host list has PgBouncer's meaning: each new connection takes the next.
 */

import type { Catalog, Role } from '../../routing/index.ts';
import type { Secret } from '../auth/secrets.ts';
import type { Config, DatabaseEntry, HostPort } from '../config/config.ts';
import { type ConnectFailure, connectServer, forGood } from '../server/connect.ts';
import { InternalExchange } from '../server/exchange.ts';
import type { LoginRequest } from '../server/login.ts';
import type { Server, ServerOwner } from '../server/server.ts';
import type { Clock } from '../timers.ts';
import * as errors from '../wire/errors.ts';
import { HostOrder } from './host-order.ts';
import { type Host, Hosts } from './hosts.ts';
import { Budget } from './limits.ts';
import { type Login, Logins } from './logins.ts';
import type { PoolPolicy, Waiter } from './parts.ts';
import { keptOpen, poolPolicy } from './policy.ts';
import { Pool } from './pool.ts';

/** Who a server connection logs in as. */
/** A pool with what it is for, for the console. */
export interface PoolEntry {
  readonly pool: Pool;
  readonly database: string;
  readonly user: string;
  readonly host: Host | undefined;
  /** Who asked for it first: whose secret its connections use. */
  readonly login: Login;
}

export interface PoolsParts {
  readonly clock: Clock;
  config(): Config;
  /** The entry as the configuration has it now, auto-databases included. */
  entry(name: string): DatabaseEntry | undefined;
  /** Databases whose catalog the router needs. */
  wantsCatalog(name: string): boolean;
  /** What the file of secrets has for a user now. */
  secret(user: string): Secret | undefined;
  nextId(): number;
  log(text: string): void;
  connectFailed(where: string, failure: ConnectFailure): void;
  serverLog(server: Server, text: string): void;
  /** Sessions that are logged in to this database as this user: their pool keeps its minimum. */
  inUse(database: string, user: string): boolean;
}

const DATABASE_REMOVED: ConnectFailure = { error: errors.databaseRemoved, reason: 'database removed' };

/** The line in which a waiter stands. */
export interface Line {
  leave(): void;
}

/** Someone who waits until a host with the wanted role is known. */
interface RoleWaiter {
  readonly role: Role;
  readonly login: Login;
  readonly waiter: Waiter;
  /** The line of a pool, once there is one. */
  line: Line | undefined;
}

export class Pools {
  readonly #parts: PoolsParts;
  readonly #pools = new Map<string, PoolEntry>();
  readonly #hosts = new Map<string, Hosts>();
  readonly #roleWaiters = new Map<string, Set<RoleWaiter>>();
  readonly #databaseBudgets = new Map<string, Budget>();
  readonly #userBudgets = new Map<string, Budget>();
  readonly #logins: Logins;
  readonly #paused = new Set<string>();
  #allPaused: false | 'paused' | 'suspended' = false;
  /** What is told to all who want a server from now on. */
  #refusal: ConnectFailure | undefined;

  constructor(parts: PoolsParts) {
    this.#parts = parts;
    this.#logins = new Logins((user) => parts.secret(user));
  }

  entries(): Iterable<PoolEntry> {
    return this.#pools.values();
  }

  hostsOf(database: string): Hosts | undefined {
    return this.#hosts.get(database);
  }

  /** What a host was found to be; undefined where nobody asks it. */
  roleOf(database: string, at: HostPort): Role | undefined {
    return this.#hosts.get(database)?.hosts.find(({ at: { host, port } }) => host === at.host && port === at.port)?.role;
  }

  databaseConnections(database: string): number {
    return this.#databaseBudgets.get(database)?.used ?? 0;
  }

  userConnections(user: string): number {
    return this.#userBudgets.get(user)?.used ?? 0;
  }

  definitionsChanged(database: string): void {
    this.#hosts.get(database)?.definitionsChanged();
    for (const { pool } of this.#pools.values()) pool.definitionsChanged();
  }

  catalog(database: string): Catalog | undefined {
    return this.#hosts.get(database)?.catalog;
  }

  loggedIn(login: Login): void {
    this.#logins.loggedIn(login);
  }

  /** Begins to watch the hosts of a database, where roles or its catalog matter; resolves when they are known for the first time. */
  async watch(database: string, login: Login): Promise<void> {
    const entry = this.#parts.entry(database);
    if (entry === undefined || entry.hosts.length === 0) return;
    if (entry.reads === undefined && !this.#parts.wantsCatalog(database)) return;
    await this.#hostsFor(entry).begin(this.#logins.of(entry, login));
  }

  #hostsFor(entry: DatabaseEntry): Hosts {
    let hosts = this.#hosts.get(entry.name);
    if (hosts === undefined) {
      hosts = new Hosts(entry.hosts, {
        periodMs: () => this.#parts.config().settings.health_check_period,
        timeoutMs: () => this.#parts.config().settings.health_check_timeout,
        wantsCatalog: entry.reads !== undefined || this.#parts.wantsCatalog(entry.name),
        log: (text) => this.#parts.log(`${entry.name}: ${text}`),
        changed: () => this.#rolesChanged(entry.name),
      });
      this.#hosts.set(entry.name, hosts);
    }
    return hosts;
  }

  /** A server of the target at once, or the line in which the waiter now stands. */
  acquire(database: string, role: Role, login: Login, waiter: Waiter): Server | Line {
    const entry = this.#parts.entry(database);
    const refusal = this.#refusal ?? (entry === undefined ? DATABASE_REMOVED : undefined);
    if (entry === undefined || refusal !== undefined) {
      setImmediate(() => waiter.refused(refusal!));
      return { leave: () => {} };
    }
    if (entry.reads === undefined) return this.#from(this.#pool(entry, undefined, login), waiter);
    const hosts = this.#hostsFor(entry);
    if (!hosts.begun) hosts.begin(this.#logins.of(entry, login)).catch(() => {});
    const host = hosts.pick(role);
    if (host !== undefined) return this.#from(this.#pool(entry, host, login), waiter);
    return this.#awaitRole(entry.name, { role, login, waiter, line: undefined });
  }

  #from({ pool }: PoolEntry, waiter: Waiter): Server | Line {
    const server = pool.acquire(waiter);
    if (server !== undefined) return server;
    waiter.line = pool;
    return waiter;
  }

  #awaitRole(database: string, roleWaiter: RoleWaiter): Line {
    const waiters = this.#roleWaiters.get(database) ?? new Set();
    this.#roleWaiters.set(database, waiters.add(roleWaiter));
    return {
      leave: () => {
        waiters.delete(roleWaiter);
        roleWaiter.line?.leave();
      },
    };
  }

  #rolesChanged(database: string): void {
    const hosts = this.#hosts.get(database);
    const waiters = this.#roleWaiters.get(database);
    const entry = this.#parts.entry(database);
    if (hosts === undefined || waiters === undefined || entry === undefined) return;
    for (const roleWaiter of [...waiters]) {
      const host = hosts.pick(roleWaiter.role);
      if (host === undefined && !hosts.allDown) continue;
      waiters.delete(roleWaiter);
      // With every host down, trying one tells the client why.
      const got = this.#from(this.#pool(entry, host ?? hosts.hosts[0], roleWaiter.login), roleWaiter.waiter);
      if ('leave' in got) roleWaiter.line = got;
      else roleWaiter.waiter.granted(got);
    }
  }

  // -- making pools -----------------------------------------------------------------------------------------------------------------

  /** The pool that was found last for a user of an entry, for each host: the way through a key is too long for each exchange. */
  #found = new WeakMap<DatabaseEntry, Map<string, PoolEntry>>();

  #pool(entry: DatabaseEntry, host: Host | undefined, login: Login): PoolEntry {
    const user = entry.user ?? login.user;
    const last = this.#found.get(entry)?.get(user);
    if (last !== undefined && last.host === host) return last;
    const found = this.#poolByKey(entry, host, login);
    const byUser = this.#found.get(entry) ?? new Map<string, PoolEntry>();
    this.#found.set(entry, byUser.set(user, found));
    return found;
  }

  #poolByKey(entry: DatabaseEntry, host: Host | undefined, login: Login): PoolEntry {
    const user = entry.user ?? login.user;
    const key = JSON.stringify([entry.name, host === undefined ? '' : `${host.at.host}:${host.at.port}`, user]);
    const found = this.#pools.get(key);
    if (found !== undefined) return found;
    let known: { readonly config: Config; readonly policy: PoolPolicy } | undefined;
    const pool = new Pool({
      clock: this.#parts.clock,
      policy: () => {
        const config = this.#parts.config();
        if (known?.config !== config) known = { config, policy: poolPolicy(this.#parts.entry(entry.name) ?? entry, user, config) };
        return known.policy;
      },
      connect: (owner) => this.#connect(entry.name, host, this.#logins.of(entry, login), owner),
      check: (done) => new InternalExchange((_, outcome) => done(outcome.ok)),
      budgets: [this.#databaseBudget(entry.name), this.#userBudget(user)],
      log: (server, text) =>
        server === undefined ? this.#parts.log(`${entry.name}/${user}: ${text}`) : this.#parts.serverLog(server, text),
    });
    if (this.isPaused(entry.name)) pool.pause(this.#allPaused === 'suspended');
    const made: PoolEntry = { pool, database: entry.name, user, host, login };
    this.#pools.set(key, made);
    return made;
  }

  #databaseBudget(name: string): Budget {
    const found = this.#databaseBudgets.get(name);
    if (found !== undefined) return found;
    const budget = new Budget(() => this.#parts.entry(name)?.max_db_connections || this.#parts.config().settings.max_db_connections);
    this.#databaseBudgets.set(name, budget);
    return budget;
  }

  #userBudget(name: string): Budget {
    const found = this.#userBudgets.get(name);
    if (found !== undefined) return found;
    const budget = new Budget(
      () => this.#parts.config().users.get(name)?.max_user_connections || this.#parts.config().settings.max_user_connections,
    );
    this.#userBudgets.set(name, budget);
    return budget;
  }

  async #connect(database: string, host: Host | undefined, login: LoginRequest, owner: ServerOwner): Promise<Server> {
    const entry = this.#parts.entry(database);
    if (entry === undefined) throw DATABASE_REMOVED;
    const list = host === undefined ? this.#order.of(entry) : [host.at];
    let failure: ConnectFailure = { error: errors.connectFailed, reason: 'no host' };
    for (const to of list) {
      try {
        return await this.#connectTo(entry, to, login, owner);
      } catch (error) {
        failure = error as ConnectFailure;
        this.#parts.connectFailed(`${database}/${login.user}@${to.host}:${to.port}`, failure);
        this.#order.failed(entry, to);
        // The server answered, and would answer the same again elsewhere only by chance: PgBouncer asks no other host then.
        if (failure.frame !== undefined) break;
      }
    }
    if (host !== undefined) this.#hosts.get(database)?.askNow();
    throw host === undefined ? failure : forGood(failure);
  }

  async #connectTo(entry: DatabaseEntry, to: HostPort, login: LoginRequest, owner: ServerOwner): Promise<Server> {
    const { settings } = this.#parts.config();
    const server = await connectServer(
      {
        id: this.#parts.nextId(),
        to,
        login,
        connectQuery: entry.connect_query,
        timeoutMs: settings.server_connect_timeout,
        keepAliveIdleMs: settings.tcp_keepalive ? 0 : undefined,
        nowMs: () => this.#parts.clock.nowMs(),
      },
      owner,
    );
    this.#parts.serverLog(
      server,
      `new connection to server (from ${server.channel.localAddress ?? 'unix'}:${server.channel.localPort ?? to.port})`,
    );
    return server;
  }

  // -- all of them ------------------------------------------------------------------------------------------------------------------

  tick(nowMs: number): void {
    for (const [database, waiters] of this.#roleWaiters) {
      for (const roleWaiter of [...waiters]) {
        if (roleWaiter.waiter.deadlineMs > nowMs) continue;
        waiters.delete(roleWaiter);
        roleWaiter.waiter.refused('timeout');
      }
      if (waiters.size === 0) this.#roleWaiters.delete(database);
    }
    const config = this.#parts.config();
    if (this.#forcedOf !== config)
      for (const entry of keptOpen(config)) this.#pool(entry, undefined, { user: entry.user!, secret: undefined });
    this.#forcedOf = config;
    for (const { pool, database, user } of this.#pools.values()) pool.tick(nowMs, this.#parts.inUse(database, user));
  }
  readonly #order = new HostOrder();
  #forcedOf: Config | undefined;

  #of(database: string | undefined): PoolEntry[] {
    return [...this.#pools.values()].filter((entry) => database === undefined || entry.database === database);
  }

  pause(database: string | undefined): void {
    if (database === undefined) this.#allPaused = 'paused';
    else this.#paused.add(database);
    for (const { pool } of this.#of(database)) pool.pause();
  }

  resume(database: string | undefined): void {
    if (database === undefined) {
      this.#allPaused = false;
      this.#paused.clear();
    } else this.#paused.delete(database);
    for (const { pool } of this.#of(database)) pool.resume();
  }

  isPaused(database: string): boolean {
    return this.#allPaused !== false || this.#paused.has(database);
  }

  get allPaused(): false | 'paused' | 'suspended' {
    return this.#allPaused;
  }

  /** As a pause of all, but connections stay open. */
  suspend(): void {
    this.#allPaused = 'suspended';
    for (const { pool } of this.#of(undefined)) pool.pause(true);
  }

  /** Nobody gets a server any more: who waits for one is told so, and who comes. */
  refuse(failure: ConnectFailure): void {
    this.#refusal = failure;
    for (const { pool } of this.#of(undefined)) pool.refuseAll(failure);
  }

  /** Connections of a database (or of all) that are still open. */
  openConnections(database: string | undefined): number {
    return this.#of(database).reduce((sum, { pool }) => sum + pool.size, 0);
  }

  /** Connections that were told to close and have not yet. */
  closing(database: string | undefined): number {
    return this.#of(database).reduce((sum, { pool }) => sum + [...pool.servers()].filter(({ server }) => server.closeNeeded).length, 0);
  }

  /** Every connection of a database is replaced as it is released. */
  retire(database: string | undefined, reason: string): void {
    for (const { pool } of this.#of(database)) pool.retireAll(reason);
  }

  /** Connections to a database of the servers are closed where nobody is logged in who could use them. */
  leave(dbname: string): void {
    for (const { pool, database, user } of this.#pools.values()) {
      if (this.#parts.entry(database)?.dbname !== dbname || this.#parts.inUse(database, user)) continue;
      pool.retireAll('a statement wants the database for itself');
    }
  }

  /** The entry is gone or means something else: its pools end, new ones are made on demand. Who waits goes on waiting there. */
  drop(database: string): void {
    const waiting: [Login, Waiter][] = [];
    this.#found = new WeakMap();
    for (const [key, { database: name, pool, login }] of this.#pools) {
      if (name !== database) continue;
      this.#pools.delete(key);
      this.#leaving.add(pool);
      for (const waiter of pool.close('database configuration changed')) waiting.push([login, waiter]);
    }
    this.#hosts.get(database)?.stop();
    this.#hosts.delete(database);
    // A read can wait for the primary as well.
    for (const [login, waiter] of waiting) {
      const got = this.acquire(database, 'primary', login, waiter);
      if (!('leave' in got)) waiter.granted(got);
    }
  }
  readonly #leaving = new Set<Pool>();

  /** Ends every connection, whatever runs on it. */
  closeAll(database: string | undefined, reason: string): void {
    for (const { pool } of this.#of(database)) pool.closeAll(reason);
    if (database !== undefined) return;
    for (const pool of this.#leaving) pool.closeAll(reason);
    for (const hosts of this.#hosts.values()) hosts.stop();
  }
}
