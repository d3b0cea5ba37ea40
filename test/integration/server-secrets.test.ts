/** How Shardyard logs in to servers: by the password on the database's line, or by what the file of secrets has for the user now. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

describe('secrets for servers', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let ini: string;
  before(async () => {
    postgres = await startPostgres({
      hba: [
        'local all all trust',
        'host all postgres 127.0.0.1/32 trust',
        'host all md 127.0.0.1/32 md5',
        'host all all 127.0.0.1/32 scram-sha-256',
      ],
    });
    await query(postgres, "create role app login password 'for app'; create role ann login password 'for ann'");
    await query(postgres, "set password_encryption = 'md5'; create role md login password 'for md'");
    const at = `host=127.0.0.1 port=${postgres.port} dbname=postgres`;
    ini =
      `[databases]\nforced = ${at} user=app\nforced_md5 = ${at} user=md\nown = ${at}\nline = ${at} user=app password='for app'\n` +
      `wrong = ${at} user=app password=other\nnobody = ${at} user=missing\n[shardyard]\npool_mode = transaction\nauth_type = trust\n`;
    shardyard = await startShardyard(ini, { users: { postgres: 'postgres', ann: 'for ann', app: 'for app', md: 'for md' } });
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  async function who(database: string, user: string): Promise<string | null | undefined> {
    const client = await rawLogIn(shardyard, { user, database, password: user });
    const answer = await client.query('select current_user');
    await client.close();
    return rows(answer)[0]?.[0];
  }

  it('a forced user logs in with its own, not with the client’s', async () => {
    for (const user of ['ann', 'postgres', 'app']) {
      assert.equal(await who('forced', user), 'app');
      assert.equal(await who('forced_md5', user), 'md');
    }
  });

  it('the line has the last word', async () => {
    assert.equal(await who('line', 'ann'), 'app');
    await assert.rejects(who('wrong', 'ann'), /password authentication failed for user "app"/);
  });

  it('who has none is told so', async () => {
    await assert.rejects(who('nobody', 'ann'), /password/);
  });

  it('a secret that has changed counts after RELOAD, for new connections', async () => {
    assert.equal(await who('own', 'ann'), 'ann');
    await query(postgres, "alter role ann password 'new'; alter role app password 'newer'");
    const file = path.join(shardyard.socketDir, 'users.txt');
    writeFileSync(file, '"postgres" "postgres"\n"ann" "new"\n"app" "newer"\n"md" "for md"\n');
    const from = shardyard.log().length;
    shardyard.reload(ini);
    await shardyard.waitForLog(/RELOAD: configuration in force/, from);
    const console_ = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer', password: 'postgres' });
    await console_.query('RECONNECT');
    await console_.close();
    assert.equal(await who('own', 'ann'), 'ann');
    assert.equal(await who('forced', 'ann'), 'app');
  });
});
