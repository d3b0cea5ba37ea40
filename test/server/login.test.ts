/** Log-in to a scripted server: every method, every refusal, and servers that do not keep to the protocol. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { authenticate } from '../../src/auth/authenticate.ts';
import { md5Answer, md5Secret } from '../../src/auth/md5.ts';
import { askCleartextPassword, askMd5Password, askSasl, authenticationOk, saslContinue, saslFinal } from '../../src/auth/messages.ts';
import { deriveKeys } from '../../src/auth/scram-keys.ts';
import { formatScramSecret, parseSecret, type Secret } from '../../src/auth/secrets.ts';
import { LoginError, type LoginRequest, login } from '../../src/server/login.ts';
import { createControl } from '../../src/wire/control.ts';

function frame(type: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body as string);
  const header = Buffer.from(`${type}\0\0\0\0`);
  header.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([header, bytes]);
}

const READY = frame('Z', 'I');
const KEY = frame('K', Buffer.from([0, 0, 0, 42, 1, 2, 3, 4]));
const WELCOME = Buffer.concat([
  authenticationOk(),
  frame('S', 'server_version\x0015.1\0'),
  frame('N', 'SWARNING\0C01000\0Mcareful\0\0'),
  frame('S', 'TimeZone\0UTC\0'),
  KEY,
  READY,
]);

const alice: LoginRequest = { user: 'alice', database: 'shop', secret: parseSecret('sésame') };

/** A server that answers the n-th message of a log-in with the n-th of `script`; an entry may look at what was sent. */
async function against(script: readonly (Buffer | ((sent: Buffer) => Buffer))[], request: LoginRequest = alice) {
  let turn = 0;
  const control = createControl((bytes) => {
    const entry = script[turn++];
    if (entry) control.feed(typeof entry === 'function' ? entry(Buffer.from(bytes)) : entry);
    else control.end();
  });
  const result = await login(control, request);
  return { ...result, rest: control.takeRest() };
}

async function refusal(script: Parameters<typeof against>[0], request?: LoginRequest): Promise<LoginError> {
  const error = await against(script, request).catch((reason: unknown) => reason);
  assert.ok(error instanceof LoginError, String(error));
  return error;
}

/** A real SCRAM server for `stored`: our own client side of authentication. */
async function againstScram(stored: Secret, request: LoginRequest): Promise<{ isLetIn: boolean; error: unknown }> {
  const inbox: Buffer[] = [];
  let wake = () => {};
  const control = createControl((bytes) => {
    inbox.push(Buffer.from(bytes));
    wake();
  });
  const take = async () => {
    while (inbox.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return inbox.shift()!;
  };
  const server = async () => {
    await take();
    const port = {
      send: (bytes: Uint8Array) => control.feed(bytes),
      read: async () => {
        const message = await take();
        return { type: message[0]!, body: message.subarray(5) };
      },
    };
    const more = { user: request.user, database: 'x', databaseKnown: true, secret: stored, scramIterations: 4096 };
    const result = await authenticate(port, { authType: 'scram-sha-256', ...more });
    control.feed(result.ok ? WELCOME : frame('E', 'SFATAL\0C28P01\0Mno\0\0'));
    return result.ok;
  };
  const [isLetIn, error] = await Promise.all([
    server(),
    login(control, request).then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  ]);
  return { isLetIn, error };
}

test('a server that trusts us gives parameters, key and notices, and nothing after is lost', async () => {
  const result = await against([Buffer.concat([WELCOME, Buffer.from('next')])]);
  assert.deepEqual(
    [...result.parameters],
    [
      ['server_version', '15.1'],
      ['TimeZone', 'UTC'],
    ],
  );
  assert.equal(result.pid, 42);
  assert.deepEqual(result.secret, Buffer.from([1, 2, 3, 4]));
  assert.deepEqual(
    result.notices.map((notice) => notice.message),
    ['careful'],
  );
  assert.equal(result.rest.toString(), 'next');
});

test('the start-up packet has what the request has, and user and database cannot be overridden', async () => {
  let sent = '';
  const startup = { client_encoding: 'LATIN1', options: '-c a=b', user: 'mallory' };
  const look = (bytes: Buffer) => {
    sent = bytes.toString('latin1', 8);
    return WELCOME;
  };
  await against([look], { ...alice, startup, replication: 'database' });
  assert.equal(sent, 'client_encoding\0LATIN1\0options\0-c a=b\0user\0alice\0replication\0database\0database\0shop\0\0');
  const injected = await refusal([WELCOME], { ...alice, database: 'shop\0user\0postgres' });
  assert.match(injected.message, /zero byte in a startup parameter/);
});

test('cleartext and md5 are answered from plain and md5 secrets', async () => {
  let sent: Buffer = Buffer.alloc(0);
  const proof = (bytes: Buffer) => {
    sent = bytes.subarray(5, -1);
    return WELCOME;
  };
  await against([askCleartextPassword(), proof]);
  assert.equal(sent.toString(), 'sésame');
  const salt = Buffer.from([9, 8, 7, 6]);
  const hash = md5Secret(Buffer.from('sésame'), 'alice');
  for (const secret of [parseSecret('sésame'), parseSecret(hash)]) {
    await against([askMd5Password(salt), proof], { ...alice, secret });
    assert.equal(sent.toString(), md5Answer(hash, salt));
  }
  await against([askCleartextPassword(), proof], { ...alice, secret: undefined });
  assert.equal(sent.toString(), '', 'the server says what it thinks of it');
});

test('SCRAM logs in with the password, or with the keys of a client that logged in with the same secret', async () => {
  const salt = Buffer.from('0123456789abcdef');
  const keys = await deriveKeys(Buffer.from('sésame'), salt, 4096);
  const stored = parseSecret(formatScramSecret({ iterations: 4096, salt, ...keys }));
  assert.deepEqual(await againstScram(stored, alice), { isLetIn: true, error: undefined });
  assert.deepEqual(await againstScram(stored, { ...alice, secret: stored, scramKeys: keys }), { isLetIn: true, error: undefined });
  const wrong = await againstScram(stored, { ...alice, secret: parseSecret('wrong') });
  assert.equal(wrong.isLetIn, false);
  assert.ok(wrong.error instanceof LoginError && wrong.error.sqlstate === '28P01' && wrong.error.message === 'no');
});

test('secrets that cannot answer what is asked are a wrong password type', async () => {
  const scram = parseSecret(
    'SCRAM-SHA-256$4096:D76gvGUVj9Z4DNiGoabOBg==$RukL0Xo3Ql/2F9FsD7mcQ3GATG2fD3PA71qY1JagGDs=:BhKUwyyivFm7Tq2jDJVXSVRbRDgTWyBilZKgg6DDuYU=',
  );
  const md5 = parseSecret(md5Secret(Buffer.from('x'), 'alice'));
  const rows: readonly (readonly [Buffer, Secret, RegExp])[] = [
    [askCleartextPassword(), md5, /not a plain password/],
    [askCleartextPassword(), scram, /not a plain password/],
    [askMd5Password(Buffer.alloc(4)), scram, /cannot do MD5 authentication/],
    [askSasl(['SCRAM-SHA-256']), md5, /cannot do SCRAM authentication: wrong password type/],
    [askSasl(['SCRAM-SHA-256']), scram, /did not provide SCRAM keys/],
  ];
  for (const [asked, secret, reason] of rows) {
    const error = await refusal([asked], { ...alice, secret });
    assert.equal(error.message, 'server login failed: wrong password type');
    assert.equal(error.sqlstate, '08P01');
    assert.match(error.logReason, reason);
    assert.equal(error.serverError, undefined);
  }
});

test('what the server says against us is kept word for word', async () => {
  const said = frame('E', 'SFATAL\0VFATAL\0C3D000\0Mdatabase "shop" does not exist\0\0');
  const error = await refusal([said]);
  assert.equal(error.message, 'database "shop" does not exist');
  assert.equal(error.sqlstate, '3D000');
  assert.equal(error.logReason, 'server login failed: FATAL database "shop" does not exist');
  assert.deepEqual(error.serverError!.frame, said);
  assert.equal((await refusal([Buffer.concat([authenticationOk(), said])])).sqlstate, '3D000', 'also after authentication');
});

test('methods that we lack are refused by name', async () => {
  const gss = frame('R', Buffer.from([0, 0, 0, 7]));
  assert.equal((await refusal([gss])).message, 'server login failed: GSSAPI authentication is not supported');
  const plus = await refusal([askSasl(['SCRAM-SHA-256-PLUS'])]);
  assert.equal(plus.message, "server login failed: none of the server's SASL authentication mechanisms are supported");
  assert.match(plus.logReason, /SCRAM-SHA-256-PLUS/);
});

test('a server that has not proved itself is not believed', async () => {
  const challenge = (sent: Buffer) => saslContinue(`r=${/r=([^,]+)/.exec(sent.toString())![1]}server,s=AAAA,i=1`);
  const early = await refusal([askSasl(['SCRAM-SHA-256']), challenge, WELCOME]);
  assert.match(early.message, /unexpected authenticationOk during SCRAM authentication/);
  const forged = await refusal([askSasl(['SCRAM-SHA-256']), challenge, saslFinal(`v=${Buffer.alloc(32).toString('base64')}`)]);
  assert.equal(forged.message, 'server login failed: invalid server signature');
  const otherNonce = await refusal([askSasl(['SCRAM-SHA-256']), saslContinue('r=x,s=AAAA,i=1')]);
  assert.match(otherNonce.message, /nonce mismatch/);
  const skipped = await refusal([askSasl(['SCRAM-SHA-256']), saslFinal('v=AAAA')]);
  assert.match(skipped.message, /unexpected authenticationSASLFinal/);
});

test('a server that asks twice, speaks out of turn or is in a transaction is refused', async () => {
  assert.match((await refusal([askCleartextPassword(), askCleartextPassword()])).message, /instead of the end of authentication/);
  assert.match((await refusal([READY])).message, /unexpected readyForQuery before authentication/);
  assert.match((await refusal([Buffer.concat([authenticationOk(), authenticationOk()])])).message, /unexpected authenticationOk after/);
  assert.match((await refusal([Buffer.concat([authenticationOk(), frame('Z', 'T')])])).message, /transaction status "T"/);
  const negotiated = frame('v', Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]));
  assert.equal((await against([Buffer.concat([negotiated, WELCOME])])).pid, 42);
  assert.match((await refusal([Buffer.concat([negotiated, negotiated])])).message, /unexpected negotiateProtocolVersion/);
});

test('a server without cancel keys is used without', async () => {
  const result = await against([Buffer.concat([authenticationOk(), READY])]);
  assert.deepEqual([result.pid, result.secret.length], [0, 0]);
});

test('a connection that breaks off is the caller’s affair', async () => {
  await assert.rejects(against([askCleartextPassword()]), /server conn crashed\?/);
});

test('hostile servers only ever make it fail', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }).map((raw) => Buffer.from(raw)),
    fc.tuple(fc.constantFrom(...'RSKZNvEA'), fc.uint8Array({ maxLength: 30 })).map(([type, body]) => frame(type, Buffer.from(body))),
    fc.constantFrom(
      askCleartextPassword(),
      askMd5Password(Buffer.alloc(4)),
      askSasl(['SCRAM-SHA-256']),
      saslContinue('r=x,s=AAAA,i=1'),
      saslFinal('v=AAAA'),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 5 }), async (pieces) => {
      const control = createControl(() => {});
      for (const bytes of pieces) control.feed(bytes);
      control.end();
      const error = await login(control, alice).catch((reason: unknown) => reason);
      assert.ok(error instanceof LoginError || (error as Error).message === 'server conn crashed?', String(error));
    }),
    { numRuns: 500 },
  );
});
