/**
 * Puts the process together: the only file that knows every part. It starts them, gives each what it needs, carries out what
 * signals ask for, and stops them. It decides nothing about statements.
 */
import { loadParsers } from '../routing/index.ts';
import { createActions } from './actions.ts';
import type { AdminView, ShutdownMode } from './admin/view.ts';
import { AuditFindings } from './audit-findings.ts';
import { readSecrets, type Secrets } from './auth/secrets.ts';
import { Notifiers } from './client/notifiers.ts';
import type { ExchangeDone, Finding, Place, SessionPolicy } from './client/place.ts';
import { Texts } from './client/statements.ts';
import { Clients } from './clients.ts';
import type { Config } from './config/config.ts';
import { ConfigError, problemText } from './config/error.ts';
import { loadConfig, notImplementedText } from './config/load.ts';
import { HeldLooks } from './held.ts';
import { createInspection } from './inspect.ts';
import { LastRoutes } from './last-routes.ts';
import { Learnt } from './learnt.ts';
import { type Listener, listen } from './listener.ts';
import { Live } from './live.ts';
import { connectionPrefix, createLog, type RootLog } from './log.ts';
import { Counting } from './metrics/counters.ts';
import { createMetricsHttp, type MetricsHttp } from './metrics/http.ts';
import { createMetrics } from './metrics/metrics.ts';
import { PinLog } from './pin-log.ts';
import { Pools } from './pool/pools.ts';
import type { ConnectFailure } from './server/connect.ts';
import type { Server } from './server/server.ts';
import { onSignals } from './signals.ts';
import { Statistics } from './statistics.ts';
import { enforceTimeouts } from './timeouts.ts';
import { everyTick, systemClock } from './timers.ts';
import { versionText } from './version.ts';
import * as errors from './wire/errors.ts';

export interface WorkerOptions {
  readonly configFile: string;
  readonly quiet: boolean;
  readonly verbose: number;
  readonly parserReady: true;
}

export interface RunningWorker {
  stop(): Promise<void>;
}

class Worker {
  readonly #file: string;
  readonly #log: RootLog;
  readonly #live: Live;
  readonly #texts: Texts;
  readonly #pools: Pools;
  readonly #clients: Clients;
  readonly #statistics: Statistics;
  readonly #heldLooks = new HeldLooks(systemClock.nowMs());
  readonly #counting = new Counting();
  readonly #learnt = new Learnt(() => systemClock.nowMs());
  readonly #lastRoutes = new LastRoutes((database, { identity }) => this.#pools.roleOf(database, identity));
  readonly #auditFindings = new AuditFindings();
  readonly #pinLog: PinLog;
  readonly #view: AdminView;
  #secrets: Secrets['users'];
  #listener: Listener | undefined;
  #http: MetricsHttp | undefined;
  #ticks: { stop(): void } | undefined;
  #ids = 0;
  #shutdown: ShutdownMode | undefined;
  #ended: (() => void) | undefined;
  /** Resolves when the worker has stopped. */
  readonly done: Promise<void>;

  constructor(config: Config, options: WorkerOptions) {
    this.#file = options.configFile;
    this.#log = createLog({
      logfile: config.settings.logfile,
      quiet: options.quiet,
      verbose: Math.max(options.verbose, config.settings.verbose ?? 0),
    });
    this.#live = new Live(config);
    this.#statistics = new Statistics(systemClock.nowMs());
    this.#texts = new Texts(
      () => this.#live.config.settings.facts_cache_size,
      () => this.#live.config.settings.sql_parser,
      () => systemClock.nowMs(),
    );
    this.#texts.reader.onFailure = ({ message }) => this.#log.error(`a thread that read a long statement has ended: ${message}`);
    this.done = new Promise((resolve) => {
      this.#ended = resolve;
    });
    const nextId = () => ++this.#ids;
    this.#pools = new Pools({
      clock: systemClock,
      config: () => this.#live.config,
      entry: (name) => this.#live.entry(name),
      wantsCatalog: (name) => this.#live.isShard(name),
      secret: (user) => this.#secrets?.get(user),
      nextId,
      log: (text) => this.#log.log(text),
      connectFailed: (where, failure) => this.#connectFailed(where, failure),
      serverLog: (server, text) => this.#log.log(`${serverPrefix(server)}${text}`),
      inUse: (database, user) => this.#clients.inPool(database, user) || this.#live.entry(database)?.user === user,
    });
    this.#clients = new Clients({
      live: this.#live,
      place: this.#place(),
      pools: this.#pools,
      log: this.#log,
      nextId,
      secrets: () => this.#secrets,
      adminView: () => this.#view,
      shuttingDown: () => this.#shutdown !== undefined,
    });
    this.#pinLog = new PinLog({ log: this.#log, session: (id) => this.#clients.sessions.get(id), nowMs: () => systemClock.nowMs() });
    this.#view = this.#makeView();
  }

  #place(): Place {
    return {
      clock: systemClock,
      texts: this.#texts,
      database: (name) => this.#live.database(name),
      policy: (database, user): SessionPolicy => this.#live.sessionSettings(database, user),
      catalog: (database) => this.#pools.catalog(this.#live.speaker(database)),
      definitionsChanged: (database) => {
        this.#texts.definitionsChanged();
        this.#pools.definitionsChanged(this.#live.speaker(database));
      },
      defaultsChanged: () => {
        this.#pools.retire(undefined, 'defaults of roles or databases changed');
        this.#clients.welcomes.forget();
      },
      leaveDatabase: (dbname) => this.#pools.leave(dbname),
      signal: (signal, by, isSuperuser) => this.#clients.signal(signal, by, isSuperuser),
      processOf: (pid, beside) => this.#clients.processOf(pid, beside.identity),
      learnt: this.#learnt,
      notifiers: new Notifiers(),
      serverUser: (database, user) => this.#live.entry(database)?.user ?? user,
      acquire: (target, credentials, waiter) => this.#pools.acquire(target.database, target.role, credentials, waiter),
      tally: (database) => this.#statistics.tally(database),
      exchangeDone: (done) => this.#exchangeDone(done),
      waited: (database, ms) => this.#counting.timings(database).wait.observe(ms),
      pinned: (reason) => this.#counting.pinned(reason),
      unpinned: ({ id }, pin) => {
        this.#counting.unpinned(pin.reason, systemClock.nowMs() - pin.sinceMs);
        this.#pinLog.ended(id, pin);
      },
      audited: (session, finding) => this.#auditFindings.add('audit', session, finding),
      hasConnectQuery: ({ owner }) => {
        for (const { pool, database } of this.#pools.entries())
          if (pool === owner) return this.#live.entry(database)?.connect_query !== undefined;
        return false;
      },
      leaksLookedFor: (session, server, findings) => this.#leaksLookedFor(session, server, findings),
    };
  }

  #leaksLookedFor(session: { readonly database: string; readonly user: string }, server: Server, findings: readonly Finding[]): void {
    this.#counting.leakChecks += 1;
    if (findings.length === 0) return;
    this.#counting.leaks += 1;
    for (const finding of findings) this.#auditFindings.add('sentinel', session, finding);
    const found = findings.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(', ');
    const who = `database=${session.database} user=${session.user} after=${JSON.stringify(findings[0]!.after)}`;
    this.#log.warning(`${serverPrefix(server)}leak sentinel: session state was left behind: ${found} (${who})`);
  }

  #exchangeDone(done: ExchangeDone): void {
    const { session, plan, ms, outcome } = done;
    const { database } = session.identity;
    if (outcome !== 'refused') this.#counting.timings(database).query.observe(ms);
    if (plan === undefined) return;
    const target = plan.kind === 'one' ? plan.target : undefined;
    const shard = target === undefined || target.database === database ? '' : target.database;
    this.#counting.exchange(database, shard, target?.role ?? 'none', plan.why)[outcome] += 1;
    this.#lastRoutes.add(done);
  }

  async start(): Promise<void> {
    const { settings } = this.#live.config;
    const unimplemented = notImplementedText(this.#live.config);
    if (unimplemented !== undefined) this.#log.warning(unimplemented);
    await this.#readSecrets();
    this.#listener = await listen(
      {
        addresses: settings.listen_addr,
        port: settings.listen_port,
        socketDir: settings.unix_socket_dir,
        socketMode: settings.unix_socket_mode,
        backlog: settings.listen_backlog,
      },
      (socket, unix) => this.#clients.accept(socket, unix),
    );
    for (const where of this.#listener.where) this.#log.log(where);
    await this.#startMetrics();
    this.#ticks = everyTick(systemClock, (nowMs) => this.#tick(nowMs));
    this.#keepAlive = setInterval(() => {}, 0x7fffffff);
    this.#log.log(`process up: ${versionText}, node ${process.version}`);
  }
  #keepAlive: NodeJS.Timeout | undefined;

  async #startMetrics(): Promise<void> {
    const { metrics_port, metrics_listen_addr } = this.#live.config.settings;
    if (metrics_port === 0) return;
    const metrics = createMetrics({
      ...this.#view,
      counting: this.#counting,
      parserCache: () => ({ hits: this.#texts.hits, misses: this.#texts.misses, entries: this.#texts.size }),
    });
    this.#http = createMetricsHttp({
      metrics,
      health: { ...this.#view, listening: () => this.#listener?.listening === true },
      log: this.#log,
    });
    const port = await this.#http.listen(metrics_port, metrics_listen_addr);
    this.#log.log(`metrics on http://${metrics_listen_addr}:${port}/metrics`);
  }

  async #readSecrets(): Promise<void> {
    const { auth_file } = this.#live.config.settings;
    if (auth_file === undefined || auth_file === '') {
      this.#secrets = undefined;
      return;
    }
    const { users, problems } = await readSecrets(auth_file);
    for (const { file, line, message } of problems) this.#log.error(`${file}:${line}: ${message}`);
    if (users !== undefined) this.#secrets = users;
  }

  #tick(nowMs: number): void {
    this.#pools.tick(nowMs);
    enforceTimeouts(this.#clients.sessions.values(), nowMs);
    this.#heldLooks.tick(this.#clients.sessions.values(), nowMs, (database) => this.#counting.held(database));
    const { stats_period, log_stats, log_pins, log_pins_after } = this.#live.config.settings;
    if (log_pins) this.#pinLog.tick(this.#clients.sessions.values(), log_pins_after);
    const line = this.#statistics.tick(nowMs, stats_period);
    if (line !== undefined && log_stats) this.#log.log(line);
    if (this.#shutdown !== undefined) this.#mayEnd();
  }

  #makeView(): AdminView {
    const parts = {
      live: this.#live,
      clients: this.#clients,
      pools: this.#pools,
      texts: this.#texts,
      statistics: this.#statistics,
      lastRoutes: this.#lastRoutes,
      auditFindings: this.#auditFindings,
      startedAt: new Date(),
      shuttingDown: () => this.#shutdown !== undefined,
      port: () => this.#listener?.port ?? this.#live.config.settings.listen_port,
      nowMs: () => systemClock.nowMs(),
      reload: () => this.reload(),
      apply: (config: Config) => this.#apply(config),
      shutdown: (mode: ShutdownMode) => this.shutdown(mode),
    };
    return { ...createInspection(parts), ...createActions(parts) };
  }

  /** Reads the file anew: all of it holds from the next exchange on, or nothing has changed. Rejects with ConfigError. */
  async reload(): Promise<void> {
    const file = this.#live.config.settings.conffile ?? this.#file;
    let config: Config;
    try {
      config = loadConfig(file, { previous: this.#live.config });
    } catch (error) {
      if (error instanceof ConfigError) for (const problem of error.problems) this.#log.error(problemText(problem));
      throw error;
    }
    this.#apply(config);
    this.#log.configure({ logfile: config.settings.logfile, verbose: config.settings.verbose ?? 0 });
    await this.#readSecrets();
    this.#log.log('RELOAD: configuration in force');
  }

  #apply(config: Config): void {
    for (const name of this.#live.replace(config)) {
      this.#pools.drop(name);
      this.#texts.definitionsChanged();
      if (this.#live.entry(name) !== undefined) continue;
      for (const session of [...this.#clients.sessions.values()]) {
        if (session.identity.database === name && session.server === undefined) session.fail(errors.databaseRemoved);
      }
    }
    this.#clients.welcomes.forget();
  }

  // -- the end ----------------------------------------------------------------------------------------------------------------------

  #connectFailed(where: string, { reason, error }: ConnectFailure): void {
    this.#log.log(`${where} ${reason}`);
    if (this.#live.config.settings.log_disconnections) this.#log.log(`${where} closing because: ${error?.message ?? reason} (age=0s)`);
  }

  shutdown(mode: ShutdownMode): void {
    if (this.#shutdown !== undefined && mode !== 'immediate') mode = 'immediate';
    this.#shutdown = mode;
    if (mode === 'immediate') return this.#end();
    this.#log.log(`shutting down, waiting for ${mode === 'wait_for_clients' ? 'clients' : 'servers'}`);
    this.#listener?.closeTcp();
    if (mode === 'wait_for_servers') {
      this.#pools.pause(undefined);
      this.#pools.refuse({ error: errors.shuttingDown, reason: 'server shutting down' });
    }
    this.#mayEnd();
  }

  #mayEnd(): void {
    if (this.#shutdown === 'wait_for_clients' && this.#clients.sessions.size > 0) return;
    if (this.#shutdown === 'wait_for_servers' && this.#pools.openConnections(undefined) > 0) return;
    this.#end();
  }

  #end(): void {
    if (this.#ended === undefined) return;
    const ended = this.#ended;
    this.#ended = undefined;
    this.#ticks?.stop();
    clearInterval(this.#keepAlive);
    this.#listener?.close();
    for (const session of [...this.#clients.sessions.values()]) session.fail(errors.shuttingDown);
    for (const client of [...this.#clients.consoles.values()]) client.channel.end();
    for (const [, { greeter }] of this.#clients.loggingIn) greeter.channel.destroy();
    this.#texts.reader.stop();
    this.#pools.closeAll(undefined, 'server shutting down');
    this.#log.log('got shutdown request, exiting');
    const closed = this.#http?.close() ?? Promise.resolve();
    // What was written to clients leaves at the end of this turn.
    closed.catch(() => {}).finally(() => setImmediate(ended));
  }

  pauseAll(): void {
    void this.#view.pause();
  }
  resumeAll(): void {
    this.#view.resume();
  }

  get shuttingDown(): boolean {
    return this.#shutdown !== undefined;
  }

  get log(): RootLog {
    return this.#log;
  }
}

function serverPrefix({ identity }: Server): string {
  const unix = identity.host.startsWith('/') || identity.host.startsWith('@');
  return connectionPrefix({
    kind: 'S',
    id: identity.id,
    database: identity.database,
    user: identity.user,
    host: unix ? undefined : identity.host,
    port: identity.port,
  });
}

/** Starts to serve; rejects when it cannot listen. The process ends when the worker has. */
export async function startWorker(config: Config, options: WorkerOptions): Promise<RunningWorker> {
  await loadParsers();
  const worker = new Worker(config, options);
  onSignals(worker);
  await worker.start();
  void worker.done.then(() => process.exit(0));
  return {
    stop: async () => {
      worker.shutdown('immediate');
      await worker.done;
    },
  };
}
