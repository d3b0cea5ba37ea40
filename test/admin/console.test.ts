/** The console through its frames, as a client without a network would see it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import pg from 'pg';
import { type Console, consoleAccess, consoleParameters, createConsole } from '../../src/admin/console.ts';
import type { AdminView } from '../../src/admin/view.ts';
import { BIND, PARSE, QUERY, STATUS_IDLE, SYNC, TERMINATE } from '../../src/wire/codes.ts';
import { authenticationOk, backendKeyData, parameterStatus, readyForQuery } from '../../src/wire/write.ts';
import { fakeView } from './fake-view.ts';

interface Talk {
  readonly console: Console;
  readonly calls: unknown[][];
  /** What was sent so far: the type letters of the messages. */
  types(): string;
  text(): string;
  readonly closed: string[];
  ask(text: string): void;
  /** Resolves when `count` answers have ended in ReadyForQuery. */
  ready(count: number): Promise<void>;
}

function talk(change: Partial<AdminView> = {}, admin = true): Talk {
  const { view, calls } = fakeView(change);
  const sent: Buffer[] = [];
  const closed: string[] = [];
  let wake = (): void => {};
  const types = (): string => {
    const bytes = Buffer.concat(sent);
    let letters = '';
    for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) letters += String.fromCharCode(bytes[at] ?? 0);
    return letters;
  };
  const send = (bytes: Buffer): void => {
    sent.push(bytes);
    wake();
  };
  const console = createConsole({ view, user: 'root', admin, send, close: (reason) => closed.push(reason) });
  const ready = async (count: number): Promise<void> => {
    while ([...types()].filter((type) => type === 'Z').length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const ask = (text: string): void => console.accept(QUERY, Buffer.from(`${text}\0`));
  return { console, calls, types, text: () => Buffer.concat(sent).toString('latin1'), closed, ask, ready };
}

test('a table is answered by its description, rows, tag and readiness', async () => {
  const { ask, ready, types } = talk();
  ask('SHOW POOLS');
  await ready(1);
  assert.equal(types(), 'TDCZ');
});

test('SHOW HELP is a notice', async () => {
  const { ask, ready, types, text } = talk();
  ask('SHOW HELP');
  await ready(1);
  assert.equal(types(), 'NCZ');
  assert.match(text(), /Console usage\0D\n\tSHOW HELP/);
});

test('an empty query is answered as Postgres answers it', async () => {
  const { ask, ready, types } = talk();
  ask(' ; ');
  await ready(1);
  assert.equal(types(), 'IZ');
});

test('an error leaves the console open', async () => {
  const { ask, ready, types, closed } = talk();
  ask('FROB');
  ask('SHOW VERSION');
  await ready(2);
  assert.equal(types(), 'EZTDCZ');
  assert.deepEqual(closed, []);
});

test('commands are run one after the other, in the order in which they came', async () => {
  let finish = (_: boolean): void => {};
  const pause = (): Promise<boolean> =>
    new Promise((resolve) => {
      finish = resolve;
    });
  const { ask, ready, types, text, calls } = talk({ pause });
  ask('PAUSE');
  ask('RECONNECT');
  assert.deepEqual(calls, []);
  finish(true);
  await ready(2);
  assert.equal(types(), 'CZCZ');
  assert.match(text(), /PAUSE.*RECONNECT/s);
});

test('a cancel request ends a PAUSE that waits', async () => {
  let state: 'active' | 'paused' = 'active';
  const pause = (): Promise<boolean> => {
    state = 'paused';
    return new Promise<boolean>(() => {});
  };
  const { console, ask, ready, text, calls } = talk({ pause, state: () => state });
  console.cancel();
  ask('PAUSE');
  console.cancel();
  await ready(1);
  assert.match(text(), /C57014\0/);
  assert.deepEqual(calls, [['resume']]);
});

for (const [name, type, error] of [
  ['Parse', PARSE, 'extended query protocol not supported by admin console'],
  ['Bind', BIND, 'extended query protocol not supported by admin console'],
  ['Sync', SYNC, 'unsupported packet type for admin console: 83'],
] as const) {
  test(`${name} is refused and ends the connection`, () => {
    const { console, types, text, closed, ask } = talk();
    console.accept(type, Buffer.from('\0\0\0\0'));
    assert.equal(types(), 'EZE');
    assert.match(text(), new RegExp(`SERROR\0.*M${error}\0.*SFATAL\0.*Mbad packet\0`, 's'));
    assert.deepEqual(closed, ['bad packet']);
    ask('SHOW POOLS');
    assert.equal(types(), 'EZE');
  });
}

test('Terminate closes without a word, even while a command waits', async () => {
  const { console, ask, types, closed } = talk({ pause: () => new Promise<boolean>(() => {}) });
  ask('PAUSE');
  console.accept(TERMINATE, Buffer.alloc(0));
  assert.equal(types(), '');
  assert.deepEqual(closed, ['client close request']);
});

test('a Query without its NUL ends the connection', () => {
  const { console, types, closed } = talk();
  console.accept(QUERY, Buffer.from('SHOW POOLS'));
  assert.equal(types(), 'E');
  assert.deepEqual(closed, ['incomplete query']);
});

test('too many waiting commands end the connection', () => {
  const { ask, closed } = talk({ pause: () => new Promise<boolean>(() => {}) });
  ask('PAUSE');
  for (let count = 0; count < 101; count += 1) ask('SHOW POOLS');
  assert.deepEqual(closed, ['limit exceeded: waiting console commands (100)']);
});

test('a mistake while an answer is sent ends this console and nothing else', async () => {
  const { view } = fakeView();
  const send = (): never => {
    throw new Error('gone');
  };
  const reason = await new Promise<string>((resolve) => {
    const console = createConsole({ view, user: 'root', admin: true, send, close: resolve });
    console.accept(QUERY, Buffer.from('SHOW POOLS\0'));
  });
  assert.equal(reason, 'internal error');
});

test('SHUTDOWN is answered by the end of the process and by nothing else', async () => {
  const { ask, types, calls, ready } = talk();
  ask('SHUTDOWN');
  ask('SHOW VERSION');
  await ready(1);
  assert.equal(types(), 'TDCZ');
  assert.deepEqual(calls, [['shutdown', 'immediate']]);
});

test('stats users may look and nothing more', async () => {
  const { ask, ready, types, calls } = talk({}, false);
  ask('SHOW POOLS');
  ask('RELOAD');
  await ready(2);
  assert.equal(types(), 'TDCZEZ');
  assert.deepEqual(calls, []);
});

test('admin_users, stats_users and all others are told apart', () => {
  assert.equal(consoleAccess('a', ['a'], ['a', 's']), 'admin');
  assert.equal(consoleAccess('s', ['a'], ['a', 's']), 'stats');
  assert.equal(consoleAccess('x', ['a'], ['a', 's']), undefined);
});

test('a real client reads the tables', async (t) => {
  const { view } = fakeView();
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const console = createConsole({
      view,
      user: 'root',
      admin: true,
      send: (bytes) => socket.write(bytes),
      close: () => socket.end(),
    });
    let pending = Buffer.alloc(0);
    let started = false;
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      if (!started) {
        started = true;
        pending = pending.subarray(pending.readInt32BE(0));
        const parameters = consoleParameters.map(([name, value]) => parameterStatus(name, value));
        socket.write(Buffer.concat([authenticationOk, ...parameters, backendKeyData(1, Buffer.alloc(4)), readyForQuery(STATUS_IDLE)]));
      }
      while (pending.length >= 5 && pending.length > pending.readInt32BE(1)) {
        const end = 1 + pending.readInt32BE(1);
        console.accept(pending[0] ?? 0, pending.subarray(5, end));
        pending = pending.subarray(end);
      }
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = new pg.Client({ host: '127.0.0.1', port: address.port, user: 'root', database: 'shardyard' });
  await client.connect();
  const pools = await client.query('SHOW POOLS');
  assert.equal(pools.command, 'SHOW');
  assert.equal(pools.rows[0].sv_idle, 4);
  await assert.rejects(client.query('PAUSE dne'), { code: '08P01', message: 'no such database: dne' });
  const notices: string[] = [];
  client.on('notice', (notice) => notices.push(notice.message ?? ''));
  await client.query("SET timezone TO 'UTC'");
  assert.deepEqual(notices, ['SET ignored']);
  await client.end();
});
