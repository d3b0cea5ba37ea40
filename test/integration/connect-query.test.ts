/** What a database's connect_query sets is what every session finds, whatever it asks for at its start and whatever others set. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

const STARTS: readonly Readonly<Record<string, string>>[] = [
  {},
  { client_encoding: 'UTF8' },
  { application_name: 'psql', client_encoding: 'UTF8', DateStyle: 'ISO', TimeZone: 'Europe/Berlin' },
  { options: '-c work_mem=7MB' },
];
const SET =
  "set enable_seqscan = off; set lock_timeout = '5s'; set search_path = own, public; set app.tenant = 'it''s'; set role ann; set enable_nestloop = off";
const FOUND = "off 5s own, public it's ann off";
const FIND = ['enable_seqscan', 'lock_timeout', 'search_path', 'app.tenant', 'role', 'enable_nestloop']
  .map((name) => `current_setting('${name}')`)
  .join(" || ' ' || ");

describe('connect_query', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create role ann login; create role bob login; create schema own; grant usage on schema own to public');
    await query(
      postgres,
      'create function sets(name text, value text) returns text language plpgsql as $$ begin return set_config(name, value, false); end $$',
    );
    const at = `host=127.0.0.1 port=${postgres.port} dbname=postgres pool_size=1 connect_query='${SET.replaceAll("'", "''")}'`;
    shardyard = await startShardyard(
      `[databases]\nstatement = ${at} pool_mode=statement\ntransaction = ${at}\nsession = ${at} pool_mode=session\n` +
        `[shardyard]\npool_mode = transaction\nserver_reset_query = DISCARD ALL\n`,
    );
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  async function using<T>(database: string, work: (client: RawClient) => Promise<T>, parameters: Readonly<Record<string, string>> = {}) {
    const client = await rawLogIn(shardyard, { user: 'postgres', database, parameters });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
  const found = async (client: RawClient): Promise<string | null | undefined> => rows(await client.query(`select ${FIND}`))[0]?.[0];

  for (const database of ['statement', 'transaction', 'session']) {
    it(`holds for every session in ${database} mode`, async () => {
      for (const parameters of [...STARTS, ...STARTS]) assert.equal(await using(database, found, parameters), FOUND);
    });
  }

  const USES: Readonly<Record<string, readonly string[]>> = {
    'other values': ["set enable_seqscan = on; set lock_timeout = '7s'; set app.tenant = 'two'; set search_path = public"],
    'the same in a transaction': ['begin', 'set enable_seqscan = on', "set app.tenant = 'two'", 'commit'],
    'a value for a transaction': ['begin', 'set local enable_seqscan = on', 'commit'],
    RESET: ['reset enable_seqscan', 'reset app.tenant', 'reset search_path'],
    'RESET in a transaction': ['begin', 'reset enable_seqscan', 'commit'],
    'RESET ALL': ['reset all'],
    'RESET ALL among others': ["set work_mem = '9MB'; reset all", 'begin', 'reset all', 'commit'],
    'DISCARD ALL': ['discard all'],
    'DISCARD ALL while it is pinned': ['select pg_advisory_lock(1)', 'discard all'],
    'another role': ['reset role', 'set role bob', 'select 1'],
    'no role': ['set role none', 'select 1'],
    'RESET ROLE': ['reset role'],
    'what a function sets': ["select sets('enable_seqscan', 'on')", "select sets('work_mem', '9MB')"],
  };
  for (const [what, texts] of Object.entries(USES)) {
    it(`holds after a session that has used ${what}`, async () => {
      for (const parameters of STARTS) {
        await using(
          'transaction',
          async (client) => {
            for (const text of texts) {
              const error = (await client.query(text)).find(({ type }) => type === 'E')?.fields?.M;
              assert.equal(error, undefined, text);
            }
          },
          parameters,
        );
        for (const next of STARTS) assert.equal(await using('transaction', found, next), FOUND);
      }
    });
  }

  it('is what RESET leads back to', async () => {
    await using('transaction', async (client) => {
      await client.query("set enable_seqscan = on; set lock_timeout = '7s'");
      await client.query('reset enable_seqscan');
      client.send(frames.parse('reset lock_timeout'), frames.bind(), frames.execute(), frames.sync());
      await client.until('Z');
      assert.equal(await found(client), FOUND);
    });
  });
});
