/** Settings that are hard to carry from one server connection to another: what holds for their session, and what others see. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

describe('settings that are hard to carry', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });
  const first = async (client: RawClient, sql: string) => rows(await client.query(sql))[0]?.[0];

  it('keep their letters when the client’s encoding changes', async () => {
    const [one, other] = [await connect(), await connect()];
    await one.query("set app.letters = 'é日'");
    for (const encoding of ['EUC_JP', 'LATIN1', 'SJIS', 'UTF8']) {
      assert.equal(errorOf(await one.query(`set client_encoding = '${encoding}'`)), undefined);
      assert.equal(await first(one, "select encode(convert_to(current_setting('app.letters'), 'UTF8'), 'hex')"), 'c3a9e697a5');
      if (encoding === 'LATIN1') assert.equal(errorOf(await one.query('show app.letters'))?.C, '22P05');
    }
    await one.close();
    assert.equal(await first(other, "select coalesce(current_setting('app.letters', true), '')"), '');
  });

  it('are found when set_config() is called by its number', async () => {
    const [one, other] = [await connect(), await connect()];
    await say(one, frames.functionCall(2078, ['app.called', 'here', 'f']));
    await one.query('do $$ begin null; end $$');
    assert.equal(await first(one, "select current_setting('app.called', true)"), 'here');
    await one.close();
    assert.equal(await first(other, "select coalesce(current_setting('app.called', true), '')"), '');
  });

  it('that cannot be had any more are an error, and tell nothing of what others have set', async () => {
    const [one, other] = [await connect(), await connect()];
    await one.query('create role passing superuser; set role passing');
    await other.query("set datestyle = 'german'; set application_name = 'other'");
    await other.query('drop role passing');
    for (let i = 0; i < 2; i++) {
      const answer = await one.query('select 1');
      assert.equal(errorOf(answer)?.C, '22023');
      assert.equal(answer.map(({ type }) => type).join(''), 'EZ');
      await other.query('select 1');
    }
    assert.equal(await first(other, 'show datestyle'), 'German, DMY');
  });
});
