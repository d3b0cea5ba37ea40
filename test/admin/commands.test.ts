import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caller, runCommand } from '../../src/admin/commands.ts';
import type { AdminView } from '../../src/admin/view.ts';
import { createLog } from '../../src/log.ts';
import { databaseRow, fakeView } from './fake-view.ts';

interface Ran {
  readonly calls: unknown[][];
  readonly logged: string[];
  /** The tag, or the error's SQLSTATE and message. */
  readonly said: string;
  readonly detail: string | undefined;
}

async function run(text: string, change: Partial<AdminView> = {}, caller: Partial<Caller> = {}): Promise<Ran> {
  const { view, calls } = fakeView(change);
  const logged: string[] = [];
  const log = createLog({}, { stderr: (line) => logged.push(line.slice(line.indexOf('] ') + 2).trimEnd()) });
  const reply = await runCommand(view, { user: 'root', admin: true, log, ...caller }, text);
  if (reply.kind === 'error') return { calls, logged, said: `${reply.error.sqlstate} ${reply.error.message}`, detail: reply.error.detail };
  const detail = reply.kind === 'done' ? reply.notice?.message : undefined;
  return { calls, logged, said: 'tag' in reply ? reply.tag : reply.kind, detail };
}

const done: readonly (readonly [text: string, tag: string, ...calls: unknown[][]])[] = [
  ['RELOAD', 'RELOAD', ['reload']],
  ['PAUSE', 'PAUSE', ['pause']],
  ['PAUSE shop', 'PAUSE', ['pause', 'shop']],
  ['SUSPEND', 'SUSPEND', ['suspend']],
  ['RECONNECT', 'RECONNECT', ['reconnect']],
  ['RECONNECT "shop";', 'RECONNECT', ['reconnect', 'shop']],
  ['WAIT_CLOSE', 'WAIT_CLOSE', ['waitClose']],
  ['WAIT_CLOSE shop', 'WAIT_CLOSE', ['waitClose', 'shop']],
  ['ENABLE shop', 'ENABLE', ['enable', 'shop']],
  ['DISABLE shop', 'DISABLE', ['disable', 'shop']],
  ['KILL', 'KILL', ['kill']],
  ['KILL shop', 'KILL', ['kill', 'shop']],
  ['KILL_CLIENT 31', 'KILL_CLIENT', ['killClient', 31]],
  ['SHUTDOWN', 'none', ['shutdown', 'immediate']],
  ['shutdown wait_for_clients', 'SHUTDOWN', ['shutdown', 'wait_for_clients']],
  ['SHUTDOWN WAIT_FOR_SERVERS', 'SHUTDOWN', ['shutdown', 'wait_for_servers']],
  ['SET verbose = 2', 'SET verbose=2', ['set', 'verbose', '2']],
  ['', 'empty'],
];

for (const [text, tag, ...calls] of done) {
  test(`${text === '' ? 'an empty command' : text} is done for an admin`, async () => {
    const ran = await run(text);
    assert.equal(ran.said, tag);
    assert.deepEqual(ran.calls, calls);
  });

  if (calls.length > 0) {
    test(`${text} is refused to a stats user`, async () => {
      const ran = await run(text, {}, { admin: false });
      assert.equal(ran.said, '08P01 admin access needed');
      assert.deepEqual(ran.calls, []);
    });
  }
}

const paused: Partial<AdminView> = { state: () => 'paused' };
const refused: readonly (readonly [text: string, error: string, change?: Partial<AdminView>])[] = [
  ['FROB', "08P01 invalid command 'FROB', use SHOW HELP;"],
  ['SHOW frob', "08P01 invalid command 'SHOW frob', use SHOW HELP;"],
  ['SHOW', "08P01 invalid command 'SHOW', use SHOW HELP;"],
  ['SELECT 1', "08P01 invalid command 'SELECT 1', use SHOW HELP;"],
  ['SHOW POOLS CLIENTS', "08P01 invalid command 'SHOW POOLS CLIENTS', use SHOW HELP;"],
  ['PAUSE a b', "08P01 invalid command 'PAUSE a b', use SHOW HELP;"],
  ['RELOAD x', "08P01 invalid command 'RELOAD x', use SHOW HELP;"],
  ['SUSPEND x', "08P01 invalid command 'SUSPEND x', use SHOW HELP;"],
  ['SHUTDOWN NOW', "08P01 invalid command 'SHUTDOWN NOW', use SHOW HELP;"],
  ['SHOW ROUTE shop', "08P01 invalid command 'SHOW ROUTE shop', use SHOW HELP;"],
  ['SET "" = x', '08P01 bad arguments'],
  ['PAUSE dne', '08P01 no such database: dne'],
  ['RESUME dne', '08P01 no such database: dne'],
  ['KILL dne', '08P01 no such database: dne'],
  ['DISABLE dne', '08P01 no such database: dne'],
  ['DISABLE', '08P01 a database is required'],
  ['ENABLE', '08P01 a database is required'],
  ['PAUSE pgbouncer', '08P01 cannot pause admin db: pgbouncer'],
  ['KILL pgbouncer', '08P01 cannot kill admin db: pgbouncer'],
  ['RECONNECT pgbouncer', '08P01 cannot reconnect admin db: pgbouncer'],
  ['DISABLE pgbouncer', '08P01 cannot disable admin db: pgbouncer'],
  ['ENABLE pgbouncer', '08P01 cannot enable admin db: pgbouncer'],
  ['WAIT_CLOSE pgbouncer', '08P01 cannot wait in admin db: pgbouncer'],
  ['KILL_CLIENT 99', '08P01 client not found'],
  ['KILL_CLIENT', '08P01 invalid client pointer supplied'],
  ['KILL_CLIENT abc', '08P01 invalid client pointer supplied'],
  ['RESUME', '08P01 pooler is not paused/suspended'],
  ['RESUME shop', '08P01 database shop is not paused'],
  ['RESUME', '08P01 pooler is shutting down', { shuttingDown: () => true }],
  ['PAUSE', '08P01 already suspended/paused', paused],
  ['PAUSE shop', '08P01 already suspended/paused', paused],
  ['SUSPEND', '08P01 already suspended/paused', paused],
  ['KILL', '08P01 already suspended/paused', paused],
  ['SUSPEND', '08P01 cannot suspend with paused databases', { databases: () => [databaseRow({ paused: true })] }],
];

for (const [text, error, change] of refused) {
  test(`${text} is answered "${error}"`, async () => {
    const ran = await run(text, change);
    assert.equal(ran.said, error);
    assert.deepEqual(
      ran.calls.filter(([name]) => name !== 'killClient'),
      [],
    );
    assert.equal(ran.logged.at(-1), `ERROR ${error.slice(6)}`);
  });
}

test('RESUME ends a pause, and names the database when it is told to', async () => {
  assert.deepEqual((await run('RESUME', paused)).calls, [['resume']]);
  const change: Partial<AdminView> = { findDatabase: () => ({ paused: true, disabled: false, admin: false }) };
  assert.deepEqual((await run('RESUME shop', change)).calls, [['resume', 'shop']]);
});

test('a RELOAD that fails says so to the caller and why in the log', async () => {
  const ran = await run('RELOAD', { reload: () => Promise.reject(new Error('a.ini:3: unknown key')) });
  assert.equal(ran.said, 'F0000 RELOAD failed, see logs for additional details');
  assert.deepEqual(ran.logged, [
    'LOG RELOAD command issued',
    'ERROR a.ini:3: unknown key',
    'ERROR RELOAD failed, see logs for additional details',
  ]);
});

test('what is about to be done is in the log first', async () => {
  assert.deepEqual((await run('PAUSE shop')).logged, ["LOG PAUSE 'shop' command issued"]);
  assert.deepEqual((await run('SHUTDOWN WAIT_FOR_CLIENTS')).logged, ['LOG SHUTDOWN WAIT_FOR_CLIENTS command issued']);
});

test('a SET that fails tells the caller what is wrong with it', async () => {
  const set = (): void => {
    throw new Error('no such setting');
  };
  const ran = await run('SET frob = 1', { set });
  assert.equal(ran.said, '08P01 SET failed');
  assert.equal(ran.detail, 'no such setting');
});

test('a parameter that drivers like to set is accepted from anybody and changes nothing', async () => {
  const ran = await run("SET Client_Encoding TO 'UTF8'", {}, { admin: false });
  assert.deepEqual([ran.said, ran.detail, ran.calls], ['SET', 'SET ignored', []]);
});

test('a database of the * line is registered by PAUSE and not by ENABLE', async () => {
  const asked: unknown[] = [];
  const findDatabase = (name: string, register: boolean): undefined => {
    asked.push([name, register]);
  };
  await run('PAUSE x', { findDatabase });
  await run('ENABLE x', { findDatabase });
  assert.deepEqual(asked, [
    ['x', true],
    ['x', false],
  ]);
});

test('a PAUSE that RESUME has ended did not succeed', async () => {
  const ran = await run('PAUSE', { pause: async () => false });
  assert.equal(ran.said, '57014 canceling statement due to user request');
});

test("the caller's cancel ends a PAUSE that waits, and resumes", async () => {
  const cancel = new AbortController();
  let state: 'active' | 'paused' = 'active';
  const change: Partial<AdminView> = {
    state: () => state,
    pause: () => {
      state = 'paused';
      queueMicrotask(() => cancel.abort());
      return new Promise<boolean>(() => {});
    },
  };
  const ran = await run('PAUSE', change, { signal: cancel.signal });
  assert.equal(ran.said, '57014 canceling statement due to user request');
  assert.deepEqual(ran.calls, [['resume']]);
});

test('SHOW ROUTE is open to stats users and answers in lines', async () => {
  const { view } = fakeView();
  const reply = await runCommand(view, { user: 'u', admin: false }, "SHOW ROUTE shop 'SELECT 1'");
  assert.ok(reply.kind === 'rows');
  assert.deepEqual([...reply.rows], [['shop: SELECT 1'], ['because']]);
});

test('SHOW ROUTE says what the router says of an unknown database', async () => {
  const route = (): never => {
    throw new Error('no such database: dne');
  };
  assert.equal((await run("SHOW ROUTE dne 'SELECT 1'", { route })).said, '08P01 no such database: dne');
});

test('a mistake in the pooler is an error of the command and no more', async () => {
  const pools = (): never => {
    throw new TypeError('secret detail');
  };
  const ran = await run('SHOW POOLS', { pools });
  assert.equal(ran.said, 'XX000 internal error');
  assert.match(ran.logged[0] ?? '', /secret detail/);
});

test('a command longer than 64 KiB is not read', async () => {
  assert.equal((await run(`SHOW ROUTE shop '${'x'.repeat(70_000)}'`)).said, '08P01 bad arguments');
});
