/**
 * Encoders: values in, one whole protocol message out, as a Buffer of its own. First what we send to clients, then what
 * we send to servers on the forwarding path. Messages without arguments are made once and shared: do not write into them.
 * Reading is `read.ts` and `control.ts`; which error says what is `errors.ts`.
 *
 * Text goes out as UTF-8; give bytes instead of a string where the client's own encoding must survive. A NUL byte would end
 * a protocol string early and turn its rest into other fields, so it is left out of strings and refused in bytes.
 * Shapes: Postgres's manual, "Message Formats".
 */
import * as code from './codes.ts';
import { copyBytes } from './copy.ts';

/** A protocol string: JavaScript text, or bytes in whatever encoding the client uses (without the closing NUL). */
export type Text = string | Uint8Array;

export type Severity = 'ERROR' | 'FATAL' | 'PANIC' | 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG';

/** What an ErrorResponse or NoticeResponse says. `position` counts characters of the query from 1. */
export interface MessageFields {
  readonly severity: Severity;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: number;
}

/** One result column. `typeSize` is pg_type.typlen: negative for variable width. The format is always text. */
export interface ColumnDescription {
  readonly name: string;
  readonly typeOid: number;
  readonly typeSize: number;
}

const HEADER_BYTES = 5;

/** A message with its header written and `bodyBytes` of body still to be filled in. */
function start(type: number, bodyBytes: number): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes);
  out[0] = type;
  out.writeInt32BE(4 + bodyBytes, 1);
  return out;
}

function bare(type: number): Buffer {
  return Buffer.from([type, 0, 0, 0, 4]);
}

function clean(text: Text): Text {
  if (typeof text === 'string') return text.includes('\0') ? text.replaceAll('\0', '') : text;
  if (text.includes(0)) throw new RangeError('a protocol string cannot hold a NUL byte');
  return text;
}

function byteLength(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : text.length;
}

/** Writes `text` and its closing NUL at `at`; gives the place after them. */
function putText(out: Buffer, text: Text, at: number): number {
  const end = at + putBytes(out, text, at);
  out[end] = 0;
  return end + 1;
}

function putBytes(out: Buffer, text: Text, at: number): number {
  if (typeof text === 'string') return out.write(text, at, 'utf8');
  out.set(text, at);
  return text.length;
}

function checkCount(count: number): void {
  if (count > code.MAX_FIELDS) throw new RangeError(`a message can hold ${code.MAX_FIELDS} fields at most, not ${count}`);
}

/** A message whose body is these strings, each closed by a NUL. */
function strings(type: number, ...texts: readonly Text[]): Buffer {
  const cleaned = texts.map(clean);
  const out = start(
    type,
    cleaned.reduce((sum, text) => sum + byteLength(text) + 1, 0),
  );
  let at = HEADER_BYTES;
  for (const text of cleaned) at = putText(out, text, at);
  return out;
}

function fields(type: number, of: MessageFields): Buffer {
  const parts: [number, Text][] = [
    [code.FIELD_SEVERITY, of.severity],
    [code.FIELD_SEVERITY_NONLOCALIZED, of.severity],
    [code.FIELD_SQLSTATE, of.sqlstate],
    [code.FIELD_MESSAGE, clean(of.message)],
  ];
  if (of.detail !== undefined) parts.push([code.FIELD_DETAIL, clean(of.detail)]);
  if (of.hint !== undefined) parts.push([code.FIELD_HINT, clean(of.hint)]);
  if (of.position !== undefined) parts.push([code.FIELD_POSITION, String(of.position)]);
  const out = start(type, parts.reduce((sum, [, text]) => sum + byteLength(text) + 2, 0) + 1);
  let at = HEADER_BYTES;
  for (const [field, text] of parts) {
    out[at] = field;
    at = putText(out, text, at + 1);
  }
  out[at] = 0;
  return out;
}

/** ErrorResponse. A FATAL one must be followed by the end of the connection. */
export function errorResponse(error: MessageFields): Buffer {
  return fields(code.ERROR_RESPONSE, error);
}

/** NoticeResponse: may be sent at any time and changes nothing. */
export function noticeResponse(notice: MessageFields): Buffer {
  return fields(code.NOTICE_RESPONSE, notice);
}

function ready(status: number): Buffer {
  return Buffer.from([code.READY_FOR_QUERY, 0, 0, 0, 5, status]);
}
const READY_IDLE = ready(code.STATUS_IDLE);
const READY_TRANSACTION = ready(code.STATUS_TRANSACTION);
const READY_FAILED = ready(code.STATUS_FAILED);

/** ReadyForQuery; `status` is STATUS_IDLE, STATUS_TRANSACTION or STATUS_FAILED. Shared. */
export function readyForQuery(status: number): Buffer {
  if (status === code.STATUS_IDLE) return READY_IDLE;
  return status === code.STATUS_TRANSACTION ? READY_TRANSACTION : READY_FAILED;
}

export function parameterStatus(name: Text, value: Text): Buffer {
  return strings(code.PARAMETER_STATUS, name, value);
}

/** BackendKeyData: `secret` is 4 bytes in protocol 3.0, 4 to 256 in 3.2. */
export function backendKeyData(pid: number, secret: Uint8Array): Buffer {
  const out = start(code.BACKEND_KEY_DATA, 4 + secret.length);
  out.writeInt32BE(pid | 0, HEADER_BYTES);
  out.set(secret, HEADER_BYTES + 4);
  return out;
}

function authentication(request: number, data: Uint8Array = new Uint8Array(0)): Buffer {
  const out = start(code.AUTHENTICATION, 4 + data.length);
  out.writeInt32BE(request, HEADER_BYTES);
  out.set(data, HEADER_BYTES + 4);
  return out;
}

/** Shared, as the next one. */
export const authenticationOk: Buffer = authentication(code.AUTH_OK);
export const authenticationCleartextPassword: Buffer = authentication(code.AUTH_CLEARTEXT_PASSWORD);

/** `salt` is 4 random bytes. */
export function authenticationMd5Password(salt: Uint8Array): Buffer {
  return authentication(code.AUTH_MD5_PASSWORD, salt);
}

/** AuthenticationSASL: the names of the mechanisms on offer, best first. */
export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return authentication(code.AUTH_SASL, Buffer.from(`${mechanisms.map((name) => `${name}\0`).join('')}\0`));
}

export function authenticationSaslContinue(data: Uint8Array): Buffer {
  return authentication(code.AUTH_SASL_CONTINUE, data);
}

export function authenticationSaslFinal(data: Uint8Array): Buffer {
  return authentication(code.AUTH_SASL_FINAL, data);
}

/**
 * NegotiateProtocolVersion. `version` is the newest one we speak, whole (PROTOCOL_3_0, PROTOCOL_3_2): the manual says
 * "minor version", but Postgres sends and libpq expects major and minor together (backend_startup.c, fe-protocol3.c).
 * `unknownOptions` are the `_pq_.` parameters that we did not understand.
 */
export function negotiateProtocolVersion(version: number, unknownOptions: readonly string[]): Buffer {
  const names = Buffer.from(unknownOptions.map((name) => `${name.replaceAll('\0', '')}\0`).join(''));
  const out = start(code.NEGOTIATE_PROTOCOL_VERSION, 8 + names.length);
  out.writeInt32BE(version, HEADER_BYTES);
  out.writeInt32BE(unknownOptions.length, HEADER_BYTES + 4);
  out.set(names, HEADER_BYTES + 8);
  return out;
}

/** RowDescription of columns that belong to no table, all in text format. */
export function rowDescription(columns: readonly ColumnDescription[]): Buffer {
  checkCount(columns.length);
  const out = start(
    code.ROW_DESCRIPTION,
    columns.reduce((sum, column) => sum + Buffer.byteLength(column.name) + 19, 2),
  );
  let at = out.writeUInt16BE(columns.length, HEADER_BYTES);
  for (const column of columns) {
    at = putText(out, column.name, at);
    at = out.writeInt32BE(0, at); // table
    at = out.writeInt16BE(0, at); // its column
    at = out.writeUInt32BE(column.typeOid, at);
    at = out.writeInt16BE(column.typeSize, at);
    at = out.writeInt32BE(-1, at); // type modifier
    at = out.writeInt16BE(0, at); // text
  }
  return out;
}

/** Values with their lengths in front, as DataRow and Bind have them; null is SQL's NULL. */
function valuesBytes(values: readonly (Text | null)[]): number {
  return values.reduce<number>((sum, value) => sum + 4 + (value === null ? 0 : byteLength(value)), 0);
}

function putValues(out: Buffer, values: readonly (Text | null)[], at: number): number {
  for (const value of values) {
    if (value === null) {
      at = out.writeInt32BE(-1, at);
      continue;
    }
    const length = putBytes(out, value, at + 4);
    out.writeInt32BE(length, at);
    at += 4 + length;
  }
  return at;
}

/** DataRow; a value may be text or bytes. */
export function dataRow(values: readonly (Text | null)[]): Buffer {
  checkCount(values.length);
  const out = start(code.DATA_ROW, 2 + valuesBytes(values));
  putValues(out, values, out.writeUInt16BE(values.length, HEADER_BYTES));
  return out;
}

export function commandComplete(tag: string): Buffer {
  return strings(code.COMMAND_COMPLETE, tag);
}

/** EmptyQueryResponse: what a Query without a statement gets instead of CommandComplete. Shared, as those below. */
export const emptyQuery: Buffer = bare(code.EMPTY_QUERY_RESPONSE);
export const parseComplete: Buffer = bare(code.PARSE_COMPLETE);
export const bindComplete: Buffer = bare(code.BIND_COMPLETE);
export const closeComplete: Buffer = bare(code.CLOSE_COMPLETE);
export const noData: Buffer = bare(code.NO_DATA);
export const portalSuspended: Buffer = bare(code.PORTAL_SUSPENDED);

/** ParameterDescription: the type oid of each parameter. */
export function parameterDescription(typeOids: readonly number[]): Buffer {
  checkCount(typeOids.length);
  const out = start(code.PARAMETER_DESCRIPTION, 2 + 4 * typeOids.length);
  let at = out.writeUInt16BE(typeOids.length, HEADER_BYTES);
  for (const oid of typeOids) at = out.writeUInt32BE(oid, at);
  return out;
}

export function notificationResponse(pid: number, channel: Text, payload: Text): Buffer {
  const [name, rest] = [clean(channel), clean(payload)];
  const out = start(code.NOTIFICATION_RESPONSE, 4 + byteLength(name) + 1 + byteLength(rest) + 1);
  putText(out, rest, putText(out, name, out.writeInt32BE(pid | 0, HEADER_BYTES)));
  return out;
}

// To servers.

/** Query: the simple protocol. */
export function query(text: Text): Buffer {
  return strings(code.QUERY, text);
}

/** Parse; the empty name is the unnamed statement. `typeOids`: 0 leaves a parameter's type to the server. */
export function parse(name: Text, text: Text, typeOids: readonly number[] = []): Buffer {
  checkCount(typeOids.length);
  const [statement, sql] = [clean(name), clean(text)];
  const out = start(code.PARSE, byteLength(statement) + 1 + byteLength(sql) + 1 + 2 + 4 * typeOids.length);
  let at = putText(out, sql, putText(out, statement, HEADER_BYTES));
  at = out.writeUInt16BE(typeOids.length, at);
  for (const oid of typeOids) at = out.writeUInt32BE(oid, at);
  return out;
}

/**
 * Bind. `formats` and `resultFormats` hold 0 (text) or 1 (binary): none at all means text, one means it for all of them.
 * A value is text, bytes, or null.
 */
export function bind(
  portal: Text,
  statement: Text,
  formats: readonly number[],
  values: readonly (Text | null)[],
  resultFormats: readonly number[] = [],
): Buffer {
  for (const list of [formats, values, resultFormats]) checkCount(list.length);
  const names = [clean(portal), clean(statement)] as const;
  const nameBytes = byteLength(names[0]) + byteLength(names[1]) + 2;
  const out = start(code.BIND, nameBytes + 6 + 2 * (formats.length + resultFormats.length) + valuesBytes(values));
  let at = putText(out, names[1], putText(out, names[0], HEADER_BYTES));
  at = putFormats(out, formats, at);
  at = putValues(out, values, out.writeUInt16BE(values.length, at));
  putFormats(out, resultFormats, at);
  return out;
}

function putFormats(out: Buffer, formats: readonly number[], at: number): number {
  let next = out.writeUInt16BE(formats.length, at);
  for (const format of formats) next = out.writeInt16BE(format, next);
  return next;
}

function named(type: number, target: number, name: Text): Buffer {
  const text = clean(name);
  const out = start(type, 1 + byteLength(text) + 1);
  out[HEADER_BYTES] = target;
  putText(out, text, HEADER_BYTES + 1);
  return out;
}

/** Describe; `target` is TARGET_STATEMENT or TARGET_PORTAL. */
export function describe(target: number, name: Text): Buffer {
  return named(code.DESCRIBE, target, name);
}

/** Close; `target` is TARGET_STATEMENT or TARGET_PORTAL. Closing what does not exist is no error. */
export function close(target: number, name: Text): Buffer {
  return named(code.CLOSE, target, name);
}

const STATEMENT = Buffer.from([code.TARGET_STATEMENT]);

/** Describe or Close (`type`) of a statement whose name is given as it is sent, with its NUL. */
export function ofStatement(type: number, name: Buffer): Buffer {
  return frame(type, [STATEMENT, name]);
}

/** Execute; 0 rows means all of them. */
export function execute(portal: Text, maxRows = 0): Buffer {
  const name = clean(portal);
  const out = start(code.EXECUTE, byteLength(name) + 1 + 4);
  out.writeInt32BE(maxRows, putText(out, name, HEADER_BYTES));
  return out;
}

/** Sync. Shared, as those below. */
export const sync: Buffer = bare(code.SYNC);
export const flush: Buffer = bare(code.FLUSH);
export const terminate: Buffer = bare(code.TERMINATE);
export const copyDone: Buffer = bare(code.COPY_DONE);

/** CopyFail: the server answers with an error that quotes `reason`. */
export function copyFail(reason: Text): Buffer {
  return strings(code.COPY_FAIL, reason);
}

/** PasswordMessage: a cleartext or md5 password. */
export function password(secret: Text): Buffer {
  return strings(code.PASSWORD, secret);
}

// Start-up packets have no type byte.

/** StartupMessage of `version` (PROTOCOL_3_0, PROTOCOL_3_2) with its parameters, `user` among them. */
export function startup(version: number, parameters: Iterable<readonly [string, string]>): Buffer {
  let body = '';
  for (const [name, value] of parameters) body += `${name.replaceAll('\0', '')}\0${value.replaceAll('\0', '')}\0`;
  const out = Buffer.allocUnsafe(8 + Buffer.byteLength(body) + 1);
  out.writeInt32BE(out.length, 0);
  out.writeInt32BE(version, 4);
  out[8 + out.write(body, 8)] = 0;
  return out;
}

/** CancelRequest: the key as the server gave it in BackendKeyData. */
export function cancelRequest(pid: number, secret: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(12 + secret.length);
  out.writeInt32BE(out.length, 0);
  out.writeInt32BE(code.CANCEL_REQUEST, 4);
  out.writeInt32BE(pid | 0, 8);
  out.set(secret, 12);
  return out;
}

/** SSLRequest: answered with one byte. Shared. */
export const sslRequest: Buffer = Buffer.alloc(8);
sslRequest.writeInt32BE(8, 0);
sslRequest.writeInt32BE(code.SSL_REQUEST, 4);

/** A copy of the NotificationResponse at [start, end) with another process id. */
export function withPid(chunk: Buffer, start: number, end: number, pid: number): Buffer {
  const copy = Buffer.from(chunk.subarray(start, end));
  copy.writeInt32BE(pid | 0, HEADER_BYTES);
  return copy;
}

/** A frame from its body's parts. */
export function frame(type: number, parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const out = Buffer.allocUnsafe(length + 1);
  out[0] = type;
  out.writeUInt32BE(length, 1);
  let at = 5;
  for (const part of parts) at += copyBytes(part, 0, part.length, out, at);
  return out;
}
