/**
 * Opens one server connection: socket, log-in, the database's connect_query; then it is a Server. Everything that can go wrong becomes a
 * ConnectFailure: what to tell the clients that wait for it, and what to write in the log.
 */
import type { NetConnectOpts } from 'node:net';
import type { HostPort } from '../config/config.ts';
import { Channel, type ChannelOwner } from '../wire/channel.ts';
import { ask, type Control, createControl, ServerError } from '../wire/control.ts';
import * as errors from '../wire/errors.ts';
import { latin1OfUtf8 } from '../wire/read.ts';
import type { MessageFields } from '../wire/write.ts';
import { askBase, type Base, NO_BASE } from './base.ts';
import { LoginError, type LoginRequest, login } from './login.ts';
import { Server, type ServerOwner } from './server.ts';

/** Why no server connection could be made. */
export interface ConnectFailure {
  /** The server's own ErrorResponse frame, to be passed on as it is. */
  readonly frame?: Buffer;
  readonly error?: MessageFields;
  readonly reason: string;
  /** It may work a moment later: the host is not there, or not ready. */
  readonly passing?: boolean;
}

/** Postgres's own words for that: it starts, stops or recovers, or has as many connections as it takes. */
const PASSING = new Set(['57P01', '57P02', '57P03', '53300']);

export interface ConnectRequest {
  readonly id: number;
  readonly to: HostPort;
  readonly login: LoginRequest;
  readonly connectQuery?: string | undefined;
  readonly timeoutMs: number;
  readonly keepAliveIdleMs: number | undefined;
  readonly nowMs: () => number;
  /** Told when the socket stands, before log-in. */
  readonly onSocket?: (channel: Channel) => void;
}

/** Where a host is, for `net.connect`: a TCP address, or the socket file in a folder. */
export function addressOf({ host, port }: HostPort): NetConnectOpts {
  if (host.startsWith('/')) return { path: `${host}/.s.PGSQL.${port}` };
  if (host.startsWith('@')) return { path: `\0${host.slice(1)}/.s.PGSQL.${port}` };
  return { host, port };
}

/** Of a host with a role: by the time it is back, another may have the role, and nobody waits for this one. */
export const forGood = (failure: ConnectFailure): ConnectFailure => ({ ...failure, passing: false });

function failureOf(error: unknown): ConnectFailure {
  if (error instanceof LoginError) {
    const frame = error.serverError?.frame;
    const told: MessageFields = { severity: 'FATAL', sqlstate: error.sqlstate, message: error.message };
    if (frame === undefined) return { error: told, reason: error.logReason };
    return { frame, error: told, reason: error.logReason, passing: PASSING.has(error.sqlstate) };
  }
  if (error instanceof ServerError) return { error: errors.connectQueryFailed, reason: `exec_on_connect query failed: ${error.message}` };
  if (error instanceof Error && 'syscall' in error && error.syscall === 'getaddrinfo')
    return { error: errors.dnsFailed, reason: errors.dnsFailed.message, passing: true };
  if (error === TIMEOUT) return { error: errors.connectTimeout, reason: errors.connectTimeout.message, passing: true };
  const text = error instanceof Error ? error.message : String(error);
  return { error: errors.connectFailed, reason: `connect failed: ${text}`, passing: true };
}

const TIMEOUT = new Error('connect timeout');

async function runConnectQuery(control: Control, { connectQuery = '', login }: ConnectRequest): Promise<Base> {
  if (connectQuery === '') return NO_BASE;
  await ask(control, connectQuery);
  return await askBase(control, connectQuery, login.user);
}

/** Rejects with a ConnectFailure. */
export async function connectServer(request: ConnectRequest, owner: ServerOwner): Promise<Server> {
  let control: Control | undefined;
  let channel: Channel | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    const opened = new Promise<void>((resolve, reject) => {
      const conversation: ChannelOwner = {
        onChunk: (chunk) => control?.feed(chunk),
        onDrain: () => {},
        onClose: (error) => {
          reject(error ?? new Error('server closed the connection'));
          control?.end(error);
        },
      };
      channel = Channel.connect(addressOf(request.to), conversation, resolve);
      timer = setTimeout(() => {
        reject(TIMEOUT);
        control?.end(TIMEOUT);
        channel?.destroy();
      }, request.timeoutMs || 0x7fffffff);
    });
    control = createControl((bytes) => channel!.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
    await opened;
    request.onSocket?.(channel!);
    if (request.keepAliveIdleMs !== undefined) channel!.setKeepAlive(true, request.keepAliveIdleMs);
    const loggedIn = await login(control, request.login);
    const base = await runConnectQuery(control, request);
    const identity = {
      id: request.id,
      host: request.to.host,
      port: request.to.port,
      database: request.login.database,
      user: request.login.user,
      pid: loggedIn.pid,
      secret: loggedIn.secret,
      connectedAtMs: request.nowMs(),
    };
    const parameters = new Map([...loggedIn.parameters].map(([name, value]) => [latin1OfUtf8(name), latin1OfUtf8(value)]));
    const rest = control.takeRest();
    const server = new Server(identity, channel!, owner, parameters);
    server.base = base;
    if (base !== NO_BASE) server.sequenceUser = undefined;
    if (rest.length > 0) server.onChunk(rest);
    return server;
  } catch (error) {
    channel?.destroy();
    throw failureOf(error);
  } finally {
    clearTimeout(timer);
  }
}
