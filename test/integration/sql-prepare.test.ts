/**
 * SQL's PREPARE, EXECUTE and DEALLOCATE of several clients with the same names over one or two server connections: each step is said to Postgres
 * itself, by as many clients, and through Shardyard, and the answers must be the same. No pin is needed, but where a test says so.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, type RawTarget, rawLogIn } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { line } from './side-by-side.ts';

/** Who says what; frames are sent as they are, and answered up to ReadyForQuery. */
type Step = readonly [who: string, what: string | readonly Buffer[]];

const a = 'a';
const b = 'b';

const NAMES = 'select name, statement, parameter_types, from_sql from pg_prepared_statements where from_sql order by 1';

const CONVERSATIONS: Readonly<Record<string, readonly Step[]>> = {
  'clients with the same names each have their own': [
    [a, 'prepare p as select 1 as one'],
    [b, 'execute p'],
    [b, "prepare p (int, text) as select $1 + 1, $2 || '!'"],
    [a, 'execute p'],
    [b, "execute p(1, 'x')"],
    [a, 'execute p(1)'],
    [a, NAMES],
    [b, NAMES],
    [b, 'execute p'],
    [a, 'prepare p as select 2'],
    [b, 'deallocate p'],
    [a, 'execute p'],
    [b, 'deallocate p'],
    [b, 'execute p'],
    [a, 'deallocate prepare p'],
    [a, 'execute p'],
  ],
  'the forms of EXECUTE': [
    [a, 'create table one_a (id int primary key, v text)'],
    [a, 'prepare ins (int, text) as insert into one_a values ($1, $2) returning *'],
    [a, 'prepare sel as select * from one_a where id = $1'],
    [b, 'select 1'],
    [a, "execute ins(1, 'a')"],
    [b, "set application_name = 'b'"],
    [a, 'explain (costs off) execute sel(1)'],
    [b, 'prepare sel as select 3'],
    [a, 'create table two_a as execute sel(1)'],
    [b, 'execute sel'],
    [a, 'select * from two_a'],
    [b, 'execute sel'],
    [a, "execute ins(1, 'again')"],
    [b, 'execute sel'],
    [a, 'execute sel(1); execute sel(2)'],
    [b, 'execute sel'],
    [a, 'drop table two_a'],
    [a, 'execute sel'],
    [a, "execute sel('x')"],
    [a, 'execute sel(1, 2)'],
    [a, 'drop table one_a'],
  ],
  'what is prepared in a transaction outlives its end': [
    [a, 'begin'],
    [a, 'prepare p as select 1'],
    [a, 'rollback'],
    [b, 'prepare p as select 2'],
    [a, 'execute p'],
    [a, 'begin'],
    [a, 'deallocate p'],
    [a, 'rollback'],
    [b, 'execute p'],
    [a, 'execute p'],
    [a, 'prepare bad as select nothing'],
    [b, 'select 1'],
    [a, 'execute bad'],
    [a, 'begin'],
    [a, 'prepare q as select 4'],
    [a, 'select 1/0'],
    [a, 'execute q'],
    [a, 'prepare r as select 5'],
    [a, 'commit'],
    [b, 'execute p'],
    [a, 'execute q'],
    [a, 'execute r'],
    [a, NAMES],
  ],
  'they are brought along into transactions': [
    [a, 'prepare p as select 1 as one'],
    [a, 'prepare q as select 2 as two'],
    [b, 'prepare p as select 3'],
    [a, 'begin'],
    [a, 'savepoint s'],
    [a, 'execute p'],
    [a, 'set local search_path = pg_catalog'],
    [a, 'execute q'],
    [a, 'show search_path'],
    [a, 'rollback to s'],
    [a, 'execute q'],
    [a, 'show search_path'],
    [a, 'commit'],
    [b, 'execute p'],
    [a, 'begin isolation level serializable'],
    [a, 'show transaction_isolation'],
    [a, 'deallocate p'],
    [a, 'execute p'],
    [a, 'rollback'],
  ],
  'a table that goes and comes back': [
    [a, 'create table here (v int)'],
    [a, 'prepare p as select * from here where v = $1'],
    [b, 'prepare p as select 7'],
    [b, 'drop table here'],
    [a, 'select 1'],
    [b, 'execute p'],
    [a, 'execute p(1)'],
    [a, 'execute p'],
    [a, 'explain execute p(1)'],
    [a, 'prepare p as select 8'],
    [b, 'execute p'],
    [a, 'begin'],
    [a, 'execute p(1)'],
    [a, 'select 1'],
    [a, 'rollback'],
    [b, 'create table here (v int)'],
    [b, 'insert into here values (1)'],
    [a, 'execute p(1)'],
    [b, 'execute p'],
    [b, 'drop table here'],
    [a, 'deallocate p'],
    [a, 'execute p(1)'],
    [b, 'execute p'],
  ],
  'a result that changes': [
    [a, 'create table wider (v int)'],
    [a, 'prepare p as select * from wider'],
    [a, 'prepare n as select count(*) from wider where v = $1'],
    [b, 'prepare p as select 7'],
    [b, 'prepare n as select 7'],
    [b, 'alter table wider add column w text'],
    [a, 'execute p'],
    [a, 'execute n(1)'],
    [b, 'execute p'],
    [a, 'execute p'],
    [a, 'begin'],
    [a, 'execute p'],
    [a, 'rollback'],
    [b, 'execute n'],
    [b, 'alter table wider drop column w'],
    [a, 'execute p'],
    [a, 'execute n(1)'],
    [b, 'drop table wider'],
  ],
  'settings of the time at which it was prepared, and of now': [
    [a, 'create schema there'],
    [a, 'create table there.t (v int)'],
    [a, 'create table t (v int)'],
    [a, 'insert into there.t values (1)'],
    [a, 'prepare p as select count(*) from t'],
    [a, "set timezone = 'Asia/Tokyo'"],
    [a, "prepare z as select '2020-01-01 00:00'::timestamptz"],
    [a, 'set timezone to default'],
    [b, 'prepare z as select 1'],
    [a, 'set search_path = there'],
    [b, 'execute z'],
    [a, 'execute z'],
    [a, 'execute p'],
    [b, 'execute z'],
    [a, 'begin'],
    [a, 'execute z'],
    [a, 'show timezone'],
    [a, 'show search_path'],
    [a, 'rollback'],
    [b, 'drop table there.t, t'],
    [b, 'drop schema there'],
  ],
  'the protocol and SQL share the names': [
    [a, 'prepare p as select 1 as one'],
    [b, 'prepare p as select 2 as two'],
    [a, [frames.parse('select 3', 'p'), frames.sync()]],
    [b, 'execute p'],
    [a, [frames.bind({ statement: 'p' }), frames.execute(), frames.sync()]],
    [b, 'execute p'],
    [a, [frames.describe('S', 'p'), frames.sync()]],
    [b, 'execute p'],
    [a, [frames.close('S', 'p'), frames.sync()]],
    [b, 'execute p'],
    [a, 'execute p'],
    [a, [frames.bind({ statement: 'p' }), frames.execute(), frames.sync()]],
    [a, [frames.parse('select 4', 'p'), frames.sync()]],
    [b, 'execute p'],
    [a, 'execute p'],
    [b, [frames.parse('execute p'), frames.bind(), frames.execute(), frames.sync()]],
  ],
  'DISCARD ALL and DEALLOCATE ALL': [
    [a, 'prepare p as select 1'],
    [a, 'prepare q as select 2'],
    [b, 'prepare p as select 3'],
    [a, 'deallocate all'],
    [a, 'execute p'],
    [b, 'execute p'],
    [a, 'prepare p as select 5'],
    [b, 'execute p'],
    [a, 'discard all'],
    [a, 'execute p'],
    [b, 'execute p'],
    [b, 'begin'],
    [b, 'deallocate all'],
    [b, 'commit'],
    [b, 'execute p'],
    [a, NAMES],
  ],
  'a client that comes later sees nothing': [
    [a, 'prepare p as select 1'],
    [b, 'prepare q as select 1'],
    ['c', NAMES],
    ['c', 'execute p'],
    ['c', 'deallocate q'],
    ['c', 'begin'],
    ['c', NAMES],
    ['c', 'execute q'],
    ['c', 'rollback'],
    [a, 'execute p'],
    [b, 'execute q'],
  ],
};

async function answers(target: RawTarget, steps: readonly Step[]): Promise<readonly string[]> {
  const clients = new Map<string, RawClient>();
  const noted: string[] = [];
  for (const [who, what] of steps) {
    const client = clients.get(who) ?? (await rawLogIn(target, { user: 'postgres', database: 'postgres' }));
    clients.set(who, client);
    if (typeof what !== 'string') client.send(...what);
    const answer = typeof what === 'string' ? await client.query(what) : await client.until('Z');
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
    for (const [name, steps] of Object.entries(CONVERSATIONS)) {
      it(name, async () => {
        const expected = await answers(postgres, steps);
        assert.deepEqual(await answers(shardyard, steps), expected);
        await query(postgres, 'select 1');
      });
    }
  });
}
