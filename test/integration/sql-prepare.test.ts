/**
 * SQL's PREPARE, EXECUTE and DEALLOCATE of several clients with the same names over one or two server connections: each step is said to Postgres
 * itself, by as many clients, and through Shardyard, and the answers must be the same. No pin is needed, but where a test says so.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, type RawTarget, rawLogIn } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { line } from './side-by-side.ts';
import { CONVERSATIONS, type Step } from './sql-prepare-scripts.ts';

async function untilReady(client: RawClient, sent: readonly Buffer[]): Promise<readonly RawFrame[]> {
  const answer: RawFrame[] = [];
  for (const frame of sent) if (frame[0] === 0x51 || frame[0] === 0x53) answer.push(...(await client.until('Z')));
  return answer;
}

async function answers(target: RawTarget, steps: readonly Step[]): Promise<readonly string[]> {
  const clients = new Map<string, RawClient>();
  const noted: string[] = [];
  for (const [who, what] of steps) {
    const client = clients.get(who) ?? (await rawLogIn(target, { user: 'postgres', database: 'postgres' }));
    clients.set(who, client);
    if (typeof what !== 'string') client.send(...what);
    const answer = typeof what === 'string' ? await client.query(what) : await untilReady(client, what);
    noted.push(`${who}: ${what}`, ...answer.map(line));
  }
  for (const client of clients.values()) await client.close();
  return noted;
}

for (const size of [1, 2]) {
  describe(`PREPARE over ${size === 1 ? 'one server connection' : 'two server connections'}`, () => {
    let postgres: Postgres;
    let shardyard: Shardyard;
    let admin: pg.Client;
    before(async () => {
      postgres = await startPostgres();
      await query(
        postgres,
        `create role ann login superuser;
         create function executes_p() returns void language plpgsql as $$ begin execute 'execute p'; end $$;
         create function deallocates_p() returns void language plpgsql as $$ begin execute 'deallocate p'; end $$;
         create function prepares_q() returns void language plpgsql as $$ begin execute 'prepare q as select 9'; end $$;
         create function prepares_p() returns void language plpgsql as $$ begin execute 'deallocate p; prepare p as select 8'; end $$;
         create function prepared() returns bigint language sql as 'select count(*) from pg_prepared_statements where from_sql';
         create function sets(text) returns text language sql as $$ select set_config('work_mem', $1, false) $$;
         create function on_insert() returns trigger language plpgsql as $$ begin perform sets(new.v); return new; end $$;
         create table triggers (v text);
         create trigger t before insert on triggers for each row execute function on_insert();
         create table numbers (id serial)`,
      );
      shardyard = await startShardyard(
        `[databases]\npostgres = host=127.0.0.1 port=${postgres.port}\n[shardyard]\npool_mode = transaction\ndefault_pool_size = ${size}\n` +
          'admin_users = postgres\nleak_sentinel = 100%\nlog_pins_after = 0\n',
      );
      admin = new pg.Client({ host: '127.0.0.1', port: shardyard.port, user: 'postgres', database: 'pgbouncer' });
      await admin.connect();
    });
    after(async () => {
      await admin?.end();
      await shardyard?.stop();
      await postgres?.stop();
    });
    it('pins nothing but what cannot follow, and for as long as that is there', async () => {
      const client = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
      const pins = async () => (await admin.query('show pins')).rows.map(({ reason }) => reason);
      try {
        for (const [what, expected] of [
          ['prepare p as select 1', []],
          ['execute p', []],
          ['select name from pg_prepared_statements', []],
          ['prepare q as select 1; select 2', ['prepare']],
          ['deallocate q', []],
          ["prepare n as select 'now'::timestamptz", ['prepare']],
          ['deallocate n', []],
          ["prepare s as select set_config('work_mem', $1, false)", ['prepare']],
          ['deallocate s', []],
          ["prepare u as select 'ü'", ['prepare']],
          ['deallocate u', []],
          [`prepare l as select 1 ${' '.repeat(9000)}`, ['prepare']],
          ['deallocate l', []],
          ['begin; set local work_mem = 100', []],
          ['prepare i as select 1', ['prepare']],
          ['commit', ['prepare']],
          ['deallocate i', []],
          ['select custom_plans from pg_prepared_statements', ['prepare']],
          ['execute p', ['prepare']],
          ['deallocate p', []],
        ] as const) {
          assert.equal((await client.query(what)).find(({ type }) => type === 'E')?.fields?.M, undefined, what);
          assert.deepEqual(await pins(), expected, what);
        }
        client.send(frames.parse('prepare e as select 1'), frames.bind(), frames.execute(), frames.sync());
        await client.until('Z');
        assert.deepEqual(await pins(), ['prepare']);
        await client.query('discard all');
        assert.deepEqual(await pins(), []);
      } finally {
        await client.close();
      }
    });

    it('does not wait for a lock that only the prepared statement would need', { skip: size === 1 }, async () => {
      const [one, other] = [await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' }), new pg.Client(postgres.url())];
      await other.connect();
      try {
        await one.query('prepare p as select * from numbers');
        await other.query('begin; lock table numbers in access exclusive mode');
        for (const what of ['begin', 'select 1', 'select count(*) from triggers', 'commit', 'deallocate p']) {
          assert.equal((await one.query(what)).at(-1)?.type, 'Z', what);
        }
      } finally {
        await other.end();
        await one.close();
      }
    });

    for (const [name, steps] of Object.entries(CONVERSATIONS)) {
      it(name, async () => {
        const expected = await answers(postgres, steps);
        assert.deepEqual(await answers(shardyard, steps), expected);
        assert.deepEqual((await admin.query('show pins')).rows, []);
      });
    }

    it('has found nothing that was left behind', async () => {
      const { rows: found } = await admin.query('show state_audit');
      assert.deepEqual(
        found.filter((row) => row.found_by === 'sentinel'),
        [],
      );
    });
  });
}
