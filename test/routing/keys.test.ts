/** From operands to key values: what Postgres would take for the same value, and nothing else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operand } from '../../routing/facts.ts';
import type { KeyValue } from '../../routing/hash.ts';
import { type KeyContext, parseInteger, parseUuid, readKey } from '../../routing/keys.ts';
import type { BoundValue } from '../../routing/plan.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const shown = (value: KeyValue): string => {
  if (value.kind === 'integer') return BigInt.asIntN(64, (BigInt(value.hi) << 32n) | BigInt(value.lo)).toString();
  return value.kind === 'text' ? `'${new TextDecoder().decode(value.bytes)}'` : Buffer.from(value.bytes).toString('hex');
};
const context = (type: KeyContext['type'], more: Partial<KeyContext> = {}): KeyContext => ({ type, use: 'compared', utf8: true, ...more });
const read = (operand: Operand, where: KeyContext, bound?: BoundValue): string => {
  const key = readKey(operand, (index) => (index === 1 ? bound : undefined), where);
  return key.kind === 'value' ? shown(key.value) : key.kind === 'null' ? 'null' : `${key.kind}: ${key.reason}`;
};
const literal = (text: string, type: 'integer' | 'string' | 'other', where: KeyContext): string =>
  read({ kind: 'literal', text, type }, where);
const param = (format: 'text' | 'binary', type: number, value: string | Uint8Array | null, where: KeyContext): string =>
  read({ kind: 'param', index: 1 }, where, { format, type, bytes: typeof value === 'string' ? bytes(value) : value });
const big = (size: 2 | 4 | 8, value: bigint): Uint8Array => {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 8) view.setBigInt64(0, value);
  else if (size === 4) view.setInt32(0, Number(value));
  else view.setInt16(0, Number(value));
  return new Uint8Array(view.buffer);
};

const int8 = 20;
const int2 = 21;
const int4 = 23;
const numeric = 1700;
const textType = 25;
const varchar = 1043;
const bpchar = 1042;
const name = 19;
const unknown = 705;
const uuid = 2950;

describe('integers in text', () => {
  for (const [text, value] of [
    ['0', '0'],
    ['-0', '0'],
    ['+7', '7'],
    [' \t\n\v\f\r7 ', '7'],
    ['007', '7'],
    ['-1', '-1'],
    ['-4294967296', '-4294967296'],
    ['4294967295', '4294967295'],
    ['999999999999999', '999999999999999'],
    ['-999999999999999', '-999999999999999'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['0000000000000000000000000000000000042', '42'],
    ['1_000', '1000'],
    ['0x1F', '31'],
    ['-0x8000000000000000', '-9223372036854775808'],
    ['0o17', '15'],
    ['0b1_0', '2'],
    ['0x_1f', '31'],
  ] as const)
    it(`${JSON.stringify(text)} is ${value}`, () => assert.equal(shown(parseInteger(text)!), value));

  for (const text of [
    ...['', ' ', '-', '+-1', '- 1', '1 2', '1.0', '1e3', 'NaN', '_1', '1_', '1__0', '0x', '0xg', '0b2', '0o8', '١', '\u00a01', '1\0'],
    ...['9223372036854775808', '-9223372036854775809', '99999999999999999999', '0xffffffffffffffff', `${'0'.repeat(300)}1`],
  ])
    it(`${JSON.stringify(text)} is none`, () => assert.equal(parseInteger(text), undefined));
});

describe('uuids in text', () => {
  const canonical = 'a0eebc999c0b4ef8bb6d6bb9bd380a11';
  for (const text of [
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
    '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
    'a0eebc999c0b4ef8bb6d6bb9bd380a11',
    'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11',
    '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}',
  ])
    it(`${text} is one`, () => assert.equal(shown(parseUuid(text)!), canonical));
  for (const text of [
    ...['', `${canonical}-`, `-${canonical}`, `{${canonical}`, `${canonical}}`, ` ${canonical}`, `${canonical}0`, canonical.slice(1)],
    ...['a-0eebc999c0b4ef8bb6d6bb9bd380a11', 'a0eebc99--9c0b4ef8bb6d6bb9bd380a11', 'g0eebc999c0b4ef8bb6d6bb9bd380a11'],
  ])
    it(`${JSON.stringify(text)} is none`, () => assert.equal(parseUuid(text), undefined));
});

describe('literals', () => {
  it('an integer or a quoted integer is an integer key', () => {
    assert.equal(literal('42', 'integer', context('integer')), '42');
    assert.equal(literal(' 42 ', 'string', context('integer')), '42');
    assert.equal(literal('9999999999999999999', 'integer', context('integer')), 'unproven: the literal is not an integer of 64 bits');
    assert.equal(literal('abc', 'string', context('integer')), 'unproven: the literal is not an integer of 64 bits');
    assert.equal(literal('1.5', 'other', context('integer')), 'unproven: the literal is neither an integer nor a string');
  });

  it('an integer becomes text when it is assigned, and only then', () => {
    assert.equal(literal('0123', 'integer', context('text', { use: 'assigned' })), "'123'");
    assert.equal(literal('-5', 'integer', context('text', { use: 'assigned' })), "'-5'");
    assert.equal(literal('123', 'integer', context('text')), 'unproven: the literal is an integer, the key is text');
    assert.equal(literal('123', 'integer', context('text', { use: 'either' })), 'unproven: the literal is an integer, the key is text');
  });

  it('a string that looks like a number stays text for a text key', () => {
    assert.equal(literal('0123', 'string', context('text')), "'0123'");
    assert.equal(literal('0123', 'string', context('text', { use: 'assigned' })), "'0123'");
  });

  it('a string is a uuid key when it is one', () => {
    assert.equal(literal('{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', 'string', context('uuid')), 'a0eebc999c0b4ef8bb6d6bb9bd380a11');
    assert.equal(literal('x', 'string', context('uuid')), 'unproven: the literal is not a uuid');
    assert.equal(literal('1', 'integer', context('uuid')), 'unproven: the literal is an integer, the key is uuid');
  });

  it('text beyond ASCII needs UTF8', () => {
    assert.equal(literal('é', 'string', context('text')), "'é'");
    assert.match(literal('é', 'string', context('text', { utf8: false })), /^unproven: the literal is not ASCII/);
    assert.equal(literal('e', 'string', context('text', { utf8: false })), "'e'");
  });

  it('text that ends in a space is not proven where it is stored', () => {
    assert.equal(literal('a ', 'string', context('text')), "'a '");
    assert.match(literal('a ', 'string', context('text', { use: 'assigned' })), /^unproven: the literal ends in a space/);
    assert.match(literal('a ', 'string', context('text', { use: 'either' })), /^unproven: the literal ends in a space/);
  });

  it('NULL is null', () => {
    assert.equal(read({ kind: 'null' }, context('integer')), 'null');
  });
});

describe('parameters', () => {
  it('without a value are unbound, with NULL are null', () => {
    assert.equal(read({ kind: 'param', index: 2 }, context('integer')), 'unbound: parameter $2 has no value');
    assert.equal(param('text', 0, null, context('integer')), 'null');
  });

  it('of integer types in text', () => {
    for (const type of [0, unknown, int2, int4, int8]) assert.equal(param('text', type, ' -42', context('integer')), '-42');
    assert.equal(param('text', int8, '3000000000', context('integer')), '3000000000');
    assert.equal(param('text', int4, '3000000000', context('integer')), 'unproven: parameter $1 is not an integer of its type');
    assert.equal(param('text', int4, '-2147483648', context('integer')), '-2147483648');
    assert.equal(param('text', int2, '32768', context('integer')), 'unproven: parameter $1 is not an integer of its type');
    assert.equal(param('text', int2, '-32768', context('integer')), '-32768');
    assert.equal(param('text', 0, '5.0', context('integer')), 'unproven: parameter $1 is not an integer of its type');
  });

  it('of every spelling are read alike in text', () => {
    for (const text of ['0', '7', '007', '4294967296', '999999999999999', '1000000000000000', '-7', ' 7', '7 ', '+7', '0x7', '1_0'])
      assert.equal(param('text', 0, text, context('integer')), shown(parseInteger(text)!));
    for (const text of ['', 'a', '7a', '/', ':', '9223372036854775808'])
      assert.match(param('text', 0, text, context('integer')), /^unproven/);
  });

  it('of integer types in binary', () => {
    for (const type of [0, int8]) assert.equal(param('binary', type, big(8, -5_000_000_000n), context('integer')), '-5000000000');
    for (const type of [0, int4]) assert.equal(param('binary', type, big(4, -5n), context('integer')), '-5');
    for (const type of [0, int2]) assert.equal(param('binary', type, big(2, -5n), context('integer')), '-5');
    assert.equal(param('binary', int8, big(8, 2n ** 63n - 1n), context('integer')), '9223372036854775807');
    assert.equal(param('binary', int8, big(4, 5n), context('integer')), 'unproven: parameter $1 is not an integer of its type');
    assert.equal(param('binary', 0, new Uint8Array(3), context('integer')), 'unproven: parameter $1 is not an integer of its type');
  });

  it('in a view of a larger buffer are read at their own place', () => {
    const buffer = new Uint8Array(16);
    buffer.set(big(8, 77n), 5);
    assert.equal(param('binary', int8, buffer.subarray(5, 13), context('integer')), '77');
  });

  it('of other types do not prove an integer key', () => {
    for (const type of [numeric, 701, textType, varchar, 26])
      assert.equal(
        param('text', type, '5', context('integer')),
        `unproven: parameter $1 has the type with oid ${type}, the key is integer`,
      );
  });

  it('of text types prove a text key in both formats', () => {
    for (const type of [0, unknown, textType, varchar])
      for (const format of ['text', 'binary'] as const) assert.equal(param(format, type, 'acme', context('text')), "'acme'");
    for (const type of [bpchar, name, int4])
      assert.equal(param('text', type, '5', context('text')), `unproven: parameter $1 has the type with oid ${type}, the key is text`);
    assert.match(param('text', 0, 'é', context('text', { utf8: false })), /^unproven: parameter \$1 is not ASCII/);
    assert.equal(param('text', 0, 'é', context('text')), "'é'");
    assert.equal(param('text', 0, '', context('text')), "''");
  });

  it('of integer types become text where they are assigned', () => {
    assert.equal(param('text', int4, ' 007', context('text', { use: 'assigned' })), "'7'");
    assert.equal(param('binary', int8, big(8, -9n), context('text', { use: 'assigned' })), "'-9'");
    assert.match(param('text', numeric, '7', context('text', { use: 'assigned' })), /^unproven/);
    assert.match(param('binary', int8, big(8, -9n), context('text', { use: 'either' })), /^unproven/);
  });

  it('of type uuid prove a uuid key in both formats', () => {
    const raw = Uint8Array.from({ length: 16 }, (_, i) => i);
    for (const type of [0, uuid]) {
      assert.equal(param('binary', type, raw, context('uuid')), '000102030405060708090a0b0c0d0e0f');
      assert.equal(param('text', type, '00010203-0405-0607-0809-0a0b0c0d0e0f', context('uuid')), '000102030405060708090a0b0c0d0e0f');
    }
    assert.equal(param('binary', uuid, raw.subarray(1), context('uuid')), 'unproven: parameter $1 is not a uuid');
    assert.match(param('text', textType, '00010203-0405-0607-0809-0a0b0c0d0e0f', context('uuid')), /^unproven/);
  });

  it('show no value in a reason', () => {
    for (const type of ['integer', 'uuid'] as const) assert.doesNotMatch(param('text', 0, 'secret', context(type)), /secret/);
  });
});
