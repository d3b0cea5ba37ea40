/**
 * Random conversations, cut into random pieces: what comes back is what Postgres itself answers, however odd the order of the frames.
 * Seeded, so that every run tries the same ones; a failure prints the smallest conversation that shows it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { answersOf, type Script } from '../integration/side-by-side.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, flush, parse, sync } = frames;

const NAMES = ['', 'a', 'b'];
const TEXTS = [
  'select 1',
  'select $1::int + 1',
  'select i from generate_series(1, 4) i',
  'select 1/0',
  'selec',
  '',
  'begin',
  'commit',
  'rollback',
  'insert into f values (1)',
  'select count(*) from f',
  "set application_name = 'x'",
  "do $$ begin raise notice 'n'; end $$",
  'declare a cursor for values (1), (2)',
];

interface Part {
  readonly said: string;
  readonly bytes: Buffer;
  readonly answers: boolean;
}
const part = (said: string, bytes: Buffer, answers = false): Part => ({ said, bytes, answers });

const name = fc.constantFrom(...NAMES);
const extendedPart: fc.Arbitrary<Part> = fc.oneof(
  fc.tuple(fc.constantFrom(...TEXTS), name).map(([text, to]) => part(`Parse ${to}: ${text}`, parse(text, to))),
  fc
    .tuple(name, name, fc.boolean())
    .map(([statement, portal, value]) =>
      part(`Bind ${portal} of ${statement}${value ? ' with 7' : ''}`, bind({ statement, portal, values: value ? ['7'] : [] })),
    ),
  fc.tuple(name, fc.constantFrom(0, 1, 2)).map(([portal, most]) => part(`Execute ${portal} ${most}`, execute(portal, most))),
  fc.tuple(fc.constantFrom('S' as const, 'P' as const), name).map(([what, of]) => part(`Describe ${what} ${of}`, describeFrame(what, of))),
  fc.tuple(fc.constantFrom('S' as const, 'P' as const), name).map(([what, of]) => part(`Close ${what} ${of}`, close(what, of))),
  fc.constant(part('Flush', flush())),
);
/** What belongs together more often than chance would have it. */
const run: fc.Arbitrary<readonly Part[]> = fc
  .tuple(fc.constantFrom(...TEXTS), name)
  .map(([text, to]) => [
    part(`Parse ${to}: ${text}`, parse(text, to)),
    part(`Bind of ${to}`, bind({ statement: to, values: text.includes('$1') ? ['7'] : [] })),
    part('Execute', execute()),
  ]);
const pipeline: fc.Arbitrary<readonly Part[]> = fc
  .array(
    fc.oneof(
      extendedPart.map((one) => [one]),
      run,
    ),
    { maxLength: 5 },
  )
  .map((parts) => [...parts.flat(), part('Sync', sync(), true)]);
const simple: fc.Arbitrary<readonly Part[]> = fc
  .array(fc.constantFrom(...TEXTS.filter((text) => !text.includes('$1'))), { minLength: 1, maxLength: 3 })
  .map((texts) => [part(`Query ${texts.join('; ')}`, frames.query(texts.join('; ')), true)]);

const conversation = fc.array(fc.oneof({ arbitrary: pipeline, weight: 3 }, { arbitrary: simple, weight: 1 }), {
  minLength: 1,
  maxLength: 8,
});

/** Says it all, cut at these places, in one go or after each answer. */
function saying(parts: readonly Part[], cuts: readonly number[], waits: boolean): Script {
  return async (side) => {
    let answers = 0;
    let pending: Buffer[] = [];
    const send = async (): Promise<void> => {
      const bytes = Buffer.concat(pending);
      pending = [];
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      for (let i = 1; i < places.length; i++) {
        const piece = bytes.subarray(places[i - 1], places[i]);
        if (piece.length > 0) await new Promise<void>((resolve) => side.client.socket.write(piece, () => setImmediate(resolve)));
      }
      await side.until('Z', answers);
      answers = 0;
    };
    for (const { bytes, answers: ready } of parts) {
      pending.push(bytes);
      if (ready) answers += 1;
      if (ready && waits) await send();
    }
    await send();
  };
}

const RUNS = Number(process.env.FUZZ_RUNS ?? 150);
const SEED = Number(process.env.FUZZ_SEED ?? 20_260);

describe('a random conversation is answered as Postgres answers it', () => {
  let postgres: Postgres;
  before(async () => {
    postgres = await startPostgres();
    await query(
      postgres,
      'create table f (a int); create function nothing_in_f() returns trigger language plpgsql as $$ begin return null; end $$',
    );
    // What one side commits must not be seen by the other.
    await query(postgres, 'create trigger t before insert on f for each row execute function nothing_in_f()');
  });
  after(() => postgres?.stop());

  for (const [variant, settings] of Object.entries({
    'in transaction mode': 'pool_mode = transaction\ndefault_pool_size = 1',
    'with one prepared statement for each server': 'pool_mode = transaction\ndefault_pool_size = 2\nmax_prepared_statements = 1',
    'in session mode': 'pool_mode = session\ndefault_pool_size = 1',
  })) {
    it(variant, async () => {
      const shardyard: Shardyard = await startShardyard(
        `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\n${settings}\n`,
      );
      try {
        await fc.assert(
          fc.asyncProperty(conversation, fc.array(fc.nat(2000), { maxLength: 6 }), fc.boolean(), async (requests, cuts, waits) => {
            const parts = requests.flat();
            const script = saying(parts, cuts, waits);
            const [expected, actual] = [await answersOf(postgres, script), await answersOf(shardyard, script)];
            assert.deepEqual(actual, expected, parts.map(({ said }) => said).join('\n'));
          }),
          { numRuns: RUNS, seed: SEED, endOnFailure: process.env.FUZZ_SHRINK === undefined },
        );
      } finally {
        await shardyard.stop();
      }
    });
  }
});
