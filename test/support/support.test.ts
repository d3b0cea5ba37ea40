/** The tools of the tests, tested: without these nothing above them means much. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Postgres, promote, query, startPostgres, startReplica, waitForReplay } from './postgres.ts';
import { ProcessLog } from './process-log.ts';
import { frames, rawConnect, rawLogIn, rows } from './raw-client.ts';

describe('a Postgres server for tests', () => {
  let primary: Postgres;
  before(async () => {
    primary = await startPostgres({ name: 'the primary' });
  });
  after(() => primary.stop());

  it('keeps its data and port over a restart and over a crash', async () => {
    const { port } = primary;
    await query(primary, 'CREATE TABLE kept AS SELECT 1 AS n');
    await primary.restart();
    await query(primary, 'INSERT INTO kept VALUES (2); CHECKPOINT');
    await primary.kill();
    await assert.rejects(query(primary, 'SELECT 1'));
    await primary.restart();
    assert.deepEqual(await query(primary, 'SELECT n FROM kept ORDER BY n'), [{ n: 1 }, { n: 2 }]);
    assert.equal(primary.port, port);
  });

  it('has replicas that follow it and can take its place', async () => {
    const replica = await startReplica(primary);
    await query(primary, 'CREATE TABLE followed AS SELECT 7 AS n');
    await waitForReplay(primary, replica);
    assert.deepEqual(await query(replica, 'SELECT n, pg_is_in_recovery() AS replica FROM followed'), [{ n: 7, replica: true }]);
    await promote(replica);
    await query(replica, 'INSERT INTO followed VALUES (8)');
    await replica.stop();
    assert.equal(existsSync(replica.dataDir), false);
  });

  it('answers nothing while paused', async () => {
    const client = await rawLogIn(primary, { user: 'postgres' });
    primary.pause();
    client.send(frames.query('SELECT 1'));
    // The kernel still accepts connections for it.
    const other = await rawConnect(primary);
    assert.deepEqual(client.pending, []);
    primary.resume();
    assert.deepEqual(rows(await client.until('Z')), [['1']]);
    other.destroy();
    await client.close();
  });

  it('can be given rules and a password', async () => {
    const server = await startPostgres({ password: "o'clock", hba: ['host all all 127.0.0.1/32 scram-sha-256'] });
    await assert.rejects(rawLogIn(server, { user: 'postgres', password: 'wrong' }), /password authentication failed/);
    const scram = await rawLogIn(server, { user: 'postgres', password: "o'clock" });
    await scram.query("SET password_encryption = 'md5'; CREATE ROLE ann LOGIN PASSWORD 'x'");
    await server.setHba(['host all ann 127.0.0.1/32 md5', 'host all all 127.0.0.1/32 password']);
    for (const [user, password] of [
      ['ann', 'x'],
      ['postgres', "o'clock"],
    ] as const) {
      const client = await rawLogIn(server, { user, password, database: 'postgres' });
      assert.deepEqual(rows(await client.query('SELECT current_user')), [[user]]);
      await client.close();
    }
    await scram.close();
    await server.stop();
  });
});

describe('the log of a process', () => {
  it('is waited for until it has the line, the process ends, or the limit is over', async () => {
    const log = new ProcessLog('it');
    log.began();
    const found = log.wait({ pattern: /two/, from: 0 });
    log.add('one\n');
    log.add('two\n');
    await found;
    await assert.rejects(log.wait({ pattern: /three/, from: 0, limitMs: 1 }), /it has, after 1 ms, no \/three\/ in its log:\none\ntwo/);
    const unfinished = assert.rejects(log.wait({ pattern: /one/, from: 4 }), /it ended without \/one\/ in its log:\ntwo/);
    log.ended();
    await unfinished;
  });
});

describe('a raw client', () => {
  let server: Postgres;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());

  it('speaks protocol 3.2 over a Unix socket and cancels with its long key', async () => {
    const { port, socketDir } = server;
    const client = await rawLogIn({ port, socketDir }, { user: 'postgres', protocol: frames.PROTOCOL_3_2 });
    assert.ok(client.key.length > 4);
    client.send(frames.query('SELECT pg_sleep(60)'));
    // Cancel may come before the query has begun; it is sent until it hits.
    while (!client.pending.some(({ type }) => type === 'E')) await client.cancel();
    assert.equal((await client.until('Z')).find(({ type }) => type === 'E')?.fields?.C, '57014');
    await client.close();
  });

  it('sends frames byte by byte and reads every kind of answer', async () => {
    const client = await rawLogIn(server, { user: 'postgres' });
    await client.sendInPieces(
      1,
      frames.parse('SELECT $1::int + 1 AS n, $2::text', 'plus', [23]),
      frames.describe('S', 'plus'),
      frames.bind({ statement: 'plus', values: [Buffer.from([0, 0, 0, 41]), null], formats: [1, 0] }),
      frames.execute(),
      frames.close('S', 'plus'),
      frames.sync(),
    );
    const answer = await client.until('Z');
    assert.equal(answer.map(({ type }) => type).join(''), '1tT2DC3Z');
    assert.deepEqual(answer[1]?.oids, [23, 25]);
    assert.equal(answer[2]?.columns?.[0]?.name, 'n');
    assert.deepEqual(answer[4]?.values, ['42', null]);
    const abs = rows(await client.query("SELECT 'abs(int4)'::regprocedure::oid"))[0]?.[0];
    client.send(frames.functionCall(Number(abs), ['-5']));
    assert.deepEqual((await client.until('Z'))[0]?.values, ['5']);
    await client.close();
  });

  it('copies in and out', async () => {
    const client = await rawLogIn(server, { user: 'postgres' });
    await client.query('CREATE TEMP TABLE t (a int, b text)');
    client.send(frames.query('COPY t FROM STDIN'), frames.copyData('1\tone\n2\t'), frames.copyData('two\n'), frames.copyDone());
    assert.equal((await client.until('Z')).find(({ type }) => type === 'C')?.tag, 'COPY 2');
    const out = await client.query('COPY t TO STDOUT');
    assert.deepEqual(out[0]?.formats, [0, 0]);
    assert.equal(out.flatMap(({ type, body }) => (type === 'd' ? [body.toString()] : [])).join(''), '1\tone\n2\ttwo\n');
    client.destroy();
  });

  it('is told no to encryption in one byte, then goes on', async () => {
    const client = await rawConnect(server);
    client.send(frames.sslRequest());
    assert.equal(await client.receiveByte(), 'N');
    client.send(frames.gssEncRequest());
    assert.equal(await client.receiveByte(), 'N');
    await client.logIn({ user: 'postgres' });
    await client.close();
  });
});
