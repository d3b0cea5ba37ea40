/**
 * A small client of the protocol, without authentication: for clients that only stay, and for COPY at full speed. Bodies of CopyData are
 * counted and passed over; what an answer is checked by is its command tag.
 */
import net from 'node:net';

export interface Place {
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** The end of an answer. */
export interface Answer {
  /** Tag of the last command, such as `COPY 1000000`. */
  readonly tag: string;
  /** Bytes of CopyData, without the headers. */
  readonly copiedBytes: number;
}

export interface Link {
  /** Sends bytes of whole frames; the answer is all up to ReadyForQuery. With COPY FROM, `data` is sent `times` times when the server asks for it. */
  ask(frames: Buffer, data?: Buffer, times?: number): Promise<Answer>;
  close(): void;
}

const HEADER_BYTES = 5;
const [COPY_DATA, ERROR, COMPLETE, READY, COPY_IN] = ['d', 'E', 'C', 'Z', 'G'].map((type) => type.charCodeAt(0));
const LIMIT_MS = 120_000;

/** A frame: type, length, body. */
export function frame(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(HEADER_BYTES);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

function startup({ user, database }: Place): Buffer {
  const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0${database}\0\0`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}

/** What comes from the server, cut into frames: calls `onFrame` with the bodies of all but CopyData, which `onCopied` counts. */
function cutter(onFrame: (type: number, body: Buffer) => void, onCopied: (bytes: number) => void): (chunk: Buffer) => void {
  const header = Buffer.alloc(HEADER_BYTES);
  let [headerHas, type, missing] = [0, 0, 0];
  let body: Buffer[] = [];
  return (chunk) => {
    let at = 0;
    while (at < chunk.length || (headerHas === HEADER_BYTES && missing === 0)) {
      if (headerHas < HEADER_BYTES) {
        const taken = chunk.copy(header, headerHas, at, at + HEADER_BYTES - headerHas);
        headerHas += taken;
        at += taken;
        if (headerHas < HEADER_BYTES) return;
        type = header[0] ?? 0;
        missing = header.readInt32BE(1) - 4;
      }
      const taken = Math.min(missing, chunk.length - at);
      if (type === COPY_DATA) onCopied(taken);
      else if (taken > 0) body.push(chunk.subarray(at, at + taken));
      missing -= taken;
      at += taken;
      if (missing > 0) return;
      headerHas = 0;
      if (type !== COPY_DATA) {
        const whole = Buffer.concat(body);
        body = [];
        onFrame(type, whole);
      }
    }
  };
}

/** Connects and logs in. */
export async function connectLink(place: Place): Promise<Link> {
  const socket = net.connect({ host: '127.0.0.1', port: place.port, noDelay: true });
  let [tag, copiedBytes] = ['', 0];
  let error: Error | undefined;
  let settle: ((failure?: Error) => void) | undefined;
  let copy: { readonly data: Buffer; readonly times: number } | undefined;
  const done = (failure?: Error): void => {
    settle?.(failure);
    settle = undefined;
  };
  const onFrame = (type: number, body: Buffer): void => {
    if (type === ERROR) error = new Error(body.toString().replaceAll('\0', ' '));
    else if (type === COMPLETE) tag = body.toString('latin1', 0, body.length - 1);
    else if (type === COPY_IN && copy) pour(socket, copy.data, copy.times);
    else if (type === READY) done(error);
  };
  const cut = cutter(onFrame, (bytes) => {
    copiedBytes += bytes;
  });
  socket.on('data', cut);
  socket.on('error', done);
  socket.on('close', () => done(error ?? new Error('the connection ended')));
  const ask = (frames: Buffer, data?: Buffer, times = 1): Promise<Answer> =>
    new Promise((resolve, reject) => {
      [tag, copiedBytes, error] = ['', 0, undefined];
      copy = data === undefined ? undefined : { data, times };
      const limit = setTimeout(() => socket.destroy(new Error(`no answer after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
      settle = (failure) => {
        clearTimeout(limit);
        if (failure) reject(failure);
        else resolve({ tag, copiedBytes });
      };
      socket.write(frames);
    });
  await ask(startup(place));
  return { ask, close: () => void socket.end(frame('X', '')) };
}

/** Writes the data again and again, as fast as the socket takes it, and then CopyDone. */
function pour(socket: net.Socket, data: Buffer, times: number): void {
  let left = times;
  const next = (): void => {
    while (left > 0) {
      left--;
      if (!socket.write(data) && left > 0) {
        socket.once('drain', next);
        return;
      }
    }
    socket.write(frame('c', ''));
  };
  next();
}

/** A query of the simple protocol. */
export const queryFrame = (sql: string): Buffer => frame('Q', `${sql}\0`);
