/** Clients and servers that die, hang or talk nonsense at every moment: nobody else gets a wrong answer, and no server stays unclean. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawConnect, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const { bind, copyData, describe: describeFrame, execute, flush, parse, sync } = frames;
const errorOf = (answer: readonly RawFrame[]) => answer.findLast(({ type }) => type === 'E')?.fields;

let postgres: Postgres;
let shardyard: Shardyard;
const connect = (user = 'postgres'): Promise<RawClient> => rawLogIn(shardyard, { user, database: 'postgres' });
const fourClients = () => Promise.all(Array.from({ length: 4 }, () => connect()));

/** Nothing runs any more, nothing is locked, and every connection that is left answers like a new one. */
async function everythingIsClean(): Promise<void> {
  await eventually(async () => {
    const busy = await query(postgres, "select pid, state, query from pg_stat_activity where client_addr is not null and state <> 'idle'");
    assert.deepEqual(busy, []);
    assert.deepEqual(await query(postgres, "select 1 from pg_locks where locktype = 'advisory'"), []);
  });
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect()));
  for (const client of clients) await client.query('begin');
  for (const client of clients) {
    const [row] = rows(
      await client.query(
        "select current_setting('work_mem'), current_user, (select count(*) from pg_prepared_statements where not from_sql and name not like 'shardyard%'), (select count(*) from pg_cursors), (select count(*) from pg_listening_channels()), coalesce(to_regclass('tmp')::text, '')",
      ),
    );
    assert.deepEqual(row, ['4MB', 'postgres', '0', '0', '0', '']);
  }
  for (const client of clients) {
    await client.query('rollback');
    await client.close();
  }
}

/** Moments of a session: what it has said, and until which frame it has listened. */
const MOMENTS: Readonly<Record<string, (client: RawClient) => Promise<unknown>>> = {
  'right after the log-in': async () => {},
  'while its query runs': async (client) => client.send(frames.query('select pg_sleep(30)')),
  'while its query runs, with more said already': async (client) =>
    client.send(frames.query('select pg_sleep(30)'), frames.query('select 1')),
  'in a transaction': async (client) => client.query("begin; set local work_mem = '9MB'; create temp table tmp (a int)"),
  'in a failed transaction': async (client) => client.query('begin; select 1/0'),
  'with a setting': async (client) => client.query("set work_mem = '9MB'"),
  'with a temporary table': async (client) => client.query('create temp table tmp (a int)'),
  'with an advisory lock': async (client) => client.query('select pg_advisory_lock(1)'),
  'while it listens': async (client) => client.query('listen x'),
  'with a cursor over transactions': async (client) => client.query('declare c cursor with hold for select 1'),
  'in the middle of COPY in': async (client) => {
    await client.query('create table if not exists copied (a int)');
    client.send(frames.query('copy copied from stdin'));
    await client.until('G');
    client.send(copyData('1\n'));
  },
  'in the middle of COPY out': async (client) => {
    client.socket.pause();
    client.send(frames.query("copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout"));
  },
  'in the middle of a large answer': async (client) => {
    client.send(frames.query("select repeat('x', 1000) from generate_series(1, 100000)"));
    await client.until('D');
  },
  'before the Sync': async (client) => {
    client.send(parse('select 1', 'p'), bind({ statement: 'p' }), execute(), flush());
    await client.until('C');
  },
  'with an open portal': async (client) => {
    await client.query('begin');
    client.send(parse('select generate_series(1, 9)'), bind({ portal: 'p' }), execute('p', 2), sync());
    await client.until('Z');
  },
  'in the middle of a frame': async (client) => client.send(frames.query('select 1').subarray(0, 7)),
  'in the middle of a large frame': async (client) => client.send(frames.query(`select '${'x'.repeat(500_000)}'`).subarray(0, 300_000)),
  'in the middle of a large parameter': async (client) =>
    client.send(parse('select $1::text'), bind({ values: ['x'.repeat(500_000)] }).subarray(0, 300_000)),
  'after an unfinished pipeline': async (client) => client.send(parse('select 1'), bind(), describeFrame('P')),
};

describe('faults', () => {
  before(async () => {
    // Postgres looks for clients that are gone only when it is told to.
    postgres = await startPostgres({ settings: { client_connection_check_interval: '50ms' } });
    await query(postgres, 'create role ann login superuser');
  });
  after(() => postgres?.stop());
  const start = async (settings: string) => {
    shardyard = await startShardyard(`[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\n${settings}\n`, {
      users: { postgres: 'postgres', ann: 'ann' },
    });
  };
  const stop = async () => {
    assert.doesNotMatch(shardyard.log(), /uncaught|unhandled|internal error|TypeError|RangeError|\bat .*\.js:\d+/i);
    await shardyard.stop();
  };

  for (const mode of ['transaction', 'session'] as const) {
    describe(`a client goes away in ${mode} mode`, () => {
      before(() => start(`pool_mode = ${mode}\ndefault_pool_size = 4`));
      after(stop);
      for (const [moment, getThere] of Object.entries(MOMENTS)) {
        for (const how of ['reset', 'end', 'Terminate'] as const) {
          it(`${moment}, by ${how}`, async () => {
            const client = await connect();
            await getThere(client);
            // What it has said has reached the server before it goes.
            await new Promise((resolve) => setTimeout(resolve, 5));
            if (how === 'reset') client.socket.resetAndDestroy();
            else if (how === 'end') client.socket.end();
            else client.socket.end(frames.terminate());
            client.socket.resume();
            if (moment.includes('with more said') && how === 'Terminate') client.destroy();
            await everythingIsClean();
            client.destroy();
          });
        }
      }
    });
  }

  describe('a server goes away', () => {
    before(() => start('pool_mode = transaction\ndefault_pool_size = 4\nserver_login_retry = 0.2'));
    after(stop);
    /** Ends the server connections of `postgres`; when it resolves, Shardyard knows. */
    const terminateAll = async (then: () => void = () => {}): Promise<void> => {
      const ended = await query<{ pid: number }>(
        postgres,
        "select pid, pg_terminate_backend(pid) from pg_stat_activity where client_addr is not null and usename = 'postgres'",
      );
      then();
      const admin = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer' });
      await eventually(async () => {
        const servers = await admin.query('show servers');
        const at = servers.find(({ type }) => type === 'T')?.columns?.findIndex(({ name }) => name === 'remote_pid') ?? -1;
        const left = rows(servers).map((row) => row[at]);
        assert.ok(at >= 0 && ended.every(({ pid }) => !left.includes(String(pid))));
      });
      await admin.close();
    };

    for (const [moment, getThere] of Object.entries(MOMENTS)) {
      it(`when its client is ${moment}`, async () => {
        const client = await connect();
        await getThere(client);
        await new Promise((resolve) => setTimeout(resolve, 5));
        // Where the client does not read, its server is not read from either.
        await terminateAll(() => client.socket.resume());
        const other = await connect('ann');
        for (let i = 0; i < 3; i++) assert.deepEqual(rows(await other.query(`select ${i}`)), [[String(i)]]);
        await other.close();
        const next = await connect();
        assert.deepEqual(rows(await next.query('select 7')), [['7']]);
        await next.close();
        client.destroy();
        await everythingIsClean();
      });
    }

    it('the client whose statement ran is told by the server’s own words', async () => {
      const client = await connect();
      client.send(frames.query('select pg_sleep(30)'));
      await eventually(async () =>
        assert.equal(
          (await query(postgres, "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'")).length,
          1,
        ),
      );
      await terminateAll();
      const error = errorOf(await client.untilEnd());
      assert.deepEqual([error?.S, error?.C, error?.M], ['FATAL', '57P01', 'terminating connection due to administrator command']);
    });

    it('an idle client does not notice', async () => {
      const client = await connect();
      await client.query('select 1');
      await terminateAll();
      for (let i = 0; i < 5; i++) assert.deepEqual(rows(await client.query(`select ${i}`)), [[String(i)]]);
      await client.close();
    });

    it('a client in a transaction is told, and nothing of it was kept', async () => {
      await query(postgres, 'create table if not exists kept (a int)');
      const client = await connect();
      await client.query('begin; insert into kept values (1)');
      await terminateAll();
      const ended = await Promise.race([client.untilEnd(), client.query('select 1').catch(() => [])]);
      assert.notEqual(errorOf(ended), undefined);
      assert.deepEqual(await query(postgres, 'select * from kept'), []);
      client.destroy();
    });

    it('by kill -9, and everyone goes on when it is back', async () => {
      const [busy, waiting] = [await fourClients(), await fourClients()];
      for (const client of busy) client.send(frames.query('select pg_sleep(20)'));
      await eventually(async () =>
        assert.equal(
          (await query(postgres, "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'")).length,
          4,
        ),
      );
      for (const client of waiting) client.send(frames.query('select 7'));
      await postgres.kill();
      const words = await Promise.all(busy.map(async (client) => errorOf(await client.untilEnd())));
      assert.ok(words.every((error) => error?.S === 'FATAL'));
      await postgres.restart();
      for (const client of waiting) assert.deepEqual(rows(await client.until('Z')), [['7']]);
    });

    it('paused and resumed it goes on where it was', async () => {
      const client = await connect();
      await client.query('begin');
      postgres.pause();
      client.send(frames.query('select 5'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(client.pending, []);
      postgres.resume();
      assert.deepEqual(rows(await client.until('Z')), [['5']]);
      await client.query('commit');
      await client.close();
    });
  });

  describe('nonsense', () => {
    before(() => start('pool_mode = transaction\ndefault_pool_size = 4\nclient_login_timeout = 5'));
    after(stop);
    afterEach(everythingIsClean);
    const GARBAGE: Readonly<Record<string, Buffer>> = {
      'random bytes': randomBytes(3000),
      zeros: Buffer.alloc(100),
      'a length below four': frames.frame('Q', 'select 1\0', 3),
      'a negative length': frames.frame('Q', 'select 1\0', -5),
      'the largest length': frames.frame('Q', 'select 1\0', 0x7fffffff),
      'an unknown type': frames.frame('~', 'x'),
      'a password': frames.password('x'),
      'a start-up packet': frames.startup({ user: 'postgres' }),
      HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    };
    for (const [what, bytes] of Object.entries(GARBAGE)) {
      it(`${what}, before and after the log-in, ends that client only`, async () => {
        const bystander = await connect();
        const [early, late] = [await rawConnect(shardyard), await connect()];
        early.socket.write(bytes);
        late.socket.write(bytes);
        early.socket.end();
        late.socket.end();
        await early.untilEnd();
        await late.untilEnd();
        assert.deepEqual(rows(await bystander.query('select 1')), [['1']]);
        await bystander.close();
      });
    }
    it('an unknown type is told as Postgres tells it', async () => {
      const client = await connect();
      client.send(frames.frame('~', 'x'));
      const error = errorOf(await client.untilEnd());
      assert.deepEqual([error?.S, error?.C, error?.M], ['FATAL', '08P01', 'invalid frontend message type 126']);
    });
    it('hundreds of connections that come and go say nothing', async () => {
      for (let i = 0; i < 10; i++) {
        const all = await Promise.all(Array.from({ length: 30 }, () => rawConnect(shardyard)));
        for (const [n, client] of all.entries()) {
          if (n % 3 === 0) client.socket.resetAndDestroy();
          else if (n % 3 === 1) client.send(frames.startup({ user: 'postgres', database: 'postgres' }));
          client.destroy();
        }
      }
    });
  });

  it('200 clients with statements of every kind, some of them killed: everyone gets his own answers', async () => {
    await start('pool_mode = transaction\ndefault_pool_size = 6\nmax_client_conn = 1000\nmax_prepared_statements = 5');
    await query(
      postgres,
      'create table if not exists sums (id int primary key, n int); truncate sums; insert into sums select i, 0 from generate_series(0, 199) i',
    );
    const work = async (id: number): Promise<void> => {
      for (let round = 0; round < 6; round++) {
        const client = await connect();
        const mark = `${id}.${round}`;
        const kind = (id + round) % 5;
        if (kind === 0) assert.deepEqual(rows(await client.query(`select '${mark}'; select '${mark}b'`)), [[mark], [`${mark}b`]]);
        else if (kind === 1) {
          client.send(
            parse('select $1::text, $2::text', 'q'),
            bind({ statement: 'q', values: [mark, 'x'.repeat(id * 100)] }),
            execute(),
            sync(),
          );
          assert.equal(rows(await client.until('Z'))[0]?.[0], mark);
        } else if (kind === 2) {
          await client.query(`begin; update sums set n = n + 1 where id = ${id}`);
          assert.deepEqual(rows(await client.query(`select '${mark}'`)), [[mark]]);
          await client.query('commit');
        } else if (kind === 3) {
          await client.query(`set application_name = '${mark}'`);
          assert.deepEqual(rows(await client.query('show application_name')), [[mark]]);
        } else {
          client.send(frames.query(`select '${mark}' from generate_series(1, 2000)`), frames.query('select pg_sleep(0.01)'));
          if (id % 2 === 0) {
            client.socket.resetAndDestroy();
            continue;
          }
          const answer = rows(await client.until('Z'));
          assert.equal(answer.length, 2000);
          assert.ok(answer.every(([value]) => value === mark));
        }
        client.socket.end(frames.terminate());
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, id) => work(id)));
    const wrong = await query(
      postgres,
      'select id, n from sums where n <> (select count(*) from generate_series(0, 5) r where (id + r) % 5 = 2)',
    );
    assert.deepEqual(wrong, []);
    await everythingIsClean();
    await stop();
  });
});
