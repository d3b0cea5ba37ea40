/**
 * From what stands in the statement or was bound to it, to the exact value of a shard key; or the reason why there is none.
 * The value must be the one that Postgres would compare or store: where its type rules could make another of it, it is not proven.
 * Reasons never hold the value itself: they end up in messages and logs.
 *
 * Text keys are taken byte by byte, as every deterministic collation compares them. A column of type char(n), or with a
 * nondeterministic collation, is no text key: values that differ in their bytes are equal there.
 */
import type { Operand } from './facts.ts';
import type { KeyValue } from './hash.ts';
import type { BoundValue, Operands } from './plan.ts';
import type { KeyType } from './topology.ts';

/**
 * How the statement uses the value. Compared (`WHERE key = x`), its type decides which `=` is meant; assigned (`INSERT`), it is converted
 * to the column's type. `either`: the facts do not tell, so both must come out the same.
 */
export type KeyUse = 'compared' | 'assigned' | 'either';

/** What a key's operand comes to. `unbound`: the parameter has no value yet. */
export type Key =
  | { readonly kind: 'value'; readonly value: KeyValue }
  | { readonly kind: 'null' }
  | { readonly kind: 'unbound'; readonly reason: string }
  | { readonly kind: 'unproven'; readonly reason: string };

/** What the key is read with. `utf8`: the client's encoding is known to be UTF8; else only plain ASCII text is proven. */
export interface KeyContext {
  readonly type: KeyType;
  readonly use: KeyUse;
  readonly utf8: boolean;
}

const oid = { int8: 20, int2: 21, int4: 23, text: 25, unknown: 705, varchar: 1043, uuid: 2950 } as const;

/** Bytes of the binary form. */
const integerSize: ReadonlyMap<number, number> = new Map([
  [oid.int2, 2],
  [oid.int4, 4],
  [oid.int8, 8],
]);

const unproven = (reason: string): Key => ({ kind: 'unproven', reason });

/** The value of one operand as a key of the context's type. */
export const readKey = (operand: Operand, operands: Operands, context: KeyContext): Key => {
  if (operand.kind === 'null') return { kind: 'null' };
  if (operand.kind === 'literal') return literalKey(operand.text, operand.type, context);
  const bound = operands(operand.index);
  if (!bound) return { kind: 'unbound', reason: `parameter $${operand.index} has no value` };
  if (bound.bytes === null) return { kind: 'null' };
  return boundKey(bound, bound.bytes, `parameter $${operand.index}`, context);
};

const literalKey = (text: string, type: 'integer' | 'string' | 'other', context: KeyContext): Key => {
  if (type === 'other') return unproven('the literal is neither an integer nor a string');
  if (type === 'integer') return integerLiteral(text, context);
  if (context.type === 'text') return textKey(new TextEncoder().encode(text), 'the literal', context);
  const value = context.type === 'uuid' ? parseUuid(text) : parseInteger(text);
  return value ? { kind: 'value', value } : unproven(`the literal is not ${named[context.type]}`);
};

const named: Readonly<Record<KeyType, string>> = { integer: 'an integer of 64 bits', text: 'text', uuid: 'a uuid' };

const integerLiteral = (text: string, { type, use }: KeyContext): Key => {
  const value = parseInteger(text);
  if (type === 'integer') return value ? { kind: 'value', value } : unproven('the literal is not an integer of 64 bits');
  if (type === 'text' && use === 'assigned' && value) return { kind: 'value', value: decimal(value) };
  return unproven(`the literal is an integer, the key is ${type}`);
};

const boundKey = (bound: BoundValue, bytes: Uint8Array, name: string, context: KeyContext): Key => {
  const type = bound.type === oid.unknown ? 0 : bound.type;
  if (context.type === 'integer') return integerParameter(bound.format, type, bytes, name);
  if (context.type === 'uuid') return uuidParameter(bound.format, type, bytes, name);
  if (type === 0 || type === oid.text || type === oid.varchar) return textKey(bytes, name, context);
  const integer = context.use === 'assigned' ? integerParameter(bound.format, type, bytes, name) : undefined;
  if (integer?.kind === 'value' && integer.value.kind === 'integer') return { kind: 'value', value: decimal(integer.value) };
  return wrongType(name, type, 'text');
};

const wrongType = (name: string, type: number, key: KeyType): Key => unproven(`${name} has the type with oid ${type}, the key is ${key}`);

const integerParameter = (format: BoundValue['format'], type: number, bytes: Uint8Array, name: string): Key => {
  const size = integerSize.get(type);
  if (type !== 0 && size === undefined) return wrongType(name, type, 'integer');
  const value = format === 'text' ? (plainDigits(bytes) ?? parseInteger(ascii(bytes))) : binaryInteger(bytes, size);
  if (!value || (size !== undefined && !fits(value, size))) return unproven(`${name} is not an integer of its type`);
  return { kind: 'value', value };
};

const uuidParameter = (format: BoundValue['format'], type: number, bytes: Uint8Array, name: string): Key => {
  if (type !== 0 && type !== oid.uuid) return wrongType(name, type, 'uuid');
  if (format === 'binary')
    return bytes.length === 16 ? { kind: 'value', value: { kind: 'uuid', bytes } } : unproven(`${name} is not a uuid`);
  const value = parseUuid(ascii(bytes));
  return value ? { kind: 'value', value } : unproven(`${name} is not a uuid`);
};

const space = 0x20;

const textKey = (bytes: Uint8Array, name: string, { use, utf8 }: KeyContext): Key => {
  if (!utf8 && bytes.some((byte) => byte > 0x7f)) return unproven(`${name} is not ASCII, and the client encoding is not known to be UTF8`);
  // Storing into varchar(n) may cut spaces off the end, and the row would then have another key than the one hashed here.
  if (use !== 'compared' && bytes.at(-1) === space) return unproven(`${name} ends in a space, which a varchar column may cut off`);
  return { kind: 'value', value: { kind: 'text', bytes } };
};

type Integer = Extract<KeyValue, { kind: 'integer' }>;
type Uuid = Extract<KeyValue, { kind: 'uuid' }>;

/** A safe integer in two halves of two's complement. */
const halves = (value: number): Integer => {
  const hi = Math.floor(value / 0x100000000);
  return { kind: 'integer', hi: hi >>> 0, lo: (value - hi * 0x100000000) >>> 0 };
};

const toBigInt = ({ hi, lo }: Integer): bigint => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo));

/** What an integer becomes when it is assigned to a text column. */
const decimal = (value: Integer): KeyValue => ({ kind: 'text', bytes: new TextEncoder().encode(toBigInt(value).toString()) });

/** Whether a value is in the range of an integer of `size` bytes. */
const fits = ({ hi, lo }: Integer, size: number): boolean => {
  if (size === 8) return true;
  const low = size === 2 ? (lo << 16) >> 16 : lo | 0;
  return low === (lo | 0) && hi === (low < 0 ? 0xffffffff : 0);
};

/** Long enough for every spelling of 64 bits, short enough to stop at once on rubbish. */
const longest = 200;

const ascii = (bytes: Uint8Array): string => (bytes.length > longest ? '' : String.fromCharCode(...bytes));

/** The common spelling, 1 to 15 digits and nothing else, without making a string of it. */
const plainDigits = (bytes: Uint8Array): Integer | undefined => {
  if (bytes.length === 0 || bytes.length > 15) return undefined;
  let value = 0;
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return undefined;
    value = value * 10 + (byte - 0x30);
  }
  return halves(value);
};

const spelling = /^[ \t\n\v\f\r]*([+-]?)(?:(\d+(?:_\d+)*)|(0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+))[ \t\n\v\f\r]*$/;

/**
 * An integer as the newest `int8in` reads it (pg_strtoint64_safe): spaces around, a sign, decimal, 0x, 0o or 0b, underscores between digits.
 * undefined for anything else and beyond 64 bits. Older servers refuse some spellings; they never read another number.
 */
export const parseInteger = (text: string): Integer | undefined => {
  if (text.length > longest) return undefined;
  const [, sign, digits, based] = spelling.exec(text) ?? [];
  const joined = (digits ?? based)?.replaceAll('_', '');
  if (joined === undefined) return undefined;
  if (digits !== undefined && joined.length <= 15) return halves(sign === '-' ? -Number(joined) : Number(joined));
  const magnitude = BigInt(joined);
  const value = sign === '-' ? -magnitude : magnitude;
  if (BigInt.asIntN(64, value) !== value) return undefined;
  return { kind: 'integer', hi: Number((value >> 32n) & 0xffffffffn), lo: Number(value & 0xffffffffn) };
};

/** The binary form of int2, int4, int8. Without a declared type the length tells: the server would refuse any other. */
const binaryInteger = (bytes: Uint8Array, size: number | undefined): Integer | undefined => {
  const { length } = bytes;
  if (size === undefined ? length !== 2 && length !== 4 && length !== 8 : length !== size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (length === 8) return { kind: 'integer', hi: view.getUint32(0), lo: view.getUint32(4) };
  return halves(length === 4 ? view.getInt32(0) : view.getInt16(0));
};

const uuidSpelling = /^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$/i;

/** A uuid as `uuid_in` (string_to_uuid) reads it: any case, a hyphen after any group of four digits, braces around it all. */
export const parseUuid = (text: string): Uuid | undefined => {
  const inner = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (!uuidSpelling.test(inner)) return undefined;
  const digits = inner.replaceAll('-', '');
  return { kind: 'uuid', bytes: Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)) };
};
