/** Databases are made and dropped through Shardyard as by clients of Postgres: connections that are kept for nobody are in nobody's way. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { errorOf, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

let postgres: Postgres;
let shardyard: Shardyard;
before(async () => {
  postgres = await startPostgres();
  const hosts = `host=127.0.0.1 port=${postgres.port}`;
  const settings = 'listen_addr = 127.0.0.1\npool_mode = transaction\nauth_type = trust';
  shardyard = await startShardyard(`[databases]\n* = ${hosts}\n[shardyard]\n${settings}\n`, { users: { postgres: 'postgres' } });
});
after(async () => {
  await shardyard?.stop();
  await postgres?.stop();
});
const connect = (database: string): Promise<RawClient> => rawLogIn(shardyard, { user: 'postgres', database });
const codeOf = async (client: RawClient, sql: string): Promise<string | undefined> => errorOf(await client.query(sql))?.C;

it('a database can be copied, renamed and dropped when its clients have gone', async () => {
  const admin = await connect('postgres');
  assert.equal(await codeOf(admin, 'create database one'), undefined);
  for (const database of ['one', 'template1']) {
    const clients = [await connect(database), await connect(database)];
    for (const client of clients) assert.deepEqual(rows(await client.query('begin; select current_database(); commit')), [[database]]);
    for (const client of clients) await client.close();
  }
  assert.equal(await codeOf(admin, 'create database two template one'), undefined);
  assert.equal(await codeOf(admin, 'create database three'), undefined);
  const client = await connect('two');
  await client.query('select 1');
  await client.close();
  assert.equal(await codeOf(admin, 'alter database two rename to "Four"'), undefined);
  const other = await connect('Four');
  await other.query('select 1');
  await other.close();
  assert.equal(await codeOf(admin, 'drop database "Four"'), undefined);
  await admin.close();
});

it('a database with clients cannot be dropped', async () => {
  const admin = await connect('postgres');
  await admin.query('create database used');
  const client = await connect('used');
  await client.query('select 1');
  assert.equal(await codeOf(admin, 'drop database used'), '55006');
  assert.deepEqual(rows(await client.query('select 2')), [['2']]);
  await client.close();
  assert.equal(await codeOf(admin, 'drop database used'), undefined);
  await admin.close();
});
