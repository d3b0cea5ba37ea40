/** What the encoders write is read back by another implementation (pg-protocol) where it reads it, and byte by byte where it does not. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { parse as parseStream, serialize } from 'pg-protocol';
import * as code from '../../src/wire/codes.ts';
import * as write from '../../src/wire/write.ts';

/** The messages of `bytes` as pg-protocol understands them. */
async function decode(...bytes: Buffer[]): Promise<Record<string, unknown>[]> {
  const messages: Record<string, unknown>[] = [];
  await parseStream(Readable.from([Buffer.concat(bytes)], { objectMode: false }) as never, (message) => {
    messages.push({ ...(message as unknown as Record<string, unknown>), message: (message as { message?: string }).message });
  });
  return messages;
}

async function decodeOne(bytes: Buffer): Promise<Record<string, unknown>> {
  const [message, ...rest] = await decode(bytes);
  assert.ok(message);
  assert.equal(rest.length, 0);
  return message;
}

test('an error carries every field that it was given', async () => {
  const error = { severity: 'ERROR', sqlstate: '42P01', message: 'größer', detail: 'd', hint: 'h', position: 7 } as const;
  const read = await decodeOne(write.errorResponse(error));
  assert.equal(read.name, 'error');
  assert.equal(read.severity, 'ERROR');
  assert.equal(read.code, '42P01');
  assert.equal(read.message, 'größer');
  assert.equal(read.detail, 'd');
  assert.equal(read.hint, 'h');
  assert.equal(read.position, '7');
});

test('an error without detail has no detail field, and its severity twice', () => {
  const bytes = write.errorResponse({ severity: 'FATAL', sqlstate: '08P01', message: 'no' });
  assert.equal(
    bytes.toString('latin1'),
    'E\0\0\0\x1fSFATAL\0VFATAL\0C08P01\0Mno\0\0'.replace('\x1f', String.fromCharCode(bytes.length - 1)),
  );
});

test('a NUL inside a message cannot start another field', async () => {
  const read = await decodeOne(write.errorResponse({ severity: 'ERROR', sqlstate: '08P01', message: 'no such database: a\0Hfake' }));
  assert.equal(read.message, 'no such database: aHfake');
  assert.equal(read.hint, undefined);
});

test('a NUL inside bytes is refused', () => {
  assert.throws(() => write.query(Buffer.from('SELECT\0 1')), /NUL/);
});

test('a notice is a notice', async () => {
  const read = await decodeOne(write.noticeResponse({ severity: 'NOTICE', sqlstate: '00000', message: 'SET ignored' }));
  assert.equal(read.name, 'notice');
  assert.equal(read.message, 'SET ignored');
});

test('ReadyForQuery tells the three states of a transaction', async () => {
  const read = await decode(
    write.readyForQuery(code.STATUS_IDLE),
    write.readyForQuery(code.STATUS_TRANSACTION),
    write.readyForQuery(code.STATUS_FAILED),
  );
  assert.deepEqual(
    read.map((message) => message.status),
    ['I', 'T', 'E'],
  );
});

test('start-up answers are read as they were meant', async () => {
  const [ok, parameter, key] = await decode(
    write.authenticationOk,
    write.parameterStatus('DateStyle', 'ISO'),
    write.backendKeyData(-5, Buffer.from([0, 0, 1, 0])),
  );
  assert.equal(ok?.name, 'authenticationOk');
  assert.deepEqual([parameter?.parameterName, parameter?.parameterValue], ['DateStyle', 'ISO']);
  assert.deepEqual([key?.processID, key?.secretKey], [-5, 256]);
});

test('a cancel key of protocol 3.2 keeps its length', () => {
  const secret = Buffer.alloc(32, 7);
  const bytes = write.backendKeyData(1, secret);
  assert.equal(bytes.readInt32BE(1), 4 + 4 + 32);
  assert.deepEqual(bytes.subarray(9), secret);
});

test('authentication requests are read as they were meant', async () => {
  const read = await decode(
    write.authenticationCleartextPassword,
    write.authenticationMd5Password(Buffer.from([1, 2, 3, 4])),
    write.authenticationSasl(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']),
    write.authenticationSaslContinue(Buffer.from('r=x')),
    write.authenticationSaslFinal(Buffer.from('v=y')),
  );
  assert.deepEqual(
    read.map((message) => message.name),
    [
      'authenticationCleartextPassword',
      'authenticationMD5Password',
      'authenticationSASL',
      'authenticationSASLContinue',
      'authenticationSASLFinal',
    ],
  );
  assert.deepEqual(read[1]?.salt, Buffer.from([1, 2, 3, 4]));
  assert.deepEqual(read[2]?.mechanisms, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
  assert.deepEqual([read[3]?.data, read[4]?.data], ['r=x', 'v=y']);
});

test('NegotiateProtocolVersion names the whole version and the options that are not understood', () => {
  const bytes = write.negotiateProtocolVersion(code.PROTOCOL_3_2, ['_pq_.a', '_pq_.b']);
  assert.equal(bytes.toString('latin1', 0, 1), 'v');
  assert.equal(bytes.readInt32BE(1), bytes.length - 1);
  assert.equal(bytes.readInt32BE(5), 196610);
  assert.equal(bytes.readInt32BE(9), 2);
  assert.equal(bytes.toString('latin1', 13), '_pq_.a\0_pq_.b\0');
});

test('a result is read back, nulls and non-ASCII text included', async () => {
  const [description, row, done] = await decode(
    write.rowDescription([
      { name: 'naïve', typeOid: 25, typeSize: -1 },
      { name: 'n', typeOid: 23, typeSize: 4 },
      { name: 'x', typeOid: 1700, typeSize: -1 },
    ]),
    write.dataRow(['é', null, '']),
    write.commandComplete('SHOW'),
  );
  const fields = description?.fields as { name: string; dataTypeID: number; dataTypeSize: number; dataTypeModifier: number }[];
  assert.deepEqual(
    fields.map((field) => [field.name, field.dataTypeID, field.dataTypeSize, field.dataTypeModifier]),
    [
      ['naïve', 25, -1, -1],
      ['n', 23, 4, -1],
      ['x', 1700, -1, -1],
    ],
  );
  assert.deepEqual(row?.fields, ['é', null, '']);
  assert.equal(done?.text, 'SHOW');
});

test('messages without arguments are five bytes of their type', async () => {
  const read = await decode(
    write.emptyQuery,
    write.parseComplete,
    write.bindComplete,
    write.closeComplete,
    write.noData,
    write.portalSuspended,
  );
  assert.deepEqual(
    read.map((message) => message.name),
    ['emptyQuery', 'parseComplete', 'bindComplete', 'closeComplete', 'noData', 'portalSuspended'],
  );
});

test('ParameterDescription and NotificationResponse are read back', async () => {
  const [parameters, notification] = await decode(
    write.parameterDescription([23, 4_000_000_000]),
    write.notificationResponse(9, 'ch', 'p'),
  );
  assert.deepEqual(parameters?.dataTypeIDs, [23, 4_000_000_000]);
  assert.deepEqual([notification?.processId, notification?.channel, notification?.payload], [9, 'ch', 'p']);
});

test('requests to servers are the bytes that pg-protocol would send', () => {
  assert.deepEqual(write.query('SELECT 1'), serialize.query('SELECT 1'));
  assert.deepEqual(write.parse('s', 'SELECT $1', [23]), serialize.parse({ name: 's', text: 'SELECT $1', types: [23] }));
  assert.deepEqual(write.describe(code.TARGET_STATEMENT, 's'), serialize.describe({ type: 'S', name: 's' }));
  assert.deepEqual(write.close(code.TARGET_PORTAL, 'p'), serialize.close({ type: 'P', name: 'p' }));
  assert.deepEqual(write.execute('p', 10), serialize.execute({ portal: 'p', rows: 10 }));
  assert.deepEqual(write.sync, serialize.sync());
  assert.deepEqual(write.flush, serialize.flush());
  assert.deepEqual(write.terminate, serialize.end());
  assert.deepEqual(write.copyDone, serialize.copyDone());
  assert.deepEqual(write.copyFail('no'), serialize.copyFail('no'));
  assert.deepEqual(write.password('secret'), serialize.password('secret'));
  assert.deepEqual(write.sslRequest, serialize.requestSsl());
  assert.deepEqual(write.cancelRequest(7, Buffer.from([0, 0, 0, 9])), serialize.cancel(7, 9));
});

test('Bind carries formats, nulls, text and bytes', () => {
  const bytes = write.bind('p', 's', [0, 1], ['é', Buffer.from([0, 255]), null], [1]);
  assert.equal(
    bytes.toString('latin1'),
    `B\0\0\0\x24p\0s\0\0\x02\0\0\0\x01\0\x03\0\0\0\x02${Buffer.from('é').toString('latin1')}\0\0\0\x02\0\xff\xff\xff\xff\xff\0\x01\0\x01`,
  );
  assert.deepEqual(write.bind('', '', [], []), Buffer.from('B\0\0\0\x0c\0\0\0\0\0\0\0\0', 'latin1'));
});

test('text given as bytes goes out as those bytes, whatever their encoding', () => {
  const latin1 = Buffer.from([0x53, 0xe9]);
  assert.deepEqual(write.query(latin1), Buffer.from([0x51, 0, 0, 0, 7, 0x53, 0xe9, 0]));
  assert.deepEqual(write.parse(latin1, latin1).subarray(5), Buffer.from([0x53, 0xe9, 0, 0x53, 0xe9, 0, 0, 0]));
});

test('more fields than a message can count are refused', () => {
  assert.throws(() => write.dataRow(new Array<null>(65_536).fill(null)), RangeError);
  assert.equal(write.dataRow(new Array<null>(65_535).fill(null)).readUInt16BE(5), 65_535);
});

test('a StartupMessage has its parameters and a final NUL', () => {
  const bytes = write.startup(code.PROTOCOL_3_0, [
    ['user', 'u'],
    ['database', 'd'],
  ]);
  assert.equal(bytes.readInt32BE(0), bytes.length);
  assert.equal(bytes.readInt32BE(4), 196608);
  assert.equal(bytes.toString('latin1', 8), 'user\0u\0database\0d\0\0');
});
