/** What Postgres remembers for a session holds for this session as long as it should, and never reaches another one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const first = (answer: readonly RawFrame[]): string | null | undefined => rows(answer)[0]?.[0];

/** Each kind of state: how a client makes it, how he or anyone else looks for it, and what is seen with and without it. */
interface Kind {
  readonly make: string;
  readonly look: string;
  readonly own: string;
  readonly others: string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  SET: { make: "set work_mem = '77MB'", look: 'show work_mem', own: '77MB', others: '4MB' },
  'SET SESSION in a transaction': {
    make: "begin; set session work_mem = '78MB'; commit",
    look: 'show work_mem',
    own: '78MB',
    others: '4MB',
  },
  set_config: { make: "select set_config('work_mem', '79MB', false)", look: 'show work_mem', own: '79MB', others: '4MB' },
  'set_config in a function': { make: "select sets('80MB')", look: 'show work_mem', own: '80MB', others: '4MB' },
  'SET in a DO block': { make: "do $$ begin set work_mem = '81MB'; end $$", look: 'show work_mem', own: '81MB', others: '4MB' },
  'a setting of an extension': {
    make: "set my.thing = 'x'",
    look: "select coalesce(current_setting('my.thing', true), '')",
    own: 'x',
    others: '',
  },
  'SET ROLE': { make: 'set role ann', look: 'select current_user', own: 'ann', others: 'postgres' },
  'SET SESSION AUTHORIZATION': { make: 'set session authorization ann', look: 'select session_user', own: 'ann', others: 'postgres' },
  search_path: { make: 'set search_path = pg_catalog', look: 'show search_path', own: 'pg_catalog', others: '"$user", public' },
  'SESSION CHARACTERISTICS': {
    make: 'set session characteristics as transaction isolation level serializable',
    look: 'show default_transaction_isolation',
    own: 'serializable',
    others: 'read committed',
  },
  'a temporary table': {
    make: 'create temp table mine (a int)',
    look: "select coalesce(to_regclass('mine')::text, 'none')",
    own: 'mine',
    others: 'none',
  },
  'SELECT INTO a temporary table': {
    make: 'select 1 as a into temp mine2',
    look: "select coalesce(to_regclass('mine2')::text, 'none')",
    own: 'mine2',
    others: 'none',
  },
  'a temporary table made by a function': {
    make: 'select makes_temp()',
    look: "select coalesce(to_regclass('made')::text, 'none')",
    own: 'made',
    others: 'none',
  },
  LISTEN: { make: 'listen here', look: 'select count(*) from pg_listening_channels()', own: '1', others: '0' },
  'an advisory lock': {
    make: 'select pg_advisory_lock(42)',
    look: "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    own: '1',
    others: '0',
  },
  'an advisory lock taken in a function': {
    make: 'select locks()',
    look: "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    own: '1',
    others: '0',
  },
  PREPARE: { make: 'prepare p as select 1', look: "select count(*) from pg_prepared_statements where name = 'p'", own: '1', others: '0' },
  'a cursor WITH HOLD': {
    make: 'declare h cursor with hold for select 1',
    look: "select count(*) from pg_cursors where name = 'h'",
    own: '1',
    others: '0',
  },
};

for (const mode of ['transaction', 'session'] as const) {
  describe(`session state in ${mode} mode`, () => {
    let postgres: Postgres;
    let shardyard: Shardyard;
    before(async () => {
      postgres = await startPostgres();
      await query(
        postgres,
        `create role ann login superuser;
         create function sets(value text) returns void language plpgsql as $$ begin perform set_config('work_mem', value, false); end $$;
         create function makes_temp() returns void language plpgsql as $$ begin create temp table made (a int); end $$;
         create function locks() returns void language plpgsql as $$ begin perform pg_advisory_lock(43); end $$`,
      );
      shardyard = await startShardyard(
        `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\npool_mode = ${mode}\ndefault_pool_size = 3\n`,
      );
    });
    after(async () => {
      await shardyard?.stop();
      await postgres?.stop();
    });
    const connect = (): Promise<RawClient> => rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });

    for (const [name, { make, look, own, others }] of Object.entries(KINDS)) {
      for (const how of ['simple', 'extended'] as const) {
        if (how === 'extended' && make.includes(';') && !make.includes('$$')) continue;
        it(`${name} (${how}) stays with its session and ends with it`, async () => {
          const [a, b] = [await connect(), await connect()];
          try {
            if (how === 'simple') assert.equal(errorOf(await a.query(make))?.M, undefined);
            else {
              a.send(frames.parse(make), frames.bind(), frames.execute(), frames.sync());
              assert.equal(errorOf(await a.until('Z'))?.M, undefined);
            }
            for (let i = 0; i < 3; i++) {
              assert.equal(first(await a.query(look)), own, 'for him');
              assert.equal(first(await b.query(look)), others, 'for another');
            }
            await a.close();
            // All servers of the pool, each by its own client.
            const all = await Promise.all([connect(), connect()]);
            for (const client of [b, ...all]) await client.query('begin');
            for (const client of [b, ...all]) assert.equal(first(await client.query(look)), others, 'for those after him');
            for (const client of [b, ...all]) await client.query('rollback');
            for (const client of all) await client.close();
          } finally {
            a.destroy();
            await b.close();
          }
        });
      }
    }

    it('what holds for one transaction alone is not brought along', async () => {
      const [a, b] = [await connect(), await connect()];
      await a.query('set transaction_read_only = on');
      await a.query("select set_config('transaction_isolation', 'serializable', false)");
      await a.query('select locks()');
      await a.query('select pg_advisory_unlock_all()');
      assert.equal(errorOf(await a.query('discard all'))?.M, undefined);
      await b.query("set work_mem = '5MB'");
      for (const [text, value] of [
        ['show transaction_read_only', 'off'],
        ['show transaction_isolation', 'read committed'],
      ] as const) {
        assert.equal(first(await a.query(text)), value);
      }
      await a.close();
      await b.close();
    });

    it('what was rolled back is not there, and a client that goes in the middle leaves nothing', async () => {
      const a = await connect();
      await a.query("begin; set work_mem = '90MB'; rollback");
      assert.equal(first(await a.query('show work_mem')), '4MB');
      await a.query("begin; set local work_mem = '91MB'; select pg_advisory_xact_lock(5); create temp table gone (a int) on commit drop");
      a.destroy();
      await eventually(async () => {
        const left = await query(postgres, "select 1 from pg_stat_activity where client_addr is not null and state <> 'idle'");
        assert.deepEqual(left, []);
        assert.deepEqual(await query(postgres, "select 1 from pg_locks where locktype = 'advisory'"), []);
      });
      const b = await connect();
      assert.equal(first(await b.query('show work_mem')), '4MB');
      await b.close();
    });

    it('a state that is taken back by its client lets the server serve others again', async () => {
      const a = await connect();
      for (const [make, undo] of [
        ["set work_mem = '50MB'", 'reset work_mem'],
        ['listen x', 'unlisten *'],
        ['select pg_advisory_lock(7)', 'select pg_advisory_unlock(7)'],
        ['prepare q as select 1', 'deallocate q'],
        ['create temp table tt (a int)', 'drop table tt'],
        ["set work_mem = '50MB'; listen y", 'discard all'],
      ] as const) {
        assert.equal(errorOf(await a.query(make))?.M, undefined);
        assert.equal(errorOf(await a.query(undo))?.M, undefined);
        assert.equal(first(await a.query('show work_mem')), '4MB');
      }
      await a.close();
    });

    it('notifications reach the one who listens, also while he says nothing', async () => {
      const [listener, other] = [await connect(), await connect()];
      await listener.query('listen news');
      await other.query("notify news, 'one'");
      const heard = (await listener.until('A')).at(-1);
      assert.deepEqual([heard?.channel, heard?.payload], ['news', 'one']);
      assert.equal(heard?.body.readInt32BE(0), other.pid);
      assert.deepEqual(other.pending, []);
      await other.query("begin; notify news, 'two'; commit");
      assert.equal((await listener.until('A')).at(-1)?.payload, 'two');
      // Where a server connection has had others since, it is not known which of them it was.
      await other.query("do $$ begin perform pg_notify('news', 'hidden'); end $$");
      await (await connect()).query('begin; rollback');
      assert.equal((await listener.until('A')).at(-1)?.payload, 'hidden');
      await listener.query('unlisten news');
      await other.query("notify news, 'three'");
      assert.deepEqual(
        (await listener.query('select 1')).map(({ type }) => type),
        ['T', 'D', 'C', 'Z'],
      );
      await listener.close();
      await other.close();
    });

    if (mode === 'transaction') {
      it('who notified is named only where it is certain', async () => {
        const [one, two, third] = [await connect(), await connect(), await connect()];
        const listen = async (): Promise<RawClient> => {
          const listener = await connect();
          await listener.query('listen senders');
          await listener.query('begin');
          return listener;
        };
        const senders = async (listener: RawClient): Promise<(number | undefined)[]> =>
          (await listener.query('commit')).filter(({ type }) => type === 'A').map(({ body }) => body.readInt32BE(0));
        const first = await listen();
        await one.query("notify senders, '1'");
        // Of statements that cannot notify none comes into question.
        for (const sql of ['begin', "set local work_mem = '64kB'", 'commit']) await third.query(sql);
        assert.deepEqual(await senders(first), [one.pid]);
        await first.query('begin');
        await one.query("notify senders, '2'");
        await two.query("notify senders, '3'");
        const [earlier, later] = await senders(first);
        assert.ok(earlier !== undefined && earlier !== two.pid && later !== one.pid);
        // Who begins to listen now hears nothing of what was before.
        const second = await listen();
        await two.query("notify senders, '4'");
        assert.deepEqual(await senders(second), [two.pid]);
        for (const client of [first, second, one, two, third]) await client.close();
      });
    }

    it('start-up settings hold on every server, and RESET comes back to them', async () => {
      const a = await rawLogIn(shardyard, {
        user: 'postgres',
        database: 'postgres',
        parameters: { options: '-c work_mem=64MB -c application_name=o\\ ne', datestyle: 'SQL, DMY', client_encoding: 'LATIN1' },
      });
      const b = await connect();
      for (let i = 0; i < 4; i++) {
        const got = rows(
          await a.query(
            "select current_setting('work_mem'), current_setting('application_name'), current_setting('datestyle'), current_setting('client_encoding')",
          ),
        );
        assert.deepEqual(got, [['64MB', 'o ne', 'SQL, DMY', 'LATIN1']]);
        assert.equal(first(await b.query('show work_mem')), '4MB');
        await b.query(i % 2 === 0 ? 'begin' : 'commit');
      }
      await a.query("set work_mem = '10MB'");
      await a.query('reset work_mem');
      assert.equal(first(await a.query('show work_mem')), '64MB');
      await a.query('reset all');
      assert.equal(first(await a.query('show datestyle')), 'SQL, DMY');
      await a.query('discard all');
      assert.equal(first(await a.query('show work_mem')), '64MB');
      await a.close();
      await b.close();
    });
  });
}
