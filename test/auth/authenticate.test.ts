/** Who is let in, with which words others are turned away, and that those words do not tell what was wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Authenticated, type AuthenticationRequest, type AuthType, authenticate } from '../../src/auth/authenticate.ts';
import { md5Answer, md5Secret } from '../../src/auth/md5.ts';
import { answerServer, checkServerFinal, openToServer, readServerFirst, scramNonce } from '../../src/auth/scram.ts';
import { deriveKeys } from '../../src/auth/scram-keys.ts';
import { formatScramSecret, parseSecret, type Secret } from '../../src/auth/secrets.ts';

const PASSWORD = 0x70;
const ASK_CLEARTEXT = 3;
const ASK_MD5 = 5;
const ASK_SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;

interface Asked {
  readonly code: number;
  readonly data: Buffer;
}

/** A scripted client: `answer` is called with each request and gives the body of the next message. */
interface Run {
  readonly result: Authenticated;
  readonly asked: readonly Asked[];
}
type Answer = (asked: Asked) => Buffer | Promise<Buffer>;

async function run(request: AuthenticationRequest, answer: Answer, type = PASSWORD): Promise<Run> {
  const asked: Asked[] = [];
  const port = {
    send(frame: Uint8Array) {
      const bytes = Buffer.from(frame);
      assert.equal(bytes[0], 0x52);
      assert.equal(bytes.readInt32BE(1), bytes.length - 1);
      asked.push({ code: bytes.readInt32BE(5), data: bytes.subarray(9) });
    },
    read: async () => ({ type, body: await answer(asked.at(-1)!) }),
  };
  const result = await authenticate(port, request);
  return { result, asked };
}

/** An honest client that knows `password`. */
function client(user: string, password: string): Answer {
  const nonce = scramNonce();
  return async ({ code, data }) => {
    const zero = (text: string) => Buffer.from(`${text}\0`);
    if (code === ASK_CLEARTEXT) return zero(password);
    if (code === ASK_MD5) return zero(md5Answer(md5Secret(Buffer.from(password), user), data));
    if (code === ASK_SASL) return saslInitial('SCRAM-SHA-256', openToServer(nonce));
    assert.equal(code, SASL_CONTINUE);
    const first = readServerFirst(nonce, data);
    const keys = await deriveKeys(Buffer.from(password), first.salt, first.iterations);
    return Buffer.from(answerServer(first, keys).message);
  };
}

function saslInitial(mechanism: string, message: string, length = Buffer.byteLength(message)): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(length);
  return Buffer.concat([Buffer.from(`${mechanism}\0`), size, Buffer.from(message)]);
}

async function scramSecret(password: string): Promise<Secret> {
  const salt = Buffer.from('0123456789abcdef');
  const { storedKey, serverKey } = await deriveKeys(Buffer.from(password), salt, 4096);
  return parseSecret(formatScramSecret({ iterations: 4096, salt, storedKey, serverKey }));
}

function request(authType: AuthType, secret: Secret | undefined, more: Partial<AuthenticationRequest> = {}): AuthenticationRequest {
  return { authType, user: 'alice', database: 'shop', databaseKnown: true, secret, scramIterations: 4096, ...more };
}

/** What a client sees, values that must differ each time replaced by their form. */
function seen({ result, asked }: Run): unknown {
  const shown = asked.map(({ code, data }) => {
    const text = data.toString('latin1').replace(/r=[^,]+/, (nonce) => `r=(${nonce.length})`);
    return [code, code === ASK_MD5 ? data.length : text];
  });
  return { shown, result: result.ok ? 'ok' : [result.message, result.sqlstate] };
}

const plain = parseSecret('sésame');
const md5 = parseSecret(md5Secret(Buffer.from('sésame'), 'alice'));

test('every auth_type lets in the right password and nobody else, whatever is stored', async () => {
  const scram = await scramSecret('sésame');
  const rows: readonly (readonly [AuthType, Secret, boolean, readonly number[]])[] = [
    ['any', plain, true, []],
    ['trust', plain, true, []],
    ['plain', plain, true, [ASK_CLEARTEXT]],
    ['plain', md5, true, [ASK_CLEARTEXT]],
    ['plain', scram, true, [ASK_CLEARTEXT]],
    ['md5', plain, true, [ASK_MD5]],
    ['md5', md5, true, [ASK_MD5]],
    ['md5', scram, true, [ASK_SASL, SASL_CONTINUE, SASL_FINAL]],
    ['scram-sha-256', plain, true, [ASK_SASL, SASL_CONTINUE, SASL_FINAL]],
    ['scram-sha-256', md5, false, [ASK_SASL, SASL_CONTINUE]],
    ['scram-sha-256', scram, true, [ASK_SASL, SASL_CONTINUE, SASL_FINAL]],
  ];
  for (const [authType, secret, isLetIn, codes] of rows) {
    const name = `${authType} with ${secret.kind}`;
    const right = await run(request(authType, secret), client('alice', 'sésame'));
    assert.equal(right.result.ok, isLetIn, name);
    assert.deepEqual(
      right.asked.map(({ code }) => code),
      codes,
      name,
    );
    if (codes.length === 0) continue;
    const wrong = await run(request(authType, secret), client('alice', 'Sésame'));
    const text = codes[0] === ASK_SASL ? 'SASL authentication failed' : 'password authentication failed';
    assert.ok(!wrong.result.ok);
    assert.deepEqual([wrong.result.message, wrong.result.sqlstate], [text, '28P01'], name);
    assert.equal(
      wrong.result.logReason,
      secret === md5 && codes[0] === ASK_SASL ? 'wrong password type: user has an md5 secret' : 'wrong password',
    );
  }
});

test('SCRAM proves us to the client, and gives keys only when a SCRAM secret is stored', async () => {
  const scram = await scramSecret('sésame');
  assert.ok(scram.kind === 'scram-sha-256');
  const nonce = scramNonce();
  let expected: Buffer = Buffer.alloc(0);
  const keys = await deriveKeys(Buffer.from('sésame'), scram.scram.salt, 4096);
  const { result, asked } = await run(request('scram-sha-256', scram), ({ code, data }) => {
    if (code === ASK_SASL) return saslInitial('SCRAM-SHA-256', openToServer(nonce));
    const answer = answerServer(readServerFirst(nonce, data), keys);
    expected = answer.expected;
    return Buffer.from(answer.message);
  });
  checkServerFinal(expected, asked.at(-1)!.data);
  assert.deepEqual(result, { ok: true, scramKeys: { clientKey: keys.clientKey, serverKey: keys.serverKey } });
  const adHoc = await run(request('scram-sha-256', plain), client('alice', 'sésame'));
  assert.deepEqual(adHoc.result, { ok: true });
});

test('a password sent in clear text is handed on', async () => {
  const { result } = await run(request('plain', md5), client('alice', 'sésame'));
  assert.deepEqual(result, { ok: true, password: Buffer.from('sésame') });
});

test('unknown users and wrong passwords look the same', async () => {
  for (const authType of ['plain', 'md5', 'scram-sha-256'] as const) {
    const wrong = await run(request(authType, plain), client('alice', 'wrong'));
    const unknown = await run(request(authType, undefined), client('alice', 'wrong'));
    const empty = await run(request(authType, parseSecret('')), client('alice', 'wrong'));
    const noDatabase = await run(request(authType, plain, { databaseKnown: false }), client('alice', 'wrong'));
    for (const other of [unknown, empty, noDatabase]) assert.deepEqual(seen(other), seen(wrong), authType);
    assert.ok(!unknown.result.ok && unknown.result.logReason === 'no such user: alice');
  }
  const md5User = await run(request('scram-sha-256', md5), client('alice', 'wrong'));
  assert.deepEqual(seen(md5User), seen(await run(request('scram-sha-256', undefined), client('alice', 'wrong'))));
});

test('a user keeps its salt, known or not, and users differ', async () => {
  const salt = async (user: string, secret: Secret | undefined) => {
    const { asked } = await run(request('scram-sha-256', secret, { user }), client(user, 'wrong'));
    return /s=([^,]+)/.exec(asked[1]!.data.toString())![1];
  };
  assert.equal(await salt('bob', undefined), await salt('bob', undefined));
  assert.equal(await salt('bob', undefined), await salt('bob', plain));
  assert.notEqual(await salt('bob', undefined), await salt('carol', undefined));
});

test('an unknown user is not let in by the empty password', async () => {
  for (const secret of [undefined, parseSecret('')]) {
    for (const authType of ['plain', 'md5', 'scram-sha-256'] as const) {
      const { result } = await run(request(authType, secret), client('alice', ''));
      assert.equal(result.ok, false);
    }
  }
});

test('an unknown database is told only to users who proved themselves', async () => {
  const scram = await scramSecret('sésame');
  const stored: readonly (readonly [AuthType, Secret])[] = [
    ['trust', plain],
    ['plain', plain],
    ['md5', md5],
    ['md5', scram],
    ['scram-sha-256', scram],
  ];
  for (const [authType, secret] of stored) {
    const { result } = await run(request(authType, secret, { databaseKnown: false }), client('alice', 'sésame'));
    assert.ok(!result.ok);
    assert.equal(result.message, 'no such database: shop');
  }
});

test('trust asks nothing but wants the user to exist; any does not even that', async () => {
  const never = () => assert.fail('nothing is asked');
  assert.deepEqual((await run(request('trust', undefined), never)).result, {
    ok: false,
    message: '"trust" authentication failed',
    sqlstate: '28000',
    logReason: 'no such user: alice',
  });
  assert.deepEqual((await run(request('any', undefined), never)).result, { ok: true });
  const { result } = await run(request('any', undefined, { databaseKnown: false }), never);
  assert.ok(!result.ok && result.message === 'bouncer config error');
});

test('an empty password is refused in PgBouncer’s words', async () => {
  for (const authType of ['plain', 'md5'] as const) {
    const { result } = await run(request(authType, plain), () => Buffer.from('\0'));
    assert.ok(!result.ok && result.message === 'empty password returned by client');
  }
});

test('a client that names another mechanism is told so', async () => {
  const { result } = await run(request('scram-sha-256', plain), () => saslInitial('SCRAM-SHA-256-PLUS', 'p=x'));
  assert.ok(!result.ok && result.message === 'client selected an invalid SASL authentication mechanism');
});

test('messages that are no answers end the log-in without a word', async () => {
  const bodies = [Buffer.alloc(0), Buffer.from('no zero'), Buffer.from('zero\0inside\0'), Buffer.alloc(70_000)];
  for (const body of bodies) {
    const { result } = await run(request('plain', plain), () => body);
    assert.ok(!result.ok && result.message === undefined);
  }
  const { result } = await run(request('plain', plain), () => Buffer.from('sésame\0'), 0x51);
  assert.ok(!result.ok && result.message === undefined && result.logReason.includes('bad packet'));
  for (const body of [
    Buffer.from('SCRAM-SHA-256'),
    saslInitial('SCRAM-SHA-256', 'n,,n=,r=a', 99),
    saslInitial('SCRAM-SHA-256', 'n,,n=,r=a', -2),
  ]) {
    const malformed = await run(request('scram-sha-256', plain), () => body);
    assert.ok(!malformed.result.ok && malformed.result.message === undefined);
  }
});

test('malformed SCRAM messages fail as a wrong password does', async () => {
  for (const message of ['', 'p=tls-unique,,n=,r=x', 'n,,n=,r=', 'n,,n=,r=a\0']) {
    const { result } = await run(request('scram-sha-256', plain), () => saslInitial('SCRAM-SHA-256', message));
    assert.ok(!result.ok && result.message === 'SASL authentication failed', message);
  }
  const none = await run(request('scram-sha-256', plain), () => saslInitial('SCRAM-SHA-256', '', -1));
  assert.ok(!none.result.ok && none.result.message === 'SASL authentication failed');
});

test('hostile answers never let anyone in and never throw', async () => {
  const scram = await scramSecret('sésame');
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((raw) => Buffer.from(raw)),
    fc.string().map((text) => saslInitial('SCRAM-SHA-256', text)),
    fc.string().map((text) => saslInitial('SCRAM-SHA-256', `n,,n=,r=${text}`)),
    fc.string().map((text) => Buffer.from(`c=biws,r=${text},p=${Buffer.alloc(32).toString('base64')}`)),
    fc.constant(Buffer.from('md5\0')),
  );
  const types = fc.constantFrom<AuthType>('plain', 'md5', 'scram-sha-256');
  await fc.assert(
    fc.asyncProperty(
      types,
      fc.constantFrom(undefined, plain, md5, scram),
      fc.array(body, { minLength: 3 }),
      async (authType, secret, bodies) => {
        let turn = 0;
        const { result } = await run(request(authType, secret), () => bodies[turn++]!);
        assert.equal(result.ok, false);
      },
    ),
    { numRuns: 400 },
  );
});

test('a client that goes away in the middle is the caller’s affair', async () => {
  const gone = new Error('client gone');
  await assert.rejects(
    run(request('md5', plain), () => Promise.reject(gone)),
    gone,
  );
});
