/** The partition hash against values that a real server computed; `test/integration/hash.test.ts` asks a living one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Hash64, hashBytes, type KeyValue, keyHash, partitionHash, partitionSeed, remainder } from '../../routing/hash.ts';
import { parseInteger, parseUuid } from '../../routing/keys.ts';
import { integerVectors, textVectors, uuidVectors } from './hash-vectors.ts';

const signed = ({ hi, lo }: Hash64): string => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo)).toString();
const unsigned = ({ hi, lo }: Hash64): bigint => (BigInt(hi) << 32n) | BigInt(lo);
const pairs = (vectors: string): readonly (readonly [string, string])[] =>
  vectors
    .trim()
    .split(/,\s*|\n/)
    .map((pair) => pair.split(' ') as [string, string]);
const text = (value: string): KeyValue => ({ kind: 'text', bytes: new TextEncoder().encode(value) });

describe("Postgres's partition hash", () => {
  it('is the same for integers of every size', () => {
    for (const [value, hash] of pairs(integerVectors)) assert.equal(signed(keyHash(parseInteger(value)!)), hash, value);
  });

  it('is the same for text of every length', () => {
    for (const [value, hash] of textVectors) assert.equal(signed(keyHash(text(value))), hash, value);
  });

  it('is the same for uuids', () => {
    for (const [value, hash] of pairs(uuidVectors)) assert.equal(signed(keyHash(parseUuid(value)!)), hash, value);
  });

  it('takes another seed, and none', () => {
    assert.equal(signed(hashBytes(new TextEncoder().encode('abc'), { hi: 0, lo: 0 })), '-6747756470228489321');
    assert.equal(signed(hashBytes(new TextEncoder().encode('abc'), { hi: 0, lo: 7 })), '1967049030278966041');
  });

  it('combines a row hash as hash_combine64(0, hash) does', () => {
    for (const [value] of pairs(integerVectors)) {
      const key = parseInteger(value)!;
      assert.equal(unsigned(partitionHash(key)), BigInt.asUintN(64, unsigned(keyHash(key)) + 0x49a0f4dd15e5a8e3n), value);
    }
  });

  it('takes remainders of all 64 bits exactly', () => {
    for (const modulus of [1, 2, 3, 5, 7, 97, 1000, 4095, 4096, 65535, 65536])
      for (const [value] of pairs(integerVectors)) {
        const hash = partitionHash(parseInteger(value)!);
        assert.equal(remainder(hash, modulus), Number(unsigned(hash) % BigInt(modulus)));
      }
  });

  it('uses the seed of PostgreSQL', () => {
    assert.equal(unsigned(partitionSeed), 0x7a5b22367996dcfdn);
    assert.equal(unsigned(partitionSeed), 8816678312871386365n);
  });
});
