/** Conversations with a server: framing, what is decoded, what is refused, and that nothing after the end is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ask, type Control, ControlError, createControl, passwordFrame, ServerError, startupFrame } from '../../src/wire/control.ts';

function frame(type: string, ...parts: readonly (string | number | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part !== 'number') return Buffer.from(part as string);
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(part);
      return bytes;
    }),
  );
  const header = Buffer.from(`${type}\0\0\0\0`);
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

function control(limit?: number): Control & { sent: Buffer[] } {
  const sent: Buffer[] = [];
  return Object.assign(
    createControl((bytes) => sent.push(Buffer.from(bytes)), limit),
    { sent },
  );
}

const KEY = frame('K', 42, 'abcd');
const PARAMETER = frame('S', 'TimeZone\0UTC\0');
const READY = frame('Z', 'I');

test('messages come whole and in order, however the bytes were cut', async () => {
  const bytes = Buffer.concat([frame('R', 0), PARAMETER, KEY, READY, Buffer.from('rest')]);
  for (let size = 1; size <= bytes.length; size++) {
    const conversation = control();
    for (let at = 0; at < bytes.length; at += size) conversation.feed(bytes.subarray(at, at + size));
    const names: string[] = [];
    for (let count = 0; count < 4; count++) names.push((await conversation.next()).name);
    assert.deepEqual(names, ['authenticationOk', 'parameterStatus', 'backendKeyData', 'readyForQuery']);
    assert.equal(conversation.takeRest().toString(), 'rest');
  }
});

test('a reader may wait before the bytes come, and fed bytes are copied', async () => {
  const conversation = control();
  const chunk = Buffer.from(PARAMETER);
  const waiting = conversation.next();
  conversation.feed(chunk.subarray(0, 7));
  chunk.fill(0, 0, 7);
  conversation.feed(chunk.subarray(7));
  const message = await waiting;
  assert.ok(message.name === 'parameterStatus');
  assert.deepEqual([message.parameterName, message.parameterValue], ['TimeZone', 'UTC']);
});

test('what follows the last message taken stays raw', async () => {
  const conversation = control();
  conversation.feed(Buffer.concat([READY, PARAMETER, frame('?', 'not even known')]));
  await conversation.next();
  assert.deepEqual(conversation.takeRest(), Buffer.concat([PARAMETER, frame('?', 'not even known')]));
});

test('errors keep all their fields and their bytes', async () => {
  const error = frame('E', 'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "é"\0Zunknown\0\0');
  const conversation = control();
  conversation.feed(error);
  const message = await conversation.next();
  assert.ok(message.name === 'error');
  assert.equal(message.report.message, 'password authentication failed for user "é"');
  assert.equal(message.report.sqlstate, '28P01');
  assert.equal(message.report.severity, 'FATAL');
  assert.equal(message.report.fields.get('Z'), 'unknown');
  assert.deepEqual(message.report.frame, error);
});

test('an error without SQLSTATE has one all the same', async () => {
  const conversation = control();
  conversation.feed(frame('E', 'Moops\0\0'));
  const message = await conversation.next();
  assert.ok(message.name === 'error' && message.report.sqlstate === '08P01');
});

test('a server that cannot fork is understood', async () => {
  const conversation = control();
  conversation.feed(Buffer.from('Ecould not fork new process for connection: no memory\n\0'));
  const message = await conversation.next();
  assert.ok(message.name === 'error');
  assert.equal(message.report.message, 'could not fork new process for connection: no memory');
  const again = control();
  again.feed(message.report.frame);
  assert.deepEqual((await again.next()).name, 'error');
});

test('cancel keys of any length are given as bytes', async () => {
  const conversation = control();
  conversation.feed(frame('K', -5, Buffer.alloc(32, 9)));
  const message = await conversation.next();
  assert.ok(message.name === 'backendKeyData');
  assert.equal(message.pid, -5);
  assert.deepEqual(message.key, Buffer.alloc(32, 9));
});

test('a negotiated protocol version is read in both of its forms', async () => {
  const conversation = control();
  conversation.feed(frame('v', 0, 1, '_pq_.x\0'));
  assert.deepEqual(await conversation.next(), { name: 'negotiateProtocolVersion', minor: 0, options: ['_pq_.x'] });
  conversation.feed(frame('v', 196_610, 0));
  assert.deepEqual(await conversation.next(), { name: 'negotiateProtocolVersion', minor: 2, options: [] });
});

test('messages that pg-protocol would stumble over are refused', async () => {
  const hostile: readonly Buffer[] = [
    frame('E', 'Mno end\0'),
    frame('E', 'Mno end'),
    Buffer.concat([frame('Z', 'I'), frame('E')]).subarray(6),
    frame('N'),
    frame('R', 3, 'x'),
    frame('R', 5, 'abc'),
    frame('R', 0, 'x'),
    frame('R', ''),
    frame('K', 'abc'),
    frame('K', 1, Buffer.alloc(257)),
    frame('v', 1),
    frame('D', Buffer.from([0, 5])),
    frame('T', Buffer.from([0, 5])),
    frame('?', 'x'),
    Buffer.from([0x5a, 0, 0, 0, 3]),
    Buffer.from([0x5a, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from('HTTP/1.1 400 Bad Request\r\n'),
  ];
  for (const bytes of hostile) {
    const conversation = control();
    conversation.feed(READY);
    await conversation.next();
    conversation.feed(bytes);
    await assert.rejects(conversation.next(), ControlError, bytes.toString('latin1'));
    await assert.rejects(conversation.next(), ControlError, 'and it stays refused');
  }
});

test('authentication methods that we lack are named by their code', async () => {
  const conversation = control();
  conversation.feed(frame('R', 7));
  assert.deepEqual(await conversation.next(), { name: 'authenticationUnsupported', code: 7 });
});

test('a message over the limit is refused at its header', async () => {
  const conversation = control(100);
  conversation.feed(frame('D', Buffer.alloc(200)).subarray(0, 5));
  await assert.rejects(conversation.next(), /message of 204 bytes from server/);
});

test('when the connection goes, what arrived is still given', async () => {
  const conversation = control();
  conversation.feed(READY);
  conversation.end();
  assert.equal((await conversation.next()).name, 'readyForQuery');
  await assert.rejects(conversation.next(), /server conn crashed\?/);
  const waiting = control();
  const next = waiting.next();
  waiting.end(new Error('reset'));
  await assert.rejects(next, /reset/);
});

test('no bytes make it hang or throw anything but ControlError', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw)),
    fc
      .tuple(fc.constantFrom(...'RSKZTDCENAvt123nsIGHdcWV'), fc.uint8Array({ maxLength: 40 }))
      .map(([type, body]) => frame(type, Buffer.from(body))),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
      const conversation = control();
      for (const bytes of pieces) conversation.feed(bytes);
      conversation.end();
      try {
        for (;;) assert.ok((await conversation.next()).name);
      } catch (error) {
        assert.ok(error instanceof ControlError || (error as Error).message === 'server conn crashed?', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('frames that we send have their layout', () => {
  assert.deepEqual(startupFrame({ user: 'é', database: '' }), Buffer.from('\0\0\0\x1b\0\x03\0\0user\0é\0database\0\0\0'));
  assert.throws(() => startupFrame({ user: 'a\0database\0b' }), ControlError);
  assert.deepEqual(passwordFrame(Buffer.from([0xff])), Buffer.from([0x70, 0, 0, 0, 6, 0xff, 0]));
  assert.throws(() => passwordFrame(Buffer.from('a\0b')), ControlError);
});

test('a query of ours gives rows, or the server’s error once it is ready again', async () => {
  const conversation = control();
  const column = Buffer.concat([Buffer.from([0, 1]), Buffer.from('x\0'), Buffer.alloc(18)]);
  const row = (value: string | null) =>
    value === null ? frame('D', Buffer.from([0, 1, 255, 255, 255, 255])) : frame('D', Buffer.from([0, 1]), value.length, value);
  const answer = ask(conversation, 'select x from t');
  conversation.feed(Buffer.concat([frame('T', column), row('1'), row(null), frame('C', 'SELECT 2\0'), READY]));
  assert.deepEqual(await answer, { columns: ['x'], rows: [['1'], [null]], tag: 'SELECT 2', status: 'I' });
  assert.deepEqual(conversation.sent[0], frame('Q', 'select x from t\0'));
  const failed = ask(conversation, 'select $1::int', ['a']);
  conversation.feed(Buffer.concat([frame('E', 'SERROR\0C22P02\0Mbad\0\0'), READY]));
  await assert.rejects(failed, (error) => error instanceof ServerError && error.sqlstate === '22P02');
  assert.equal(conversation.takeRest().length, 0);
});
