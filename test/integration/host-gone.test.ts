/** Postgres goes away and comes back: who waits is served then, who comes meanwhile is told at once, as PgBouncer's users know it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawConnect, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

let postgres: Postgres;
let shardyard: Shardyard;
const open: RawClient[] = [];

async function connect(): Promise<RawClient> {
  const client = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
  open.push(client);
  return client;
}

const lastWords = async (client: RawClient) => (await client.untilEnd()).findLast(({ type }) => type === 'E')?.fields?.M;

describe('a host that is gone for a while', () => {
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres?.stop());
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await shardyard?.stop();
    await postgres.restart();
  });

  it('keeps who waits, and who logs in, until it is back', async () => {
    shardyard = await startInFront(postgres, 'server_login_retry = 1');
    const [waits, comes] = [await connect(), await connect()];
    assert.deepEqual(rows(await waits.query('select 1')), [['1']]);
    await postgres.kill();
    waits.send(frames.query('select 2'));
    await shardyard.waitForLog(/connect failed/);
    comes.send(frames.query('select 3'));
    assert.equal(await lastWords(comes), 'server login has been failing, cached error: connect failed (server_login_retry)');
    const logsIn = rawConnect(shardyard).then((client) => {
      open.push(client);
      // Nobody has been seen with this setting: a server has to say what it is then.
      client.send(frames.startup({ user: 'postgres', database: 'postgres', DateStyle: 'German' }));
      return client.until('Z');
    });
    await postgres.restart();
    assert.deepEqual(rows(await waits.until('Z')), [['2']]);
    assert.ok((await logsIn).some(({ type }) => type === 'S'));
  });

  it('lets query_timeout end a log-in that waits for it', async () => {
    shardyard = await startInFront(postgres, 'query_timeout = 0.4');
    await postgres.kill();
    const client = await rawConnect(shardyard);
    open.push(client);
    client.send(frames.startup({ user: 'postgres', database: 'postgres' }));
    assert.equal(await lastWords(client), 'query_timeout');
  });
});
