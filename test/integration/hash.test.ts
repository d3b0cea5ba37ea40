/** The partition hash against a living Postgres: fresh random keys each run, and `satisfies_hash_partition` for shards and buckets. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { bucketOf } from '../../routing/buckets.ts';
import { type Hash64, type KeyValue, keyHash, partitionHash, remainder } from '../../routing/hash.ts';
import { parseInteger, parseUuid } from '../../routing/keys.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';

const signed = ({ hi, lo }: Hash64): string => BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo)).toString();
const keyOf: Readonly<Record<'int8' | 'text' | 'uuid', (text: string) => KeyValue>> = {
  int8: (text) => parseInteger(text)!,
  text: (text) => ({ kind: 'text', bytes: new TextEncoder().encode(text) }),
  uuid: (text) => parseUuid(text)!,
};
const hashFunction = { int8: 'hashint8extended', text: 'hashtextextended', uuid: 'uuid_hash_extended' } as const;

/** Random values of each type; surrogates alone and NUL are no text for Postgres. */
const samples: Readonly<Record<'int8' | 'text' | 'uuid', readonly string[]>> = {
  int8: [...fc.sample(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), 500), ...fc.sample(fc.integer(), 200)].map(String),
  text: fc.sample(fc.string({ unit: 'binary', maxLength: 60 }), 700).map((text) => text.replaceAll('\0', '')),
  uuid: fc.sample(fc.uuid(), 300),
};

describe('the partition hash on a real server', () => {
  let server: Postgres;
  let client: pg.Client;
  before(async () => {
    server = await startPostgres();
    client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' });
    await client.connect();
  });
  after(async () => {
    await client.end();
    await server.stop();
  });

  for (const type of ['int8', 'text', 'uuid'] as const) {
    it(`agrees for ${type}`, async () => {
      const sql = `SELECT ${hashFunction[type]}(v, 8816678312871386365)::text AS hash FROM unnest($1::${type}[]) WITH ORDINALITY AS s(v, i) ORDER BY i`;
      const { rows } = await client.query<{ hash: string }>(sql, [samples[type]]);
      assert.deepEqual(
        samples[type].map((text) => signed(keyHash(keyOf[type](text)))),
        rows.map(({ hash }) => hash),
      );
    });

    it(`puts rows keyed by ${type} where PARTITION BY HASH does, and in the bucket of modulus 4096`, async () => {
      await client.query(`CREATE TABLE by_${type} (key ${type}) PARTITION BY HASH (key)`);
      const places = samples[type].flatMap((text) => {
        const hash = partitionHash(keyOf[type](text));
        return [
          ...[1, 2, 3, 5, 16, 1000].map((modulus) => [text, modulus, remainder(hash, modulus)] as const),
          [text, 4096, bucketOf(hash)] as const,
        ];
      });
      const sql = `SELECT count(*) FILTER (WHERE NOT satisfies_hash_partition('by_${type}'::regclass, modulus, rest, key))::int AS wrong, count(*)::int AS all
        FROM unnest($1::${type}[], $2::int[], $3::int[]) AS s(key, modulus, rest)`;
      const { rows } = await client.query<{ wrong: number; all: number }>(
        sql,
        [0, 1, 2].map((column) => places.map((place) => place[column])),
      );
      assert.deepEqual(rows, [{ wrong: 0, all: places.length }]);
    });
  }

  it('is the same for equal int2, int4 and int8, so a key may be of any of them', async () => {
    const { rows } = await client.query<{ small: string; middle: string; large: string }>(
      `SELECT hashint2extended(v::int2, 8816678312871386365)::text AS small, hashint4extended(v::int4, 8816678312871386365)::text AS middle,
        hashint8extended(v::int8, 8816678312871386365)::text AS large FROM generate_series(-300, 300, 7) AS v`,
    );
    for (const { small, middle, large } of rows) assert.deepEqual([small, middle], [large, large]);
  });
});
