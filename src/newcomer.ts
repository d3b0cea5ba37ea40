/** A client from its connect to its last word, as the log names it. */
import type { Greeter, StartupRequest } from './client/startup.ts';
import { connectionPrefix, type Log } from './log.ts';

/** A client on its way in, with its name for the log. */
export class Newcomer {
  readonly id: number;
  readonly greeter: Greeter;
  readonly connectedAtMs = Date.now();
  readonly #unix: boolean;
  readonly #log: Log;
  readonly #remote: { host: string | undefined; port: number };
  request: StartupRequest | undefined;

  constructor(id: number, greeter: Greeter, unix: boolean, log: Log) {
    this.id = id;
    this.greeter = greeter;
    this.#unix = unix;
    this.#log = log;
    this.#remote = { host: unix ? undefined : greeter.channel.remoteAddress, port: greeter.channel.remotePort ?? 0 };
  }

  get address(): string {
    return this.#unix ? 'unix:0' : `${this.#remote.host}:${this.#remote.port}`;
  }

  #prefix(): string {
    return connectionPrefix({ kind: 'C', id: this.id, database: this.request?.database, user: this.request?.user, ...this.#remote });
  }

  logLogin(wanted: boolean): void {
    if (wanted) this.#log.log(`${this.#prefix()}login attempt: db=${this.request?.database} user=${this.request?.user} tls=no`);
  }

  logEnd(reason: string, asError: boolean, wanted: boolean): void {
    if (asError) this.#log.warning(`${this.#prefix()}pooler error: ${reason}`);
    const age = Math.floor((Date.now() - this.connectedAtMs) / 1000);
    if (wanted) this.#log.log(`${this.#prefix()}closing because: ${reason} (age=${age}s)`);
  }
}
