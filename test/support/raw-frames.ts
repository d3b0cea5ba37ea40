/**
 * Frames of the Postgres protocol for tests, built and read straight from the protocol's documentation ("Message Formats").
 * An oracle for the product's own wire code: it shares nothing with `src/`, prefers clearness to speed, and checks nothing,
 * so that a test can also send what no client would.
 */

/** One frame from the server. Which of the optional fields are there depends on the type, as the comments say. */
export interface RawFrame {
  /** The type byte as a character; 'S' or 'N' alone (a one-byte answer to SSLRequest) does not come as a frame. */
  readonly type: string;
  /** All after the length field. */
  readonly body: Buffer;
  /** R: 0 ok, 3 cleartext, 5 md5, 10 SASL, 11 SASL continue, 12 SASL final. */
  readonly code?: number;
  /** R: what follows the code. */
  readonly data?: Buffer;
  /** K, A: process id. */
  readonly pid?: number;
  /** K: the cancel key (4 bytes in 3.0, up to 256 in 3.2). */
  readonly key?: Buffer;
  /** S: parameter. */
  readonly name?: string;
  /** S: the parameter's value. */
  readonly value?: string;
  /** Z: I, T or E. */
  readonly status?: string;
  /** E, N: by field code (S, V, C, M, D, H, P, …). */
  readonly fields?: Readonly<Record<string, string>>;
  /** C */
  readonly tag?: string;
  /** T */
  readonly columns?: readonly RawColumn[];
  /** D, V: values as UTF-8 text. */
  readonly values?: readonly (string | null)[];
  /** D: values as they came. */
  readonly rawValues?: readonly (Buffer | null)[];
  /** t */
  readonly oids?: readonly number[];
  /** A */
  readonly channel?: string;
  /** A */
  readonly payload?: string;
  /** G, H, W: 0 text, 1 binary, for the whole and for each column. */
  readonly format?: number;
  readonly formats?: readonly number[];
  /** v: the newest minor version that the server speaks, and the start-up options it does not know. */
  readonly minor?: number;
  readonly unknownOptions?: readonly string[];
}

export interface RawColumn {
  readonly name: string;
  readonly table: number;
  readonly column: number;
  readonly oid: number;
  readonly size: number;
  readonly modifier: number;
  readonly format: number;
}

export const PROTOCOL_3_0 = 196_608;
export const PROTOCOL_3_2 = 196_610;

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const cstring = (text: string): Buffer => Buffer.from(`${text}\0`);

/** A frame of any type with any body; `length` (which counts itself) may be forged. */
export function frame(type: string, body: Buffer | string = '', length?: number): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(length ?? bytes.length + 4), bytes]);
}

/** Where the frames end that stand one behind the other in [start, end). */
export function endsIn(bytes: Buffer, start: number, end: number): number[] {
  const ends: number[] = [];
  for (let at = start; at < end; ) {
    at += bytes.readUInt32BE(at + 1) + 1;
    ends.push(at);
  }
  return ends;
}

/** Frames without a type byte: those before the session has begun. */
function untyped(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length + 4), body]);
}

export function startup(parameters: Readonly<Record<string, string>>, protocol = PROTOCOL_3_0): Buffer {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [cstring(name), cstring(value)]);
  return untyped(int32(protocol), ...pairs, Buffer.alloc(1));
}
export const sslRequest = (): Buffer => untyped(int32(80_877_103));
export const gssEncRequest = (): Buffer => untyped(int32(80_877_104));
export const cancelRequest = (pid: number, key: Buffer): Buffer => untyped(int32(80_877_102), int32(pid), key);

export const query = (sql: string): Buffer => frame('Q', cstring(sql));

export function parse(sql: string, name = '', oids: readonly number[] = []): Buffer {
  return frame('P', Buffer.concat([cstring(name), cstring(sql), int16(oids.length), ...oids.map(int32)]));
}

export interface BindOptions {
  readonly portal?: string;
  readonly statement?: string;
  /** Strings are sent as UTF-8 text. */
  readonly values?: readonly (string | Buffer | null)[];
  /** 0 text, 1 binary: none, one for all, or one for each value. */
  readonly formats?: readonly number[];
  readonly resultFormats?: readonly number[];
}
export function bind({ portal = '', statement = '', values = [], formats = [], resultFormats = [] }: BindOptions = {}): Buffer {
  const encoded = values.flatMap((value) => {
    if (value === null) return [int32(-1)];
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  });
  return frame(
    'B',
    Buffer.concat([
      cstring(portal),
      cstring(statement),
      int16(formats.length),
      ...formats.map(int16),
      int16(values.length),
      ...encoded,
      int16(resultFormats.length),
      ...resultFormats.map(int16),
    ]),
  );
}

/** `what` is S for a statement, P for a portal. */
export const describe = (what: 'S' | 'P', name = ''): Buffer => frame('D', what + cstring(name).toString());
export const close = (what: 'S' | 'P', name = ''): Buffer => frame('C', what + cstring(name).toString());
export const execute = (portal = '', maxRows = 0): Buffer => frame('E', Buffer.concat([cstring(portal), int32(maxRows)]));
export const sync = (): Buffer => frame('S');
export const flush = (): Buffer => frame('H');
export const copyData = (data: Buffer | string): Buffer => frame('d', data);
export const copyDone = (): Buffer => frame('c');
export const copyFail = (reason: string): Buffer => frame('f', cstring(reason));
export const terminate = (): Buffer => frame('X');
export const password = (text: string): Buffer => frame('p', cstring(text));
export const saslInitial = (mechanism: string, data: string): Buffer =>
  frame('p', Buffer.concat([cstring(mechanism), int32(Buffer.byteLength(data)), Buffer.from(data)]));
export const saslResponse = (data: string): Buffer => frame('p', data);

/** Calls the function `oid` with arguments in text format; the result comes as text in a V frame. */
export function functionCall(oid: number, values: readonly (string | null)[]): Buffer {
  const encoded = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  return frame('F', Buffer.concat([int32(oid), int16(0), int16(values.length), ...encoded, int16(0)]));
}

/** Reads one body from its begin to its end. */
class Body {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get more(): boolean {
    return this.#at < this.#bytes.length;
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }
  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }
  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }
  oid(): number {
    return this.int32() >>> 0;
  }
  string(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }
  bytes(length = this.#bytes.length - this.#at): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  times<T>(count: number, read: () => T): readonly T[] {
    return Array.from({ length: count }, read);
  }
  value(): Buffer | null {
    const length = this.int32();
    return length < 0 ? null : this.bytes(length);
  }
}

const readCopyResponse = (body: Body) => ({ format: body.byte(), formats: body.times(body.int16(), () => body.int16()) });
const readColumn = (body: Body): RawColumn => ({
  name: body.string(),
  table: body.oid(),
  column: body.int16(),
  oid: body.oid(),
  size: body.int16(),
  modifier: body.int32(),
  format: body.int16(),
});

function readFields(body: Body): { readonly fields: Readonly<Record<string, string>> } {
  const fields: Record<string, string> = {};
  for (let code = body.byte(); code !== 0; code = body.byte()) fields[String.fromCharCode(code)] = body.string();
  return { fields };
}

function readRow(body: Body): Partial<RawFrame> {
  const rawValues = body.times(body.int16(), () => body.value());
  return { rawValues, values: rawValues.map((value) => value?.toString() ?? null) };
}

const READERS: Readonly<Record<string, (body: Body) => Partial<RawFrame>>> = {
  R: (body) => ({ code: body.int32(), data: body.bytes() }),
  K: (body) => ({ pid: body.int32(), key: body.bytes() }),
  S: (body) => ({ name: body.string(), value: body.string() }),
  Z: (body) => ({ status: String.fromCharCode(body.byte()) }),
  E: readFields,
  N: readFields,
  C: (body) => ({ tag: body.string() }),
  T: (body) => ({ columns: body.times(body.int16(), () => readColumn(body)) }),
  D: readRow,
  V: (body) => ({ values: [body.value()?.toString() ?? null] }),
  t: (body) => ({ oids: body.times(body.int16(), () => body.oid()) }),
  A: (body) => ({ pid: body.int32(), channel: body.string(), payload: body.string() }),
  G: readCopyResponse,
  H: readCopyResponse,
  W: readCopyResponse,
  v: (body) => ({ minor: body.int32(), unknownOptions: body.times(body.int32(), () => body.string()) }),
};

/** Takes whole frames off the front of `bytes`; what is left of `bytes` begins an incomplete frame. */
export function readFrames(bytes: Buffer): { readonly frames: readonly RawFrame[]; readonly rest: Buffer } {
  const frames: RawFrame[] = [];
  let at = 0;
  while (bytes.length - at >= 5) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) break;
    const type = String.fromCharCode(bytes.readUInt8(at));
    const body = Buffer.from(bytes.subarray(at + 5, end));
    frames.push({ type, body, ...READERS[type]?.(new Body(body)) });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}
