/** Authentication against the real thing: our log-in against Postgres, and the drivers `pg` and `postgres` against ours. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import postgres from 'postgres';
import { type AuthenticationRequest, authenticate } from '../../src/auth/authenticate.ts';
import { authenticationOk } from '../../src/auth/messages.ts';
import { isPasswordOf, type ScramKeys } from '../../src/auth/scram-keys.ts';
import { parseSecret, type Secret } from '../../src/auth/secrets.ts';
import { LoginError, type LoginRequest, login } from '../../src/server/login.ts';
import { ask, type Control, createControl, ServerError } from '../../src/wire/control.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';

/** Passwords whose preparation differs from their bytes, or is impossible, or is easy to get wrong. */
const PASSWORDS: readonly string[] = [
  'foo',
  'with space, comma=and "quotes" \\',
  'sésame',
  'se\u0301same',
  'I\u00adX\u2168',
  'a\u3000b\u200bc',
  'emoji 😀 ª',
  'אבג',
  'אבגd ª',
  '\u0627\u0031ª',
  'ﬁ\u200d\u00a0ﬁ',
  'x'.repeat(900),
];
const HBA = [
  'local all all trust',
  'host all trusted 127.0.0.1/32 trust',
  'host all clear 127.0.0.1/32 password',
  'host all hashed 127.0.0.1/32 md5',
  'host all rejected 127.0.0.1/32 reject',
  'host all all 127.0.0.1/32 scram-sha-256',
];

let server: Postgres;

function literal(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

before(async () => {
  server = await startPostgres({ name: 'login', hba: HBA });
  const roles = PASSWORDS.map((password, index) => `create role scram${index} login password ${literal(password)};`);
  await query(
    server,
    `${roles.join('\n')} create role trusted login; create role clear login password 'sésame'; create role rejected login password 'x';
     create role nologin password 'foo'; set password_encryption = 'md5'; create role hashed login password 'sésame';`,
  );
});

after(() => server.stop());

interface Session {
  readonly control: Control;
  readonly socket: net.Socket;
}

/** Runs `work` with a fresh connection to the server. */
async function withConnection<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const socket = net.connect(server.port, server.host);
  const control = createControl((bytes) => socket.write(bytes));
  socket.on('data', (chunk) => control.feed(chunk));
  socket.on('error', (error) => control.end(error));
  socket.on('close', () => control.end());
  try {
    return await work({ control, socket });
  } finally {
    socket.destroy();
  }
}

function request(user: string, secret: Secret | string | undefined, more: Partial<LoginRequest> = {}): LoginRequest {
  return { user, database: 'postgres', secret: typeof secret === 'string' ? parseSecret(secret) : secret, ...more };
}

/** Logs in and asks who we are. */
function whoAmI(to: LoginRequest): Promise<string | null> {
  return withConnection(async ({ control }) => {
    const session = await login(control, to);
    const { rows } = await ask(control, 'select current_user::text, pg_backend_pid()');
    assert.equal(rows[0]![1], String(session.pid));
    assert.equal(session.secret.length, 4);
    assert.equal(session.parameters.get('is_superuser'), 'off');
    return rows[0]![0]!;
  });
}

async function refusal(to: LoginRequest): Promise<LoginError> {
  const error = await whoAmI(to).catch((reason: unknown) => reason);
  assert.ok(error instanceof LoginError, String(error));
  return error;
}

test('every method of Postgres lets us in with the right password', async () => {
  assert.equal(await whoAmI(request('trusted', undefined)), 'trusted');
  assert.equal(await whoAmI(request('clear', 'sésame')), 'clear');
  assert.equal(await whoAmI(request('hashed', 'sésame')), 'hashed');
  const [row] = await query<{ rolpassword: string }>(server, "select rolpassword from pg_authid where rolname = 'hashed'");
  assert.equal(await whoAmI(request('hashed', row!.rolpassword)), 'hashed', 'the md5 hash will do');
});

test('passwords are prepared as Postgres prepares them', async () => {
  for (const [index, password] of PASSWORDS.entries()) {
    const user = `scram${index}`;
    assert.equal(await whoAmI(request(user, password)), user, JSON.stringify(password));
    const [row] = await query<{ rolpassword: string }>(server, `select rolpassword from pg_authid where rolname = '${user}'`);
    const secret = parseSecret(row!.rolpassword);
    assert.ok(secret.kind === 'scram-sha-256');
    assert.equal(await isPasswordOf(secret.scram, Buffer.from(password)), true, JSON.stringify(password));
  }
});

test('what Postgres says against a log-in is kept', async () => {
  for (const [user, secret] of [
    ['scram0', 'wrong'],
    ['hashed', 'wrong'],
    ['clear', 'wrong'],
    ['scram0', undefined],
    ['nobody', 'wrong'],
  ] as const) {
    const error = await refusal(request(user, secret));
    assert.equal(error.message, `password authentication failed for user "${user}"`);
    assert.equal(error.sqlstate, '28P01');
    assert.equal(error.logReason, `server login failed: FATAL password authentication failed for user "${user}"`);
  }
  const missing = await refusal(request('trusted', undefined, { database: 'missing' }));
  assert.deepEqual([missing.sqlstate, missing.message], ['3D000', 'database "missing" does not exist']);
  assert.match((await refusal(request('rejected', 'x'))).message, /pg_hba\.conf rejects connection/);
  assert.match((await refusal(request('nologin', 'foo'))).message, /is not permitted to log in/);
});

test('start-up parameters arrive, and a refused one is the server’s error', async () => {
  await withConnection(async ({ control }) => {
    const startup = { client_encoding: 'LATIN1', application_name: 'login test', options: '-c work_mem=3MB' };
    const { parameters } = await login(control, request('trusted', undefined, { startup }));
    assert.equal(parameters.get('client_encoding'), 'LATIN1');
    assert.equal(parameters.get('application_name'), 'login test');
    assert.deepEqual((await ask(control, 'show work_mem')).rows, [['3MB']]);
  });
  const refused = await refusal(request('trusted', undefined, { startup: { no_such_setting: '1' } }));
  assert.match(refused.message, /unrecognized configuration parameter "no_such_setting"/);
});

test('our own queries give text, nulls, tags and errors', async () => {
  await withConnection(async ({ control }) => {
    await login(control, request('trusted', undefined));
    const answer = await ask(control, 'select $1::int + 1 as sum, $2::text as nothing', ['41', null]);
    assert.deepEqual(answer, { columns: ['sum', 'nothing'], rows: [['42', null]], tag: 'SELECT 1', status: 'I' });
    await assert.rejects(ask(control, 'select 1/0'), (error) => error instanceof ServerError && error.sqlstate === '22012');
    await assert.rejects(ask(control, 'create temp table t (x int); copy t from stdin'), /COPY is not for queries of the pooler/);
    assert.equal((await ask(control, '')).tag, '');
    assert.equal((await ask(control, 'begin')).status, 'T');
  });
});

/** A server of ours that authenticates by `request` and answers every query with nothing. */
async function withEndpoint<T>(
  what: (user: string) => Omit<AuthenticationRequest, 'user' | 'database'>,
  work: (port: number, keys: () => ScramKeys | undefined) => Promise<T>,
): Promise<T> {
  let keys: ScramKeys | undefined;
  const endpoint = net.createServer((socket) => {
    serveOne(socket, what, (learnt) => (keys = learnt)).catch(() => socket.destroy());
  });
  endpoint.listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  try {
    return await work((endpoint.address() as net.AddressInfo).port, () => keys);
  } finally {
    endpoint.close();
  }
}

async function serveOne(
  socket: net.Socket,
  what: (user: string) => Omit<AuthenticationRequest, 'user' | 'database'>,
  learn: (keys: ScramKeys | undefined) => void,
): Promise<void> {
  let bytes = Buffer.alloc(0);
  let wake = () => {};
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    wake();
  });
  const take = async (typed: 0 | 1) => {
    while (bytes.length < typed + 4 || bytes.length < typed + bytes.readInt32BE(typed))
      await new Promise<void>((resolve) => (wake = resolve));
    const size = typed + bytes.readInt32BE(typed);
    const message = { type: bytes[0]!, body: Buffer.from(bytes.subarray(typed + 4, size)) };
    bytes = bytes.subarray(size);
    return message;
  };
  const startup = (await take(0)).body.toString('utf8', 4).split('\0');
  const user = startup[startup.indexOf('user') + 1]!;
  const port = { send: (frame: Uint8Array) => socket.write(frame), read: () => take(1) };
  const result = await authenticate(port, { ...what(user), user, database: 'shop' });
  if (!result.ok) {
    const body = Buffer.from(`SFATAL\0C${result.sqlstate}\0M${result.message}\0\0`);
    socket.end(Buffer.concat([Buffer.from([0x45, 0, 0, 0, body.length + 4]), body]));
    return;
  }
  learn(result.scramKeys);
  const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
  socket.write(Buffer.concat([authenticationOk(), ready]));
  for (;;) {
    const { type } = await take(1);
    if (type === 0x58) return void socket.end();
    if (type === 0x51) socket.write(Buffer.concat([Buffer.from([0x49, 0, 0, 0, 4]), ready]));
  }
}

async function viaPg(port: number, user: string, password: string): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'shop' });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('');
  } finally {
    await client.end();
  }
}

async function viaPostgres(port: number, user: string, password: string): Promise<void> {
  const sql = postgres({ host: '127.0.0.1', port, user, pass: password, database: 'shop', max: 1, fetch_types: false, backoff: false });
  try {
    await sql.unsafe('').simple();
  } finally {
    await sql.end({ timeout: 1 });
  }
}

test('the drivers get in with the right password and are told PgBouncer’s words with a wrong one', async () => {
  const [row] = await query<{ rolpassword: string }>(server, "select rolpassword from pg_authid where rolname = 'scram2'");
  const [hash] = await query<{ rolpassword: string }>(server, "select rolpassword from pg_authid where rolname = 'hashed'");
  const rows = [
    ['scram-sha-256', 'scram2', row!.rolpassword, 'SASL authentication failed'],
    ['scram-sha-256', 'scram2', 'sésame', 'SASL authentication failed'],
    ['md5', 'scram2', row!.rolpassword, 'SASL authentication failed'],
    ['md5', 'hashed', hash!.rolpassword, 'password authentication failed'],
    ['plain', 'scram2', row!.rolpassword, 'password authentication failed'],
    ['plain', 'hashed', hash!.rolpassword, 'password authentication failed'],
  ] as const;
  for (const [authType, user, secret, refused] of rows) {
    const what = { authType, databaseKnown: true, secret: parseSecret(secret), scramIterations: 4096 };
    await withEndpoint(
      () => what,
      async (port) => {
        for (const connect of [viaPg, viaPostgres]) {
          await connect(port, user, 'sésame');
          await assert.rejects(connect(port, user, 'wrong'), (error: Error & { code?: string }) => {
            assert.equal(error.message, refused);
            return error.code === '28P01';
          });
        }
      },
    );
  }
});

test('keys learnt from a driver log in to Postgres without the password', async () => {
  const [row] = await query<{ rolpassword: string }>(server, "select rolpassword from pg_authid where rolname = 'scram2'");
  const secret = parseSecret(row!.rolpassword);
  await withEndpoint(
    () => ({ authType: 'scram-sha-256', databaseKnown: true, secret, scramIterations: 4096 }),
    async (port, keys) => {
      await viaPg(port, 'scram2', 'sésame');
      assert.equal(await whoAmI(request('scram2', secret, { scramKeys: keys() })), 'scram2');
    },
  );
  assert.equal((await refusal(request('scram2', secret))).message, 'server login failed: wrong password type');
});
