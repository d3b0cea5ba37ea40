/** From the first byte to the first ReadyForQuery: versions, encryption requests, parameters; over TCP and Unix sockets. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawConnect, rawLogIn, rows, ServerRefusal } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

const parametersOf = (client: RawClient): Readonly<Record<string, string>> =>
  Object.fromEntries(client.greeting.flatMap(({ type, name = '', value = '' }) => (type === 'S' ? [[name, value]] : [])));
const lastError = (answer: readonly RawFrame[]) => {
  const { S, C, M } = answer.findLast(({ type }) => type === 'E')?.fields ?? {};
  return [S, C, M];
};

describe('start-up', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create role ann login');
    shardyard = await startShardyard(
      `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\nsocket = host=${postgres.socketDir} port=${postgres.port} dbname=postgres\nann = host=127.0.0.1 port=${postgres.port} dbname=postgres\n[shardyard]\npool_mode = transaction\nignore_startup_parameters = ignored_one, Extra\nunix_socket_mode = 0750\n`,
      { users: { postgres: 'postgres', ann: '' } },
    );
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });
  const logIn = (parameters: Readonly<Record<string, string>>, protocol?: number, user = 'postgres'): Promise<RawClient> =>
    rawLogIn(shardyard, { user, database: 'postgres', parameters, ...(protocol === undefined ? {} : { protocol }) });

  it('SSLRequest and GSSENCRequest are answered N, and the log-in goes on', async () => {
    const client = await rawConnect(shardyard);
    client.send(frames.gssEncRequest());
    assert.equal(await client.receiveByte(), 'N');
    client.send(frames.sslRequest());
    assert.equal(await client.receiveByte(), 'N');
    await client.logIn({ user: 'postgres', database: 'postgres' });
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    await client.close();
  });

  it('whoever says what is no start-up packet, a goodbye for example, is told nothing, as by Postgres', async () => {
    for (const first of [frames.terminate(), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      for (const server of [postgres, shardyard]) {
        const client = await rawConnect(server);
        client.send(first, frames.startup({ user: 'postgres', database: 'postgres' }));
        assert.deepEqual(await client.untilEnd(), []);
      }
    }
  });

  it('what was sent in clear together with an encryption request is not believed', async () => {
    for (const request of [frames.sslRequest(), frames.gssEncRequest()]) {
      const client = await rawConnect(shardyard);
      client.send(request, frames.startup({ user: 'postgres', database: 'postgres' }));
      const bytes = await new Promise<string>((resolve) => {
        let text = '';
        client.socket.removeAllListeners('data');
        client.socket.on('data', (chunk) => {
          text += chunk.toString('latin1');
        });
        client.socket.once('close', () => resolve(text));
      });
      assert.doesNotMatch(bytes, /server_version/);
    }
  });

  it('the start-up may come byte by byte', async () => {
    const client = await rawConnect(shardyard);
    await client.sendInPieces(1, frames.startup({ user: 'postgres', database: 'postgres' }), frames.query('select 1'));
    assert.deepEqual(rows((await client.until('Z')) && (await client.until('Z'))), [['1']]);
    client.destroy();
  });

  it('speaks 3.0 and 3.2 as asked, and says what it speaks to who asks for more', async () => {
    const old = await logIn({});
    assert.equal(old.key.length, 4);
    assert.ok(!old.greeting.some(({ type }) => type === 'v'));
    const current = await logIn({}, frames.PROTOCOL_3_2);
    assert.ok(current.key.length > 4 && current.key.length <= 256);
    assert.ok(!current.greeting.some(({ type }) => type === 'v'));
    // 3.1 never was, and Postgres takes it as it comes; 3.9999 is what "grease" asks for.
    for (const [asked, told] of [
      [0x0003_0001, undefined],
      [0x0003_0003, 2],
      [0x0003_270f, 2],
    ] as const) {
      const client = await logIn({}, asked);
      const direct = await rawLogIn(postgres, { user: 'postgres', database: 'postgres', protocol: asked });
      const [ours, postgres18] = [client, direct].map(({ greeting }) => greeting.find(({ type }) => type === 'v'));
      assert.equal(ours?.minor === undefined ? undefined : ours.minor & 0xffff, told);
      assert.equal(ours?.body.toString('hex'), postgres18?.body.toString('hex'), 'as Postgres says it');
      await direct.close();
      await client.close();
    }
    await old.close();
    await current.close();
  });

  it('protocol options that it does not know are told, and ignored', async () => {
    const client = await logIn({ '_pq_.no_such': '1', '_pq_.other': '' });
    const direct = await rawLogIn(postgres, {
      user: 'postgres',
      database: 'postgres',
      parameters: { '_pq_.no_such': '1', '_pq_.other': '' },
    });
    const told = client.greeting.find(({ type }) => type === 'v');
    assert.deepEqual(told?.unknownOptions, ['_pq_.no_such', '_pq_.other']);
    assert.equal(told?.body.toString('hex'), direct.greeting.find(({ type }) => type === 'v')?.body.toString('hex'));
    await direct.close();
    await client.close();
  });

  it('other major versions are refused', async () => {
    for (const version of [0x0002_0000, 0x0004_0000, 0]) {
      const client = await rawConnect(shardyard);
      client.send(frames.startup({ user: 'postgres' }, version));
      assert.equal((await client.untilEnd()).at(-1)?.fields?.S, 'FATAL');
    }
  });

  it('the client is told the same parameters as by Postgres itself', async () => {
    for (const parameters of [
      {},
      { application_name: 'my app', client_encoding: 'SQL_ASCII', DateStyle: 'German, DMY', TimeZone: 'Asia/Tokyo' },
      { options: '-c IntervalStyle=iso_8601 --standard-conforming-strings=off' },
      { application_name: 'Ünïcode', extra_float_digits: '3', search_path: 'a, b' },
    ]) {
      const through = await logIn(parameters);
      const direct = await rawLogIn(postgres, { user: 'postgres', database: 'postgres', parameters });
      // Tells of a host, and through Shardyard a session is on several.
      const { in_hot_standby: _, ...expected } = parametersOf(direct);
      assert.deepEqual(parametersOf(through), expected);
      await direct.close();
      await through.close();
    }
  });

  it('settings of the start-up are in force', async () => {
    const client = await logIn({ options: '-c work_mem=12MB -csearch_path=one,\\ two --lock-timeout=77', statement_timeout: '5s' });
    const shown = await client.query(
      "select current_setting('work_mem'), current_setting('search_path'), current_setting('lock_timeout'), current_setting('statement_timeout')",
    );
    assert.deepEqual(rows(shown), [['12MB', 'one, two', '77ms', '5s']]);
    await client.close();
  });

  it('a setting that Postgres refuses is refused in its words', async () => {
    for (const parameters of [
      { no_such_setting: '1' },
      { work_mem: 'a lot' },
      { DateStyle: 'sideways' },
      { client_encoding: 'nonsense' },
      { options: '-c port=1' },
    ]) {
      const fields = async (target: Postgres | Shardyard) => {
        const refused = await rawLogIn(target, { user: 'postgres', database: 'postgres', parameters }).catch((error: unknown) => error);
        assert.ok(refused instanceof ServerRefusal, JSON.stringify(parameters));
        const { S, C, M } = refused.frame.fields ?? {};
        return [S, C, M];
      };
      assert.deepEqual(await fields(shardyard), await fields(postgres));
    }
    const after = await logIn({});
    assert.deepEqual(rows(await after.query('show work_mem')), [['4MB']]);
    await after.close();
  });

  it('options other than settings are refused in PgBouncer’s words', async () => {
    await assert.rejects(
      logIn({ options: '-d 5' }),
      /^Error: unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed$|unsupported options startup parameter/,
    );
  });

  it('ignore_startup_parameters are ignored', async () => {
    const client = await logIn({ ignored_one: 'x', extra: 'y' });
    assert.deepEqual(rows(await client.query('select 1')), [['1']]);
    await client.close();
  });

  it('the database is the user’s name when there is none', async () => {
    const client = await rawLogIn(shardyard, { user: 'ann' });
    assert.deepEqual(rows(await client.query('select current_user, current_database()')), [['ann', 'postgres']]);
    await client.close();
  });

  it('a start-up packet that makes no sense is refused', async () => {
    const startup = frames.startup({ user: 'postgres', database: 'postgres' });
    const unterminated = Buffer.from(startup.subarray(0, -1));
    unterminated.writeInt32BE(unterminated.length, 0);
    const long = frames.startup({ user: 'postgres', database: 'x'.repeat(12_000) });
    const noUser = frames.startup({ database: 'postgres' });
    for (const bytes of [
      unterminated,
      long,
      noUser,
      Buffer.from([0, 0, 0, 4]),
      Buffer.from([0, 0, 0, 7, 0, 3, 0, 0]),
      Buffer.from([0xff, 0xff, 0xff, 0xff]),
    ]) {
      const client = await rawConnect(shardyard);
      client.send(bytes);
      client.socket.end();
      const answer = await client.untilEnd();
      assert.ok(!answer.some(({ type }) => type === 'Z'));
    }
    const client = await rawConnect(shardyard);
    client.send(noUser);
    assert.deepEqual(lastError(await client.untilEnd()), ['FATAL', '08P01', 'no username supplied']);
  });

  it('clients over the Unix socket, servers over the Unix socket', async () => {
    const client = await rawLogIn({ port: shardyard.port, socketDir: shardyard.socketDir }, { user: 'postgres', database: 'socket' });
    assert.deepEqual(rows(await client.query('select inet_client_addr() is null')), [['t']]);
    await client.close();
  });

  it('the socket file has its mode, and goes away at the end', async () => {
    const other = await startShardyard(`[databases]\n* = host=127.0.0.1 port=${postgres.port}\n[shardyard]\nunix_socket_mode = 0712\n`);
    const file = path.join(other.socketDir, `.s.PGSQL.${other.port}`);
    assert.equal(statSync(file).mode & 0o777, 0o712);
    assert.equal(statSync(path.join(shardyard.socketDir, `.s.PGSQL.${shardyard.port}`)).mode & 0o777, 0o750);
    await other.exit('SIGTERM');
    assert.equal(existsSync(file), false);
    await other.stop().catch(() => {});
  });

  it('a stale socket file is replaced, one that somebody answers on is fatal', async () => {
    const first = await startShardyard(`[databases]\n* = host=127.0.0.1 port=${postgres.port}\n[shardyard]\n`);
    const file = path.join(first.socketDir, `.s.PGSQL.${first.port}`);
    const same = `[databases]\n* = host=127.0.0.1 port=${postgres.port}\n[shardyard]\nlisten_port = ${first.port}\nlisten_addr = \nunix_socket_dir = ${first.socketDir}\n`;
    await assert.rejects(startShardyard(same), /unix socket is in use, cannot continue/);
    const client = await rawLogIn(first, { user: 'postgres', database: 'postgres' });
    await client.close();
    process.kill(first.pid, 'SIGKILL');
    await first.exit('SIGKILL');
    assert.equal(existsSync(file), true, 'left behind');
    chmodSync(file, 0o600);
    const second = await startShardyard(same.replace('listen_addr = ', 'listen_addr = 127.0.0.1'));
    const again = await rawLogIn({ port: first.port, socketDir: first.socketDir }, { user: 'postgres', database: 'postgres' });
    assert.deepEqual(rows(await again.query('select 1')), [['1']]);
    await again.close();
    await second.exit('SIGQUIT');
    assert.equal(existsSync(file), false);
    await second.stop().catch(() => {});
    await first.stop().catch(() => {});
  });

  it('listens on several addresses', async () => {
    const both = await startShardyard(
      `[databases]\n* = host=127.0.0.1 port=${postgres.port}\n[shardyard]\nlisten_addr = 127.0.0.1, 127.0.0.2\n`,
    );
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const client = await rawLogIn({ host, port: both.port }, { user: 'postgres', database: 'postgres' });
      await client.close();
    }
    await new Promise<void>((resolve, reject) => {
      const socket = net.connect(both.port, '127.0.0.3');
      socket.once('error', () => resolve());
      socket.once('connect', () => reject(new Error('127.0.0.3 answers')));
    });
    await both.stop();
  });
});
