/**
 * Conversations that we own with a server: log-in and our own queries. Bytes from the socket go in, messages come out one at a time, when
 * asked for; what follows the last message asked for stays as raw bytes, so that the connection can be handed over without loss.
 * The forwarding path does not come through here.
 *
 * Messages are decoded by pg-protocol, one whole frame at a time: it then never sees a length that we have not checked. What it cannot be
 * trusted with is decoded here: errors and notices (it loops for ever when the terminator is missing), cancel keys (it knows only four
 * bytes), NegotiateProtocolVersion (unknown to it) and authentication requests of the wrong size (it takes them for AuthenticationOk).
 */
import { serialize } from 'pg-protocol';
import { Parser } from 'pg-protocol/dist/parser.js';
import * as codes from './codes.ts';

/** Bytes of one message, if the caller sets no other limit. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Bytes of all messages of one answer to a query of ours. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Longer first "errors" are text from before protocol 3, as libpq has it. */
const MAX_ERROR_BYTES = 30_000;

/** What a server said, by pg-protocol's names where it has one. */
export type ServerMessage =
  | { readonly name: 'authenticationOk' | 'authenticationCleartextPassword' }
  | { readonly name: 'authenticationMD5Password'; readonly salt: Buffer }
  | { readonly name: 'authenticationSASL'; readonly mechanisms: readonly string[] }
  | { readonly name: 'authenticationSASLContinue' | 'authenticationSASLFinal'; readonly data: string }
  | { readonly name: 'authenticationUnsupported'; readonly code: number }
  | { readonly name: 'parameterStatus'; readonly parameterName: string; readonly parameterValue: string }
  | { readonly name: 'backendKeyData'; readonly pid: number; readonly key: Buffer }
  | { readonly name: 'negotiateProtocolVersion'; readonly minor: number; readonly options: readonly string[] }
  | { readonly name: 'readyForQuery'; readonly status: string }
  | { readonly name: 'rowDescription'; readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[] }
  | { readonly name: 'dataRow'; readonly fields: readonly (string | null)[]; readonly length: number }
  | { readonly name: 'commandComplete'; readonly text: string }
  | { readonly name: 'notification'; readonly processId: number; readonly channel: string; readonly payload: string }
  | { readonly name: 'error' | 'notice'; readonly report: ServerError }
  | { readonly name: 'parseComplete' | 'bindComplete' | 'closeComplete' | 'noData' | 'portalSuspended' | 'emptyQuery' }
  | { readonly name: 'parameterDescription' | 'copyInResponse' | 'copyOutResponse' | 'copyData' | 'copyDone' | 'replicationStart' };

/** An ErrorResponse or NoticeResponse: `message` is field M. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  /** By field code (`S`, `C`, `M`, `D`, …), in order of arrival. */
  readonly fields: ReadonlyMap<string, string>;
  /** The whole frame as it came, to be forwarded. */
  readonly frame: Buffer;

  constructor(fields: ReadonlyMap<string, string>, frame: Buffer) {
    super(fields.get('M') ?? 'error without a message');
    this.fields = fields;
    this.frame = frame;
  }

  /** Not localized where the server says so. */
  get severity(): string {
    return this.fields.get('V') ?? this.fields.get('S') ?? 'ERROR';
  }

  /** PgBouncer's default when the server sent none. */
  get sqlstate(): string {
    return this.fields.get('C') ?? '08P01';
  }
}

/** The server does not speak the protocol. The connection is of no further use. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/** One conversation. Not for two callers at a time. */
export interface Control {
  /** Writes bytes to the server. */
  readonly send: (bytes: Uint8Array) => void;
  /** Bytes from the server; they are copied. */
  feed(chunk: Uint8Array): void;
  /** The connection is gone: `next()` rejects with `error` once the messages that did arrive are taken. */
  end(error?: Error): void;
  /** The next message. Rejects with ControlError, or with what `end()` was told. */
  next(): Promise<ServerMessage>;
  /** Takes the bytes after the last message that `next()` gave, and ends the conversation. */
  takeRest(): Buffer;
}

/** ErrorResponse and NoticeResponse: pairs of a code byte and a string, then a zero byte. */
function readReport(body: Buffer, frame: Buffer): ServerError {
  const fields = new Map<string, string>();
  for (let at = 0; body[at] !== 0; ) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) throw new ControlError('malformed error or notice message from server');
    fields.set(String.fromCharCode(body[at]!), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return new ServerError(fields, frame);
}

function readNegotiation(body: Buffer): ServerMessage {
  if (body.length < 8) throw new ControlError('malformed NegotiateProtocolVersion message from server');
  const options = body.toString('utf8', 8).split('\0').slice(0, -1);
  // Newer servers send the whole version, older ones the minor number alone: the low 16 bits are the minor number in both.
  return { name: 'negotiateProtocolVersion', minor: body.readInt32BE(0) & 0xffff, options };
}

function readCancelKey(body: Buffer): ServerMessage {
  if (body.length < 8 || body.length > 4 + codes.MAX_CANCEL_KEY_BYTES) throw new ControlError('bad cancel key');
  return { name: 'backendKeyData', pid: body.readInt32BE(0), key: body.subarray(4) };
}

/** Sizes of the authentication requests that have one, without header. */
const AUTHENTICATION_BYTES = new Map<number, number>([
  [codes.AUTH_OK, 4],
  [codes.AUTH_CLEARTEXT_PASSWORD, 4],
  [codes.AUTH_MD5_PASSWORD, 8],
]);
const SASL_CODES: readonly number[] = [codes.AUTH_SASL, codes.AUTH_SASL_CONTINUE, codes.AUTH_SASL_FINAL];

function readAuthentication(body: Buffer, frame: Buffer): ServerMessage {
  if (body.length < 4) throw new ControlError('malformed authentication request from server');
  const code = body.readInt32BE(0);
  const size = AUTHENTICATION_BYTES.get(code);
  if (size === undefined && !SASL_CODES.includes(code)) return { name: 'authenticationUnsupported', code };
  if (size !== undefined && size !== body.length) throw new ControlError('malformed authentication request from server');
  return parseFrame(frame);
}

function parseFrame(frame: Buffer): ServerMessage {
  let message: unknown;
  new Parser().parse(frame, (parsed) => {
    message = parsed;
  });
  // Frames of unknown type come out as an error made by pg-protocol; real ones are not decoded there.
  if (message === undefined || (message as ServerMessage).name === 'error') throw new ControlError('unknown pkt from server');
  return message as ServerMessage;
}

function decode(frame: Buffer): ServerMessage {
  const body = frame.subarray(5);
  switch (frame[0]) {
    case codes.ERROR_RESPONSE:
      return { name: 'error', report: readReport(body, frame) };
    case codes.NOTICE_RESPONSE:
      return { name: 'notice', report: readReport(body, frame) };
    case codes.BACKEND_KEY_DATA:
      return readCancelKey(body);
    case codes.NEGOTIATE_PROTOCOL_VERSION:
      return readNegotiation(body);
    case codes.AUTHENTICATION:
      return readAuthentication(body, frame);
  }
  try {
    return parseFrame(frame);
  } catch (error) {
    throw error instanceof ControlError ? error : new ControlError(`malformed message from server: ${String(error)}`);
  }
}

/** A server that cannot even fork says `E`, a text and a zero byte, without a length. */
function readOldError(bytes: Buffer): ServerMessage {
  const end = bytes.indexOf(0, 1);
  const text = bytes.toString('utf8', 1, end < 0 ? bytes.length : end).trim();
  const fields = new Map([
    ['S', 'FATAL'],
    ['M', text],
  ]);
  const body = Buffer.from(`${[...fields].map(([code, value]) => `${code}${value}\0`).join('')}\0`);
  const header = Buffer.from([codes.ERROR_RESPONSE, 0, 0, 0, 0]);
  header.writeInt32BE(body.length + 4, 1);
  return { name: 'error', report: new ServerError(fields, Buffer.concat([header, body])) };
}

/** Starts a conversation over a connection that `send` writes to. `maxMessageBytes` bounds one message, header included. */
export function createControl(send: (bytes: Uint8Array) => void, maxMessageBytes: number = MAX_MESSAGE_BYTES): Control {
  let bytes: Buffer = Buffer.alloc(0);
  let isFirst = true;
  let ended: Error | undefined;
  let waiter: { resolve(message: ServerMessage): void; reject(error: unknown): void } | undefined;

  /** The next whole message, if it is there. */
  function take(): ServerMessage | undefined {
    if (bytes.length < 5) return undefined;
    const size = 1 + bytes.readUInt32BE(1);
    if (isFirst && bytes[0] === codes.ERROR_RESPONSE && (size < 9 || size > MAX_ERROR_BYTES)) {
      if (bytes.indexOf(0, 1) < 0 && !ended && bytes.length < MAX_ERROR_BYTES) return undefined;
      const message = readOldError(bytes);
      bytes = Buffer.alloc(0);
      return message;
    }
    if (size < 5 || size > maxMessageBytes) throw new ControlError(`message of ${size - 1} bytes from server`);
    if (bytes.length < size) return undefined;
    const frame = bytes.subarray(0, size);
    bytes = bytes.subarray(size);
    isFirst = false;
    return decode(frame);
  }

  /** Answers the caller that waits, if there is anything to say. */
  function serve(): void {
    if (!waiter) return;
    const { resolve, reject } = waiter;
    let answer: () => void;
    try {
      const message = take();
      if (!message && !ended) return;
      answer = message ? () => resolve(message) : () => reject(ended);
    } catch (error) {
      ended = error as Error;
      bytes = Buffer.alloc(0);
      answer = () => reject(error);
    }
    waiter = undefined;
    answer();
  }

  return {
    send,
    feed(chunk) {
      if (ended) return;
      bytes = bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([bytes, chunk]);
      if (bytes.length > 16 * maxMessageBytes) {
        ended = new ControlError('server sends more than was asked for');
        bytes = Buffer.alloc(0);
      }
      serve();
    },
    end(error = new Error('server conn crashed?')) {
      ended ??= error;
      serve();
    },
    next() {
      if (waiter) throw new Error('two readers of one conversation');
      return new Promise((resolve, reject) => {
        waiter = { resolve, reject };
        serve();
      });
    },
    takeRest() {
      const rest = bytes;
      bytes = Buffer.alloc(0);
      ended ??= new Error('conversation handed over');
      serve();
      return rest;
    },
  };
}

// ---- what we say

/** StartupMessage of protocol 3.0. Throws ControlError when a name or value has a zero byte: it would become another parameter. */
export function startupFrame(parameters: Readonly<Record<string, string>>): Buffer {
  const strings = Object.entries(parameters).flat();
  if (strings.some((string) => string.includes('\0'))) throw new ControlError('zero byte in a startup parameter');
  const body = Buffer.from(`${strings.map((string) => `${string}\0`).join('')}\0`, 'utf8');
  const header = Buffer.alloc(8);
  header.writeInt32BE(8 + body.length, 0);
  header.writeInt32BE(codes.PROTOCOL_3_0, 4);
  return Buffer.concat([header, body]);
}

/** PasswordMessage; the password's bytes as they are. Throws ControlError when one is zero. */
export function passwordFrame(password: Uint8Array): Buffer {
  if (password.includes(0)) throw new ControlError('zero byte in a password');
  const frame = Buffer.alloc(5 + password.length + 1);
  frame[0] = codes.PASSWORD;
  frame.writeInt32BE(4 + password.length + 1, 1);
  frame.set(password, 5);
  return frame;
}

/** SASLInitialResponse. */
export function saslInitialFrame(mechanism: string, message: string): Buffer {
  return serialize.sendSASLInitialResponseMessage(mechanism, message);
}

/** SASLResponse. */
export function saslFrame(message: string): Buffer {
  return serialize.sendSCRAMClientFinalMessage(message);
}

/** What the last statement of a query of ours gave; values are text. */
export interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** Command tag, for example `SELECT 1`; empty for an empty query. */
  readonly tag: string;
  /** Transaction status afterwards: `I`, `T` or `E`. */
  readonly status: string;
}

function questionFrames(text: string, values: readonly (string | null)[] | undefined): Buffer {
  if (!values) return serialize.query(text);
  const parts = [
    serialize.parse({ text }),
    serialize.bind({ values: [...values] }),
    serialize.describe({ type: 'P' }),
    serialize.execute(),
    serialize.sync(),
  ];
  return Buffer.concat(parts);
}

/**
 * Runs a query of ours: by the simple protocol, or by the extended one when `values` (for `$1`, …) are given. Reads to ReadyForQuery.
 * Rejects with the first ServerError, after which the conversation can go on; with anything else it cannot.
 */
export async function ask(control: Control, text: string, values?: readonly (string | null)[]): Promise<Answer> {
  if (text.includes('\0')) throw new ControlError('zero byte in a query');
  control.send(questionFrames(text, values));
  let [columns, rows, tag, answerBytes]: [string[], (readonly (string | null)[])[], string, number] = [[], [], '', 0];
  let failure: ServerError | undefined;
  for (;;) {
    const message = await control.next();
    switch (message.name) {
      case 'rowDescription':
        columns = message.fields.map((field) => field.name);
        rows = [];
        break;
      case 'dataRow':
        answerBytes += message.length;
        if (answerBytes > MAX_ANSWER_BYTES) throw new ControlError(`answer of more than ${MAX_ANSWER_BYTES} bytes`);
        rows.push(message.fields);
        break;
      case 'commandComplete':
        tag = message.text;
        break;
      case 'error':
        failure ??= message.report;
        break;
      case 'copyInResponse':
        control.send(serialize.copyFail('COPY is not for queries of the pooler'));
        break;
      case 'readyForQuery':
        if (failure) throw failure;
        return { columns, rows, tag, status: message.status };
    }
  }
}
