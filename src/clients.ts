/**
 * The clients: from an accepted socket to a session (or the console), who is connected, who may still come in, and which client a cancel
 * key belongs to. Sessions are made here and nowhere else.
 */
import type net from 'node:net';
import { CONSOLE, Console, consoleAccess, consoleDatabases, consoleParameters } from './admin/console.ts';
import type { AdminView } from './admin/view.ts';
import { freshRandom } from './auth/random.ts';
import type { Secrets } from './auth/secrets.ts';
import type { Credentials } from './client/credentials.ts';
import type { SessionIdentity } from './client/identity.ts';
import type { Place, SessionWatcher } from './client/place.ts';
import { Session } from './client/session.ts';
import type { Signal } from './client/signals.ts';
import { type AuthType, authenticate, Greeter, Refused, readStartup, refuse, type StartupRequest } from './client/startup.ts';
import { type WelcomeFailure, Welcomes } from './client/welcome.ts';
import type { DatabaseEntry } from './config/config.ts';
import type { Live } from './live.ts';
import type { Log } from './log.ts';
import { Newcomer } from './newcomer.ts';
import type { Pools } from './pool/pools.ts';
import { sendCancel } from './server/cancel.ts';
import { allParameters } from './server/reported.ts';
import type { ServerIdentity } from './server/server.ts';
import { CLEAN, intern } from './server/settings.ts';
import { loginLimit } from './timeouts.ts';
import { Channel, type ChannelOwner } from './wire/channel.ts';
import * as code from './wire/codes.ts';
import * as errors from './wire/errors.ts';
import { FrameScanner } from './wire/frames.ts';
import { authenticationOk, backendKeyData, errorResponse, parameterStatus, readyForQuery } from './wire/write.ts';

export interface ClientsParts {
  readonly live: Live;
  readonly place: Place;
  readonly pools: Pools;
  readonly log: Log;
  readonly nextId: () => number;
  readonly secrets: () => Secrets['users'];
  readonly adminView: () => AdminView;
  readonly shuttingDown: () => boolean;
}

/** A client of the console. */
export interface ConsoleClient {
  readonly id: number;
  readonly user: string;
  readonly channel: Channel;
  readonly connectedAtMs: number;
}

export class Clients {
  readonly sessions = new Map<number, Session>();
  readonly consoles = new Map<number, ConsoleClient>();
  readonly #byPid = new Map<number, Session>();
  readonly #loggingIn = new Map<number, { greeter: Greeter; connectedAtMs: number }>();
  readonly #perDatabase = new Map<string, number>();
  readonly #perUser = new Map<string, number>();
  readonly #perPool = new Map<string, number>();
  readonly #parts: ClientsParts;
  readonly welcomes = new Welcomes();

  constructor(parts: ClientsParts) {
    this.#parts = parts;
  }

  get loggingIn(): Iterable<[number, { greeter: Greeter; connectedAtMs: number }]> {
    return this.#loggingIn;
  }

  inDatabase(name: string): number {
    return this.#perDatabase.get(name) ?? 0;
  }
  ofUser(name: string): number {
    return this.#perUser.get(name) ?? 0;
  }
  inPool(database: string, user: string): boolean {
    return (this.#perPool.get(`${database}\0${user}`) ?? 0) > 0;
  }

  /** A new connection. Never rejects. */
  accept(socket: net.Socket, unix: boolean): void {
    const id = this.#parts.nextId();
    const greeter = new Greeter((owner) => Channel.adopt(socket, owner));
    const { settings } = this.#parts.live.config;
    if (settings.tcp_keepalive && !unix) greeter.channel.setKeepAlive(true, 0);
    this.#loggingIn.set(id, { greeter, connectedAtMs: Date.now() });
    const limitMs = settings.client_login_timeout;
    const timer = limitMs > 0 ? setTimeout(() => greeter.abort(new Refused(errors.loginTimeout)), limitMs) : undefined;
    const client = new Newcomer(id, greeter, unix, this.#parts.log);
    this.#letIn(client)
      .catch((error: unknown) => {
        const refused = error instanceof Refused ? error : new Refused(undefined, error instanceof Error ? error.message : String(error));
        client.logEnd(refused.message, settings.log_pooler_errors && refused.told !== undefined, settings.log_disconnections);
        refuse(greeter, refused);
      })
      .finally(() => {
        clearTimeout(timer);
        this.#loggingIn.delete(id);
      });
  }

  async #letIn(client: Newcomer): Promise<void> {
    const { live } = this.#parts;
    const request = await readStartup(client.greeter, {
      ignoredParameters: () => live.config.settings.ignore_startup_parameters.split(',').map((name) => name.trim().toLowerCase()),
      cancel: (pid, secret) => this.#cancel(pid, secret),
    });
    if (request === undefined) return client.greeter.channel.end();
    client.request = request;
    if (request.replication !== undefined && !/^(0|off|false|no)$/i.test(request.replication))
      throw new Refused(errors.unsupportedStartupParameter('replication'));
    if (consoleDatabases.includes(request.database)) return this.#letInToConsole(client, request);
    const { settings } = live.config;
    if (this.#parts.shuttingDown()) throw new Refused(errors.shuttingDown);
    if (this.sessions.size >= settings.max_client_conn) throw new Refused(errors.tooManyClients);
    const entry = live.register(request.database, (name) => this.#parts.log.log(`registered new auto-database: ${name}`));
    const credentials = await this.#authenticate(client, request, entry);
    this.#checkLimits(request, entry!);
    await this.#welcome(client, request, entry!, credentials);
  }

  #checkLimits({ user, database }: StartupRequest, entry: DatabaseEntry): void {
    const { settings } = this.#parts.live.config;
    if (this.#parts.live.disabled.has(database)) throw new Refused(errors.databaseDisabled(database));
    if (this.sessions.size >= settings.max_client_conn) throw new Refused(errors.tooManyClients);
    this.#checkShares(user, database, entry.max_db_client_connections || settings.max_db_client_connections);
  }

  /** What one database and one user may have of all clients. */
  #checkShares(user: string, database: string, maxDatabase: number): void {
    const { settings, users } = this.#parts.live.config;
    if (maxDatabase > 0 && this.inDatabase(database) >= maxDatabase) throw new Refused(errors.tooManyDatabaseClients);
    const maxUser = users.get(user)?.max_user_client_connections || settings.max_user_client_connections;
    if (maxUser > 0 && this.ofUser(user) >= maxUser) throw new Refused(errors.tooManyUserClients);
  }

  async #authenticate(client: Newcomer, request: StartupRequest, entry: DatabaseEntry | undefined): Promise<Credentials> {
    const { settings } = this.#parts.live.config;
    const authType = settings.auth_type as AuthType;
    if (authType === 'any' && entry !== undefined && entry.user === undefined)
      throw new Refused(errors.configError, 'auth_type=any requires forced user');
    const secret = this.#parts.secrets()?.get(request.user);
    const proved = await authenticate(client.greeter, {
      authType,
      user: request.user,
      database: request.database,
      databaseKnown: entry !== undefined,
      secret,
      scramIterations: settings.scram_iterations,
    });
    if (!proved.ok) {
      const told = proved.message === undefined ? undefined : errors.poolerFatal(proved.message, proved.sqlstate);
      throw new Refused(told, proved.message ?? proved.logReason);
    }
    return { user: request.user, secret, password: proved.password?.toString('utf8'), scramKeys: proved.scramKeys };
  }

  async #welcome(client: Newcomer, request: StartupRequest, entry: DatabaseEntry, credentials: Credentials): Promise<void> {
    const { live, place, pools } = this.#parts;
    const label = this.#labelOf(client, request);
    const login = { user: credentials.user, secret: credentials.secret, scramKeys: credentials.scramKeys };
    pools.loggedIn(login);
    await Promise.all((entry.shards ?? [entry.name]).map((name) => pools.watch(name, login)));
    const limit = loginLimit(live.sessionSettings(entry.name, request.user));
    const target = { database: live.speaker(entry.name), role: 'any' as const };
    const { reported, label: canonical } = await this.welcomes
      .welcome(place, target, credentials, label, place.clock.nowMs() + limit.ms)
      .catch((why: WelcomeFailure | 'timeout') => {
        if (why === 'timeout') throw new Refused(limit.told);
        throw new Refused(why.error ?? errors.connectFailed, why.reason, why.frame === undefined ? undefined : asFatal(why.frame));
      });
    if (client.greeter.channel.closed) throw new Error('client unexpected eof');
    const secret = freshRandom(request.protocol === code.PROTOCOL_3_2 ? 32 : code.CANCEL_KEY_BYTES_3_0);
    const pid = this.#freePid();
    const rest = client.greeter.rest();
    const identity = {
      id: client.id,
      user: request.user,
      database: request.database,
      credentials,
      label: canonical,
      applicationName: request.applicationName,
      pid,
      secret: secret.toString('hex'),
      connectedAtMs: client.connectedAtMs,
      maxPacketBytes: live.config.settings.max_packet_size,
    };
    client.logLogin(live.config.settings.log_connections);
    const { channel } = client.greeter;
    channel.write(authenticationOk);
    channel.write(allParameters(reported));
    channel.write(backendKeyData(pid, secret));
    channel.write(readyForQuery(code.STATUS_IDLE));
    const session = new Session(place, channel, this.#watcher(client), identity, reported);
    this.#count(session.identity, 1);
    this.sessions.set(client.id, session);
    this.#byPid.set(pid, session);
    place.tally(request.database).logins += 1;
    channel.resume();
    session.begin(rest);
  }

  #labelOf(client: Newcomer, request: StartupRequest) {
    if (!this.#parts.live.config.settings.application_name_add_host) return request.label;
    const values = new Map(request.label.values);
    values.set('application_name', `${request.applicationName === '' ? 'app' : request.applicationName} - ${client.address}`.slice(0, 63));
    return values.size === 0 ? CLEAN : intern(values);
  }

  /** Process ids that clients see: no two sessions share one, and no process has one, so that pg_terminate_backend() of it hits nobody. */
  #freePid(): number {
    let pid = 0;
    while (pid === 0 || this.#byPid.has(pid)) pid = (freshRandom(4).readUInt32BE(0) & 0x7fffffff) | 0x40000000;
    return pid;
  }

  #count({ user, database }: { user: string; database: string }, by: 1 | -1): void {
    for (const [map, key] of [
      [this.#perDatabase, database],
      [this.#perUser, user],
      [this.#perPool, `${database}\0${this.#parts.live.entry(database)?.user ?? user}`],
    ] as const) {
      const count = (map.get(key) ?? 0) + by;
      if (count > 0) map.set(key, count);
      else map.delete(key);
    }
  }

  #watcher(client: Newcomer): SessionWatcher<Session> {
    return {
      sessionClosed: (session, reason, byUs) => {
        if (!this.sessions.delete(session.identity.id)) return;
        this.#byPid.delete(session.identity.pid);
        this.#count(session.identity, -1);
        const { settings } = this.#parts.live.config;
        client.logEnd(reason, byUs && settings.log_pooler_errors, settings.log_disconnections);
      },
    };
  }

  /** A cancel key finds the server that runs the session's statement now, and no other; a wrong key does nothing. */
  async #cancel(pid: number, secret: Buffer): Promise<void> {
    const session = this.#byPid.get(pid);
    if (session !== undefined && secret.toString('hex') === session.identity.secret) cancel(session);
  }

  /** What `pg_terminate_backend` and `pg_cancel_backend` do, to the session that was told this process id. */
  signal({ kind, pid }: Signal, by: Who, isSuperuser: boolean): boolean {
    const session = this.#byPid.get(pid);
    if (session === undefined || !this.#maySignal(session.identity, by, isSuperuser)) return false;
    setImmediate(() => {
      if (kind === 'cancel') return cancel(session);
      if (session.phase.at === 'active' && session.server !== undefined) sendCancel(session.server);
      session.fail(errors.terminatedByAdmin);
    });
    return true;
  }

  /** The process of the server that works for this session, or is kept by it. */
  processOf(pid: number, { host, port }: ServerIdentity): number | undefined {
    const process = this.#byPid.get(pid)?.server?.identity;
    return process?.host === host && process.port === port ? process.pid : undefined;
  }

  #maySignal(whom: Who, by: Who, isSuperuser: boolean): boolean {
    const { place, live } = this.#parts;
    const hosts = ({ database }: Who): string => JSON.stringify(live.entry(live.speaker(database))?.hosts);
    if (whom.database !== by.database && hosts(whom) !== hosts(by)) return false;
    return isSuperuser || place.serverUser(whom.database, whom.user) === place.serverUser(by.database, by.user);
  }

  // -- the console ------------------------------------------------------------------------------------------------------------------

  async #letInToConsole(client: Newcomer, request: StartupRequest): Promise<void> {
    const { settings } = this.#parts.live.config;
    const list = (text: string) => text.split(',').map((name) => name.trim());
    const access = consoleAccess(request.user, list(settings.admin_users), list(settings.stats_users));
    const authType = settings.auth_type as AuthType;
    const secret = this.#parts.secrets()?.get(request.user);
    const proved = await authenticate(client.greeter, {
      authType,
      user: request.user,
      database: request.database,
      databaseKnown: true,
      secret,
      scramIterations: settings.scram_iterations,
    });
    if (!proved.ok)
      throw new Refused(
        proved.message === undefined ? undefined : errors.poolerFatal(proved.message, proved.sqlstate),
        proved.message ?? proved.logReason,
      );
    if (access === undefined) throw new Refused(errors.consoleNotAllowed);
    // As in PgBouncer: all are counted, and an administrator gets in however many there are.
    if (access === 'stats') this.#checkShares(request.user, CONSOLE, settings.max_db_client_connections);
    client.logLogin(settings.log_connections);
    this.#openConsole(client, request, access === 'admin');
  }

  #openConsole(client: Newcomer, request: StartupRequest, admin: boolean): void {
    const { channel } = client.greeter;
    const rest = client.greeter.rest();
    const counted = { user: request.user, database: CONSOLE };
    const end = (reason: string) => {
      if (!this.consoles.delete(client.id)) return;
      this.#count(counted, -1);
      client.logEnd(reason, false, this.#parts.live.config.settings.log_disconnections);
      channel.end();
    };
    const virtual = new Console({
      view: this.#parts.adminView(),
      user: request.user,
      admin,
      log: this.#parts.log,
      send: (bytes) => channel.write(bytes),
      close: end,
    });
    channel.setOwner(consoleOwner(virtual, channel, end));
    this.#count(counted, 1);
    this.consoles.set(client.id, { id: client.id, user: request.user, channel, connectedAtMs: client.connectedAtMs });
    channel.write(authenticationOk);
    for (const [name, value] of consoleParameters) channel.write(parameterStatus(name, value));
    channel.write(backendKeyData(this.#freePid(), freshRandom(4)));
    channel.write(readyForQuery(code.STATUS_IDLE));
    channel.resume();
    if (rest.length > 0) consoleOwner(virtual, channel, end).onChunk(rest);
  }
}

type Who = Pick<SessionIdentity, 'database' | 'user'>;

/** Cancels what the session runs now, wherever it does, and nothing else. */
function cancel(session: Session): void {
  if (session.phase.at === 'waiting' || session.phase.at === 'shared') return session.cancelUnheld();
  const { server } = session;
  if (session.phase.at === 'active' && server !== undefined) sendCancel(server);
}

/** The console takes whole frames. */
function consoleOwner(virtual: Console, channel: Channel, end: (reason: string) => void): ChannelOwner {
  const scanner = new FrameScanner(
    {
      frame: (type, chunk, start, frameEnd) => {
        virtual.accept(type, chunk.subarray(start + 5, frameEnd));
        return true;
      },
      passes: () => false,
      whole: () => true,
      open: () => true,
      more: () => {},
      malformed: () => {
        channel.write(errorResponse(errors.poolerFatal('bad packet')));
        end('bad packet');
      },
    },
    1024 * 1024,
  );
  return {
    onChunk: (chunk) => void scanner.push(chunk),
    onDrain: () => {},
    onClose: () => {
      virtual.closed();
      end('client unexpected eof');
    },
  };
}

/** A FATAL of its own for an error that keeps a client from getting in: severity is all that differs. */
function asFatal(frame: Buffer): Buffer {
  const text = frame.toString('latin1');
  return Buffer.from(text.replace('SERROR\0', 'SFATAL\0').replace('VERROR\0', 'VFATAL\0'), 'latin1');
}
