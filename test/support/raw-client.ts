/**
 * A Postgres client of plain frames on a socket, for tests that must see and send each frame themselves (`raw-frames.ts`
 * builds and reads them). It knows one conversation, the log-in; all else is `send` and `until`.
 * Waiting for a frame that never comes fails after a limit, with the frames that did come.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import * as frames from './raw-frames.ts';

export type { RawColumn, RawFrame } from './raw-frames.ts';
export { frames };

/** A TCP port of `host` (127.0.0.1 when neither is given); without `host`, the socket `.s.PGSQL.port` in `socketDir`. */
export interface RawTarget {
  readonly port: number;
  readonly host?: string;
  readonly socketDir?: string;
}

export interface LogInOptions {
  readonly user: string;
  readonly database?: string;
  readonly password?: string;
  /** Further start-up parameters. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly protocol?: number;
}

/** Fails a test that waits for something that does not come. */
const WAIT_LIMIT_MS = 75_000;

/** Connects without sending anything. */
export function rawConnect(target: RawTarget): Promise<RawClient> {
  const { port, host, socketDir } = target;
  const overUnix = host === undefined && socketDir !== undefined;
  const socket = overUnix
    ? net.connect(path.join(socketDir, `.s.PGSQL.${port}`))
    : net.connect({ port, host: host ?? '127.0.0.1', noDelay: true });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new RawClient(target, socket));
    });
  });
}

/** Connects and logs in; the answer up to the first ReadyForQuery is in `greeting`. */
export async function rawLogIn(target: RawTarget, options: LogInOptions): Promise<RawClient> {
  const client = await rawConnect(target);
  try {
    await client.logIn(options);
  } catch (error) {
    client.destroy();
    throw error;
  }
  return client;
}

export class RawClient {
  /** For everything a test wants of the socket itself (`pause`, `resetAndDestroy`, …). */
  readonly socket: net.Socket;
  /** Frames of the log-in, up to and with its ReadyForQuery. */
  greeting: readonly frames.RawFrame[] = [];
  readonly #target: RawTarget;
  #rest: Buffer = Buffer.alloc(0);
  #received: frames.RawFrame[] = [];
  #raw: ((bytes: Buffer) => void) | undefined;
  #ended = false;
  #error: Error | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(target: RawTarget, socket: net.Socket) {
    this.#target = target;
    this.socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#tell();
    });
  }

  /** The server has closed the connection, or lost it. */
  get ended(): boolean {
    return this.#ended;
  }
  /** Process id of BackendKeyData. */
  get pid(): number {
    return this.greeting.find(({ type }) => type === 'K')?.pid ?? 0;
  }
  /** Cancel key of BackendKeyData. */
  get key(): Buffer {
    return this.greeting.find(({ type }) => type === 'K')?.key ?? Buffer.alloc(0);
  }

  /** Sends frames in one write. */
  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Sends frames in pieces of `size` bytes, each written in its own turn of the event loop. */
  async sendInPieces(size: number, ...parts: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise<void>((resolve) => this.socket.write(bytes.subarray(at, at + size), () => setImmediate(resolve)));
    }
  }

  /** The next frame. Rejects when the connection ends first. */
  async receive(): Promise<frames.RawFrame> {
    await this.#wait('a frame', () => this.#received.length > 0);
    return this.#received.shift() as frames.RawFrame;
  }

  /** All frames up to and with the first of this type. Rejects when the connection ends first. */
  async until(type: string): Promise<readonly frames.RawFrame[]> {
    const index = (): number => this.#received.findIndex((frame) => frame.type === type);
    await this.#wait(`frame ${type}`, () => index() >= 0);
    return this.#received.splice(0, index() + 1);
  }

  /** All frames until the server closes the connection. */
  async untilEnd(): Promise<readonly frames.RawFrame[]> {
    await this.#wait('the end', () => this.#ended);
    return this.#received.splice(0);
  }

  /** Frames that have come and were not taken yet. */
  get pending(): readonly frames.RawFrame[] {
    return this.#received;
  }

  /** The one-byte answer to SSLRequest or GSSENCRequest. */
  receiveByte(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.socket.once('close', () => reject(new Error('the connection ended without an answer')));
      this.#raw = (bytes) => {
        this.#raw = undefined;
        resolve(String.fromCharCode(bytes.readUInt8(0)));
        if (bytes.length > 1) this.#take(bytes.subarray(1));
      };
    });
  }

  /** Simple Query; the frames up to and with ReadyForQuery. */
  query(sql: string): Promise<readonly frames.RawFrame[]> {
    this.send(frames.query(sql));
    return this.until('Z');
  }

  /** Start-up and authentication (cleartext, md5, SCRAM) up to ReadyForQuery; rejects with the server's message when refused. */
  async logIn(options: LogInOptions): Promise<void> {
    const { user, database, parameters, protocol } = options;
    this.send(frames.startup({ user, ...(database === undefined ? {} : { database }), ...parameters }, protocol));
    const greeting: frames.RawFrame[] = [];
    const answer = authenticator(options);
    for (;;) {
      const frame = await this.receive();
      greeting.push(frame);
      if (frame.type === 'E') throw new ServerRefusal(frame);
      if (frame.type === 'Z') break;
      const reply = frame.type === 'R' ? answer(frame) : undefined;
      if (reply) this.send(reply);
    }
    this.greeting = greeting;
  }

  /** Sends a CancelRequest for this session on a connection of its own; resolves when the server has closed that. */
  async cancel(): Promise<void> {
    const other = await rawConnect(this.#target);
    other.send(frames.cancelRequest(this.pid, this.key));
    await other.untilEnd();
  }

  /** Terminate, then waits until the server has closed the connection. */
  async close(): Promise<void> {
    if (!this.#ended) this.socket.end(frames.terminate());
    await this.untilEnd();
  }

  /** Drops the connection without a goodbye. */
  destroy(): void {
    this.socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#raw) {
      this.#raw(bytes);
      return;
    }
    const { frames: whole, rest } = frames.readFrames(Buffer.concat([this.#rest, bytes]));
    this.#rest = rest;
    this.#received.push(...whole);
    this.#tell();
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }

  #wait(what: string, done: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        const seen = this.#received.map(({ type, fields }) => (fields ? `${type} (${fields.M})` : type)).join(' ');
        finish(() => reject(new Error(`${why} while waiting for ${what}; came: ${seen || 'nothing'}`, { cause: this.#error })));
      };
      const limit = setTimeout(() => fail(`${WAIT_LIMIT_MS} ms went by`), WAIT_LIMIT_MS);
      const finish = (settle: () => void): void => {
        clearTimeout(limit);
        this.#watchers.delete(look);
        settle();
      };
      const look = (): void => {
        if (done()) finish(resolve);
        else if (this.#ended) fail('the connection ended');
      };
      this.#watchers.add(look);
      look();
    });
  }
}

/** The server's ErrorResponse to a log-in. */
export class ServerRefusal extends Error {
  readonly frame: frames.RawFrame;
  constructor(frame: frames.RawFrame) {
    super(frame.fields?.M ?? 'refused');
    this.frame = frame;
  }
}

/** Rows of an answer, as text. */
export function rows(answer: readonly frames.RawFrame[]): readonly (readonly (string | null)[])[] {
  return answer.flatMap(({ type, values }) => (type === 'D' && values ? [values] : []));
}

/** The fields of the first error of an answer. */
export function errorOf(answer: readonly frames.RawFrame[]): Readonly<Record<string, string>> | undefined {
  return answer.find(({ type }) => type === 'E')?.fields;
}

/** Sends frames, and reads up to ReadyForQuery. */
export async function say(client: RawClient, ...parts: readonly Buffer[]): Promise<readonly frames.RawFrame[]> {
  client.send(...parts);
  return await client.until('Z');
}

const md5 = (...parts: readonly (string | Buffer)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex');
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** What to answer to each R frame, in turn. */
function authenticator({ user, password = '' }: LogInOptions): (frame: frames.RawFrame) => Buffer | undefined {
  const nonce = randomBytes(18).toString('base64');
  const first = `n=,r=${nonce}`;
  let expected = '';
  return ({ code, data = Buffer.alloc(0) }) => {
    if (code === 3) return frames.password(password);
    if (code === 5) return frames.password(`md5${md5(md5(password, user), data)}`);
    if (code === 10) return frames.saslInitial('SCRAM-SHA-256', `n,,${first}`);
    if (code === 11) {
      const { message, signature } = scramProof(password, first, data.toString());
      expected = signature;
      return frames.saslResponse(message);
    }
    if (code === 12 && data.toString() !== `v=${expected}`) throw new Error('the server does not know the password (SCRAM)');
    return undefined;
  };
}

/** RFC 5802, section 3, without channel binding. */
function scramProof(password: string, clientFirst: string, serverFirst: string): { readonly message: string; readonly signature: string } {
  const fields = new Map(serverFirst.split(',').map((field) => [field.slice(0, 1), field.slice(2)]));
  const salted = pbkdf2Sync(password, Buffer.from(fields.get('s') ?? '', 'base64'), Number(fields.get('i')), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=biws,r=${fields.get('r')}`;
  const authMessage = `${clientFirst},${serverFirst},${withoutProof}`;
  const clientSignature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0)));
  const signature = hmac(hmac(salted, 'Server Key'), authMessage).toString('base64');
  return { message: `${withoutProof},p=${proof.toString('base64')}`, signature };
}
