/** SCRAM-SHA-256: the vectors of RFC 7677, both roles against each other, and messages no honest peer sends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  answerServer,
  challengeClient,
  checkClientFinal,
  checkServerFinal,
  openToServer,
  readClientFirst,
  readServerFirst,
  scramNonce,
} from '../../src/auth/scram.ts';
import {
  deriveKeys,
  isPasswordOf,
  MAX_SCRAM_ITERATIONS,
  ScramError,
  type ScramKeys,
  type ScramSecret,
  saltForUser,
} from '../../src/auth/scram-keys.ts';
import { formatScramSecret, parseSecret } from '../../src/auth/secrets.ts';

const RFC_SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const RFC_CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO';
const RFC_SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const RFC_PROOF = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';

async function secretOf(password: Buffer, salt: Buffer, iterations = 1): Promise<ScramSecret> {
  const { storedKey, serverKey } = await deriveKeys(password, salt, iterations);
  return { iterations, salt, storedKey, serverKey };
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A whole exchange; the keys that the SCRAM server learnt, or undefined when it refused. */
function exchange(secret: ScramSecret, keys: ScramKeys): ScramKeys | undefined {
  const nonce = scramNonce();
  const challenge = challengeClient(readClientFirst(bytes(openToServer(nonce))), secret);
  const answer = answerServer(readServerFirst(nonce, bytes(challenge.message)), keys);
  const proved = checkClientFinal(challenge, bytes(answer.message));
  if (proved) checkServerFinal(answer.expected, bytes(proved.message));
  return proved?.keys;
}

test('the exchange of RFC 7677 is answered word for word', async () => {
  const secret = await secretOf(Buffer.from('pencil'), RFC_SALT, 4096);
  const challenge = challengeClient(readClientFirst(bytes(`n,,n=user,r=${RFC_CLIENT_NONCE}`)), secret, RFC_SERVER_NONCE);
  assert.equal(challenge.message, `r=${RFC_CLIENT_NONCE}${RFC_SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
  const proved = checkClientFinal(challenge, bytes(`c=biws,r=${RFC_CLIENT_NONCE}${RFC_SERVER_NONCE},p=${RFC_PROOF}`));
  assert.equal(proved?.message, 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
});

test('a secret made by PgBouncer’s suite is proved by its password', async () => {
  const stored =
    'SCRAM-SHA-256$4096:D76gvGUVj9Z4DNiGoabOBg==$RukL0Xo3Ql/2F9FsD7mcQ3GATG2fD3PA71qY1JagGDs=:BhKUwyyivFm7Tq2jDJVXSVRbRDgTWyBilZKgg6DDuYU=';
  const secret = parseSecret(stored);
  assert.ok(secret.kind === 'scram-sha-256');
  assert.equal(formatScramSecret(secret.scram), stored);
  assert.equal(await isPasswordOf(secret.scram, Buffer.from('foo')), true);
  assert.equal(await isPasswordOf(secret.scram, Buffer.from('bar')), false);
  const keys = await deriveKeys(Buffer.from('foo'), secret.scram.salt, secret.scram.iterations);
  assert.ok(exchange(secret.scram, keys));
});

test('both roles agree on any password, and only on the same one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array({ minLength: 1 }),
      async (one, other, salt) => {
        const secret = await secretOf(Buffer.from(one), Buffer.from(salt));
        const keys = await deriveKeys(Buffer.from(one), Buffer.from(salt), 1);
        const learnt = exchange(secret, keys);
        assert.deepEqual(learnt, { clientKey: keys.clientKey, serverKey: keys.serverKey });
        const wrong = await deriveKeys(Buffer.from(`${other}!${one}`), Buffer.from(salt), 1);
        assert.equal(exchange(secret, wrong), undefined);
      },
    ),
    { numRuns: 60 },
  );
});

test('keys learnt from a client log in where the same secret is stored', async () => {
  const secret = await secretOf(Buffer.from('sésame'), RFC_SALT);
  const learnt = exchange(secret, await deriveKeys(Buffer.from('sésame'), RFC_SALT, 1));
  assert.ok(learnt);
  assert.ok(exchange(secret, learnt));
});

test('the same password is derived once, even by log-ins at the same time', async () => {
  const derive = () => deriveKeys(Buffer.from('once'), saltForUser('someone'), 4096);
  const [one, two] = await Promise.all([derive(), derive()]);
  assert.equal(one, two);
  assert.equal(await derive(), one);
});

test('a password that a client tries is remembered only when it is right', async () => {
  const secret = await secretOf(Buffer.from('right'), RFC_SALT, 2);
  assert.equal(await isPasswordOf(secret, Buffer.from('wrong')), false);
  assert.equal(await isPasswordOf(secret, Buffer.from('right')), true);
  assert.equal(await isPasswordOf(secret, Buffer.from('wrong')), false);
});

test('absurd iteration counts are refused, not computed', async () => {
  await assert.rejects(deriveKeys(Buffer.from('x'), RFC_SALT, MAX_SCRAM_ITERATIONS + 1), ScramError);
  await assert.rejects(deriveKeys(Buffer.from('x'), RFC_SALT, 0), ScramError);
});

test('client-first-messages are read as Postgres reads them', () => {
  assert.deepEqual(readClientFirst(bytes('n,,n=,r=abc')), { bare: 'n=,r=abc', binding: 'biws', nonce: 'abc' });
  assert.deepEqual(readClientFirst(bytes('y,,n=*,r=abc')), { bare: 'n=*,r=abc', binding: 'eSws', nonce: 'abc' });
  assert.equal(readClientFirst(bytes('n,,n=u,r=abc,x=extension')).nonce, 'abc');
  const refused: readonly (readonly [string, RegExp])[] = [
    ['p=tls-server-end-point,,n=,r=abc', /channel binding, but it is not supported/],
    ['n,a=other,n=,r=abc', /authorization identity/],
    ['n,,m=x,n=,r=abc', /unsupported SCRAM extension/],
    ['n,,r=abc', /"n" expected/],
    ['n,,n=u', /"r" expected/],
    ['n,,n=u,r=', /nonce/],
    ['n,,n=u,r=a b', /nonce/],
    ['n,,n=u,r=a\x7f', /nonce/],
    ['n,,n=u,r=a,', /attribute expected/],
    ['n,n=u,r=abc', /header expected/],
    ['x,,n=u,r=abc', /header expected/],
    ['', /header expected/],
    ['n,,n=u,r=a\0b', /zero byte/],
    [`n,,n=u,r=${'a'.repeat(5000)}`, /too long/],
  ];
  for (const [message, reason] of refused) assert.throws(() => readClientFirst(bytes(message)), reason, message);
});

test('client-final-messages must repeat header and nonce and end with the proof', async () => {
  const secret = await secretOf(Buffer.from('pencil'), RFC_SALT, 4096);
  const challenge = challengeClient(readClientFirst(bytes(`n,,n=user,r=${RFC_CLIENT_NONCE}`)), secret, RFC_SERVER_NONCE);
  const nonce = RFC_CLIENT_NONCE + RFC_SERVER_NONCE;
  const refused: readonly (readonly [string, RegExp])[] = [
    [`c=eSws,r=${nonce},p=${RFC_PROOF}`, /channel-binding/],
    [`c=biws,r=${RFC_CLIENT_NONCE},p=${RFC_PROOF}`, /nonce does not match/],
    [`c=biws,r=${nonce}x,p=${RFC_PROOF}`, /nonce does not match/],
    [`r=${nonce},p=${RFC_PROOF}`, /"c" expected/],
    [`c=biws,p=${RFC_PROOF}`, /"r" expected/],
    [`c=biws,r=${nonce}`, /"p" expected/],
    [`c=biws,r=${nonce},p=`, /proof/],
    [`c=biws,r=${nonce},p=AAAA`, /proof/],
    [`c=biws,r=${nonce},p=${RFC_PROOF}!`, /proof/],
    [`c=biws,r=${nonce},p=${RFC_PROOF},x=y`, /"p" expected/],
    [`c=biws,r=${nonce},p=${RFC_PROOF}\0`, /zero byte/],
  ];
  for (const [message, reason] of refused) assert.throws(() => checkClientFinal(challenge, bytes(message)), reason, message);
  const other = Buffer.alloc(32).toString('base64');
  assert.equal(checkClientFinal(challenge, bytes(`c=biws,r=${nonce},p=${other}`)), undefined);
});

test('servers that do not keep to the protocol are refused', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['r=other,s=AAAA,i=4096', /nonce mismatch/],
    ['r=mine,s=AAAA,i=4096', /nonce mismatch/],
    ['r=mine1,s=A,i=4096', /salt/],
    ['r=mine1,s=AAAA,i=0', /iteration/],
    ['r=mine1,s=AAAA,i=4096x', /iteration/],
    ['r=mine1,s=AAAA,i=-1', /iteration/],
    ['r=mine1,s=AAAA,i=2147483647', /iterations/],
    ['r=mine1,s=AAAA,i=4096,x=y', /garbage/],
    ['r=mine1,s=AAAA', /"i" expected/],
    ['', /attribute expected/],
  ];
  for (const [message, reason] of refused) assert.throws(() => readServerFirst('mine', bytes(message)), reason, message);
  const expected = Buffer.alloc(32, 7);
  checkServerFinal(expected, bytes(`v=${expected.toString('base64')}`));
  assert.throws(() => checkServerFinal(expected, bytes('e=other-error')), /error received from server/);
  assert.throws(() => checkServerFinal(expected, bytes('v=AAAA')), /invalid server signature/);
  assert.throws(() => checkServerFinal(expected, bytes(`v=${Buffer.alloc(32).toString('base64')}`)), /invalid server signature/);
  assert.throws(() => checkServerFinal(expected, bytes(`v=${expected.toString('base64')},x=y`)), /garbage/);
});

test('no message, however made, does anything but throw ScramError or give a value', async () => {
  const secret = await secretOf(Buffer.from('pencil'), RFC_SALT);
  const challenge = challengeClient(readClientFirst(bytes('n,,n=,r=abc')), secret);
  const parts = fc.constantFrom(
    'n',
    'y',
    'p',
    ',',
    ',,',
    'n=',
    'r=',
    'abc',
    's=',
    'i=1',
    'c=biws',
    'p=AAAA',
    'v=',
    'e=',
    '=',
    '\0',
    `r=${challenge.nonce}`,
  );
  const message = fc.oneof(
    fc.uint8Array().map((raw) => Buffer.from(raw)),
    fc.array(parts, { maxLength: 12 }).map((pieces) => bytes(pieces.join(''))),
  );
  fc.assert(
    fc.property(message, (raw) => {
      const readers = [readClientFirst, (m: Buffer) => checkClientFinal(challenge, m), (m: Buffer) => readServerFirst('abc', m)];
      for (const read of [...readers, (m: Buffer) => checkServerFinal(secret.serverKey, m)]) {
        try {
          assert.notEqual(read(raw), null);
        } catch (error) {
          assert.ok(error instanceof ScramError, String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});
