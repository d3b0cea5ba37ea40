/**
 * The console as a client sees it: a database that speaks the simple protocol only. It is given the frames of one client that
 * is logged in, runs one command after the other, and sends whole answers. The extended protocol ends the connection, as
 * it does in PgBouncer. Commands are `commands.ts`; log-in itself is the client's business, with `consoleParameters`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Log, silentLog } from '../log.ts';
import { version } from '../version.ts';
import { BIND, EXECUTE, PARSE, QUERY, TERMINATE } from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { errorResponse } from '../wire/write.ts';
import { runCommand } from './commands.ts';
import { encodePieces, encodeReply } from './reply.ts';
import type { AdminView } from './view.ts';

/** What SHOW calls the console, whichever name a client has used. */
export const CONSOLE = 'pgbouncer';
/** Names under which clients ask for the console; the second is for those that come from PgBouncer. */
export const consoleDatabases: readonly string[] = ['shardyard', CONSOLE];

/** ParameterStatus of a log-in to the console: names and values. */
export const consoleParameters: readonly (readonly [name: string, value: string])[] = [
  ['server_version', `${version}/shardyard`],
  ['client_encoding', 'UTF8'],
  ['server_encoding', 'UTF8'],
  ['DateStyle', 'ISO'],
  ['TimeZone', 'GMT'],
  ['standard_conforming_strings', 'on'],
  ['is_superuser', 'on'],
];

/** What `user` may do on the console; undefined: nothing, and `consoleNotAllowed` is the answer. */
export function consoleAccess(user: string, adminUsers: readonly string[], statsUsers: readonly string[]): 'admin' | 'stats' | undefined {
  if (adminUsers.includes(user)) return 'admin';
  return statsUsers.includes(user) ? 'stats' : undefined;
}

export interface ConsoleOptions {
  readonly view: AdminView;
  readonly user: string;
  /** In admin_users; otherwise the user is in stats_users. */
  readonly admin: boolean;
  readonly log?: Log;
  /** Sends bytes to the client. */
  readonly send: (bytes: Buffer) => void;
  /** Ends the connection when all that was sent is out; `reason` is for the log. */
  readonly close: (reason: string) => void;
}

/** Bytes after which others have a turn before the answer goes on. */
const LARGE_PIECE = 16 * 1024;
/** Messages that may wait while a command such as PAUSE is under way. */
const MAX_WAITING = 100;

interface Message {
  readonly type: number;
  readonly body: Uint8Array;
}

/** One client's console. */
export class Console {
  readonly #options: ConsoleOptions;
  readonly #log: Log;
  readonly #waiting: Message[] = [];
  #running: AbortController | undefined;
  #closed = false;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  /** One whole message of the client, without type byte and length. `body` is not kept longer than this call. */
  accept(type: number, body: Uint8Array): void {
    if (this.#closed) return;
    if (type === TERMINATE) this.#close('client close request');
    else if (this.#running === undefined) this.#handle({ type, body });
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ type, body: Buffer.from(body) });
    else this.#fatal(errors.limitExceeded('waiting console commands', MAX_WAITING));
  }

  /** The client's CancelRequest: ends a PAUSE, SUSPEND or WAIT_CLOSE that waits. */
  cancel(): void {
    this.#running?.abort();
  }

  /** The client is gone; what it has started goes on (a PAUSE stays until RESUME). */
  closed(): void {
    this.#closed = true;
    this.#waiting.length = 0;
  }

  #handle({ type, body }: Message): void {
    if (type === QUERY) this.#query(body);
    else this.#refuse(type === PARSE || type === BIND || type === EXECUTE ? errors.extendedOnConsole : errors.packetOnConsole(type));
  }

  #query(body: Uint8Array): void {
    const end = body.indexOf(0);
    if (end < 0) this.#fatal(errors.incompleteQuery);
    else this.#run(Buffer.from(body.subarray(0, end)).toString()).catch((error: unknown) => this.#failed(error));
  }

  #refuse(error: errors.MessageFields): void {
    this.#log.error(error.message);
    this.#options.send(encodeReply({ kind: 'error', error }));
    this.#fatal(errors.badPacket);
  }

  async #run(text: string): Promise<void> {
    const { view, user, admin, send } = this.#options;
    this.#log.debug(() => `got admin query: ${text}`);
    this.#running = new AbortController();
    const reply = await runCommand(view, { user, admin, log: this.#log, signal: this.#running.signal }, text);
    for (const bytes of encodePieces(reply)) {
      if (this.#closed) return;
      if (bytes.length > 0) send(bytes);
      if (bytes.length > LARGE_PIECE) await nextTurn();
    }
    if (this.#closed) return;
    this.#running = undefined;
    this.#next();
  }

  #next(): void {
    while (this.#running === undefined && !this.#closed) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#handle(message);
    }
  }

  /** A mistake of ours ends this console and nothing else. */
  #failed(error: unknown): void {
    this.#log.error(`console: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    if (!this.#closed) this.#close('internal error');
  }

  #fatal(error: errors.MessageFields): void {
    this.#options.send(errorResponse(error));
    this.#close(error.message);
  }

  #close(reason: string): void {
    this.closed();
    this.#options.close(reason);
  }
}

export function createConsole(options: ConsoleOptions): Console {
  return new Console(options);
}
