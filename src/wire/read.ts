/**
 * Decoders for the few bodies that a decision needs: what clients send at start-up and in Query, Parse, Bind, Describe, Execute and Close,
 * and the fields of errors. Positions are of the whole frame: `start` is its type byte, the body begins 5 bytes later. Nothing here throws;
 * a body that breaks its own rules gives undefined.
 *
 * Strings are read as latin1, one character for each byte: lossless whatever the client's encoding is, and the cheapest key for a cache.
 */
import { FIELD_DETAIL, FIELD_HINT, FIELD_MESSAGE, FIELD_SEVERITY, FIELD_SEVERITY_NONLOCALIZED, FIELD_SQLSTATE } from './codes.ts';

/** Bytes [start, end) as a latin1 string. Node's own name for it saves the look-up of the encoding, which counts on the hot path. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as Buffer & { latin1Slice(start: number, end: number): string }).latin1Slice(start, end);
}

/** A text that was read as latin1, by characters: what its bytes mean in UTF-8. */
export function utf8OfLatin1(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

/** The way back: the text's bytes in UTF-8, read as latin1. */
export function latin1OfUtf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The NUL-terminated string at `at`, or what is left before `end`. */
export function cString(bytes: Buffer, at: number, end: number): string {
  const nul = bytes.indexOf(0, at);
  return latin1(bytes, at, nul < 0 || nul > end ? end : nul);
}

/** Where the NUL-terminated string that begins at `at` ends (its NUL's place); undefined when there is none before `end`. */
export function stringEnd(bytes: Buffer, at: number, end: number): number | undefined {
  const nul = at < end ? bytes.indexOf(0, at) : -1;
  return nul < 0 || nul >= end ? undefined : nul;
}

/** The text of a Query frame. */
export function queryText(bytes: Buffer, start: number, end: number): string | undefined {
  const nul = stringEnd(bytes, start + 5, end);
  return nul === end - 1 ? latin1(bytes, start + 5, nul) : undefined;
}

export interface ParseBody {
  readonly name: string;
  readonly text: string;
  /** Where the body goes on after the name: text, types. */
  readonly afterName: number;
  readonly types: readonly number[];
}

const NO_TYPES: readonly number[] = [];

/** `withText` false leaves the text out (empty), where it is known. */
export function parseBody(bytes: Buffer, start: number, end: number, withText = true): ParseBody | undefined {
  const nameEnd = stringEnd(bytes, start + 5, end);
  if (nameEnd === undefined) return undefined;
  const textEnd = stringEnd(bytes, nameEnd + 1, end);
  if (textEnd === undefined || textEnd + 3 > end) return undefined;
  const count = bytes.readUInt16BE(textEnd + 1);
  if (textEnd + 3 + 4 * count !== end) return undefined;
  let types = NO_TYPES;
  if (count > 0) types = Array.from({ length: count }, (_, i) => bytes.readUInt32BE(textEnd + 3 + 4 * i));
  const text = withText ? latin1(bytes, nameEnd + 1, textEnd) : '';
  return { name: latin1(bytes, start + 5, nameEnd), text, afterName: nameEnd + 1, types };
}

export interface BindNames {
  readonly portal: string;
  readonly statement: string;
  /** Where the body goes on after both names: formats, values, result formats. */
  readonly afterNames: number;
}

export function bindNames(bytes: Buffer, start: number, end: number): BindNames | undefined {
  const portalEnd = stringEnd(bytes, start + 5, end);
  if (portalEnd === undefined) return undefined;
  const statementEnd = stringEnd(bytes, portalEnd + 1, end);
  if (statementEnd === undefined) return undefined;
  const portal = latin1(bytes, start + 5, portalEnd);
  return { portal, statement: latin1(bytes, portalEnd + 1, statementEnd), afterNames: statementEnd + 1 };
}

/** One bound parameter: its format code (0 text, 1 binary) and its bytes, a view. */
export interface BoundBytes {
  readonly format: number;
  readonly bytes: Buffer | null;
}

/** The parameters of a Bind frame, from the place after its names; undefined when the body is malformed. */
export function boundParameters(bytes: Buffer, afterNames: number, end: number): BoundBytes[] | undefined {
  let at = afterNames;
  if (at + 2 > end) return undefined;
  const formatCount = bytes.readUInt16BE(at);
  const formatsAt = at + 2;
  at = formatsAt + 2 * formatCount;
  if (at + 2 > end) return undefined;
  const count = bytes.readUInt16BE(at);
  at += 2;
  if (formatCount > 1 && formatCount !== count) return undefined;
  const values: BoundBytes[] = [];
  for (let i = 0; i < count; i++) {
    if (at + 4 > end) return undefined;
    const length = bytes.readInt32BE(at);
    at += 4;
    const format = formatCount === 0 ? 0 : bytes.readUInt16BE(formatsAt + 2 * (formatCount === 1 ? 0 : i));
    if (length < -1 || (length > 0 && at + length > end)) return undefined;
    values.push({ format, bytes: length < 0 ? null : bytes.subarray(at, at + length) });
    at += Math.max(length, 0);
  }
  return values;
}

/** Describe and Close: what it is about (`S` statement, `P` portal) and its name. */
export function namedTarget(bytes: Buffer, start: number, end: number): { readonly target: number; readonly name: string } | undefined {
  if (start + 6 >= end) return undefined;
  const nul = stringEnd(bytes, start + 6, end);
  return nul === end - 1 ? { target: bytes[start + 5]!, name: latin1(bytes, start + 6, nul) } : undefined;
}

/** Execute: the portal's name and the row limit (0: none). */
export function executeBody(bytes: Buffer, start: number, end: number): { readonly portal: string; readonly maxRows: number } | undefined {
  const nul = stringEnd(bytes, start + 5, end);
  if (nul === undefined || nul + 5 !== end) return undefined;
  return { portal: latin1(bytes, start + 5, nul), maxRows: bytes.readInt32BE(nul + 1) };
}

/** The fields of an ErrorResponse or NoticeResponse that we look at, decoded as UTF-8. */
export interface ReadFields {
  severity?: string;
  sqlstate?: string;
  message?: string;
  detail?: string;
  hint?: string;
}

export function messageFields(bytes: Buffer, start: number, end: number): ReadFields {
  const fields: ReadFields = {};
  let at = start + 5;
  while (at < end && bytes[at] !== 0) {
    const field = bytes[at]!;
    const nul = stringEnd(bytes, at + 1, end);
    if (nul === undefined) break;
    const value = bytes.toString('utf8', at + 1, nul);
    if (field === FIELD_SEVERITY_NONLOCALIZED || (field === FIELD_SEVERITY && fields.severity === undefined)) fields.severity = value;
    else if (field === FIELD_SQLSTATE) fields.sqlstate = value;
    else if (field === FIELD_MESSAGE) fields.message = value;
    else if (field === FIELD_DETAIL) fields.detail = value;
    else if (field === FIELD_HINT) fields.hint = value;
    at = nul + 1;
  }
  return fields;
}

/** The pairs of a start-up packet's body (after the version), decoded as UTF-8; undefined when a name or value is cut off. */
export function startupParameters(body: Buffer): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const nameEnd = stringEnd(body, at, body.length);
    const valueEnd = nameEnd === undefined ? undefined : stringEnd(body, nameEnd + 1, body.length);
    if (nameEnd === undefined || valueEnd === undefined) return undefined;
    parameters.set(latin1(body, at, nameEnd), latin1(body, nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  return at === body.length - 1 ? parameters : undefined;
}
