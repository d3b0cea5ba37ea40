/** Who gets in, by which proof, and what those hear who do not; and how Shardyard proves itself to Postgres. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres, withClient } from '../support/postgres.ts';
import { frames, type RawClient, type RawFrame, rawConnect, rawLogIn, rows, ServerRefusal } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';

const md5Of = (user: string, password: string): string =>
  `md5${createHash('md5')
    .update(password + user)
    .digest('hex')}`;

describe('authentication', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let scramOfAnn = '';
  const open: RawClient[] = [];

  before(async () => {
    postgres = await startPostgres();
    for (const user of ['ann', 'bob', 'ünï "x"']) {
      await query(
        postgres,
        `create role "${user.replaceAll('"', '""')}" login superuser password '${user === 'ann' ? 'päss; #1' : 'secret'}'`,
      );
    }
    scramOfAnn =
      (await query<{ secret: string }>(postgres, "select rolpassword as secret from pg_authid where rolname = 'ann'"))[0]?.secret ?? '';
    assert.match(scramOfAnn, /^SCRAM-SHA-256\$/);
    await withClient(postgres, (client) => client.query("set password_encryption = md5; create role old login superuser password 'old'"));
  });
  after(() => postgres?.stop());
  afterEach(async () => {
    for (const client of open.splice(0)) client.destroy();
    await shardyard?.stop();
    await postgres.setHba(['host all all 127.0.0.1/32 trust', 'local all all trust']);
  });

  async function start(authType: string, users: Readonly<Record<string, string>>, database = '', more = ''): Promise<void> {
    const lines = `postgres = host=127.0.0.1 port=${postgres.port} ${database}`;
    shardyard = await startShardyard(`[databases]\n${lines}\n[shardyard]\nauth_type = ${authType}\n${more}\n`, { users });
  }
  async function enter(user: string, password?: string, database = 'postgres'): Promise<RawClient> {
    const client = await rawLogIn(shardyard, { user, database, ...(password === undefined ? {} : { password }) });
    open.push(client);
    return client;
  }
  const whoAmI = async (client: RawClient) => rows(await client.query('select current_user'))[0]?.[0];
  async function refusal(user: string, password?: string, database = 'postgres'): Promise<readonly (string | undefined)[]> {
    const error = await enter(user, password, database).then(
      () => assert.fail(`${user} was let in`),
      (e: unknown) => e,
    );
    assert.ok(error instanceof ServerRefusal, String(error));
    const { S, C, M } = error.frame.fields ?? {};
    return [S, C, M];
  }
  /** What each frame asks for on the way in, with a wrong password. */
  async function conversation(user: string, database: string): Promise<readonly string[]> {
    const client = await rawConnect(shardyard);
    open.push(client);
    client.send(frames.startup({ user, database }));
    const seen: RawFrame[] = [await client.receive()];
    if (seen[0]?.code === 10) client.send(frames.saslInitial('SCRAM-SHA-256', 'n,,n=,r=abcdefghijklmnop'));
    else client.send(frames.password('wrong'));
    const next = await client.receive();
    seen.push(next);
    if (next.code === 11) {
      const server = next.data?.toString() ?? '';
      assert.match(server, /^r=abcdefghijklmnop[!-~]+,s=[A-Za-z0-9+/=]+,i=\d+$/);
      client.send(frames.saslResponse(`c=biws,r=${/r=([^,]+)/.exec(server)?.[1]},p=${Buffer.alloc(32).toString('base64')}`));
      seen.push(...(await client.untilEnd()));
    }
    return seen.map(({ type, code, fields, data }) => {
      // Iterations may be looked at, salts and nonces differ.
      if (code === 11) return `R 11 ${/i=\d+/.exec(data?.toString() ?? '')}`;
      return `${type} ${code ?? `${fields?.S} ${fields?.C} ${fields?.M}`}`;
    });
  }

  it('trust lets in who is in auth_file, and nobody else', async () => {
    await start('trust', { ann: 'x' });
    assert.equal(await whoAmI(await enter('ann')), 'ann');
    assert.deepEqual(await refusal('bob'), ['FATAL', '28000', '"trust" authentication failed']);
  });

  it('any lets in everyone as the user of the database', async () => {
    await start('any', {}, 'user=bob');
    assert.equal(await whoAmI(await enter('whoever')), 'bob');
  });

  it('any without a user of the database is a mistake of the configuration', async () => {
    await start('any', {});
    assert.deepEqual(await refusal('whoever'), ['FATAL', '08P01', 'bouncer config error']);
  });

  for (const [authType, secrets] of Object.entries({
    plain: { ann: 'päss; #1', 'ünï "x"': 'secret' },
    md5: { ann: 'päss; #1', 'ünï "x"': 'secret' },
    'scram-sha-256': { ann: 'päss; #1', 'ünï "x"': 'secret' },
  })) {
    it(`${authType} with passwords in plain text`, async () => {
      await start(authType, secrets);
      assert.equal(await whoAmI(await enter('ann', 'päss; #1')), 'ann');
      assert.equal(await whoAmI(await enter('ünï "x"', 'secret')), 'ünï "x"');
      const words = authType === 'scram-sha-256' ? 'SASL authentication failed' : 'password authentication failed';
      for (const wrong of ['wrong', 'päss; #', 'päss; #12']) assert.deepEqual(await refusal('ann', wrong), ['FATAL', '28P01', words]);
      assert.deepEqual(await refusal('nobody', 'päss; #1'), ['FATAL', '28P01', words]);
      assert.deepEqual(await refusal('ann', 'wrong', 'no_such_db'), ['FATAL', '28P01', words]);
      assert.deepEqual(await refusal('nobody', 'x', 'no_such_db'), ['FATAL', '28P01', words]);
      assert.deepEqual(await refusal('ann', 'päss; #1', 'no_such_db'), ['FATAL', '3D000', 'no such database: no_such_db']);
      const empty = (await refusal('ann', ''))[1];
      assert.equal(empty, '28P01');
    });

    it(`${authType}: an unknown user and an unknown database hear what a wrong password hears, message by message`, async () => {
      await start(authType, secrets);
      const known = await conversation('ann', 'postgres');
      assert.deepEqual(await conversation('nobody', 'postgres'), known);
      assert.deepEqual(await conversation('ann', 'nothing'), known);
      assert.deepEqual(await conversation('nobody', 'nothing'), known);
    });
  }

  it('md5 with md5 secrets, and with SCRAM secrets by SCRAM', async () => {
    await start('md5', { old: md5Of('old', 'old'), ann: scramOfAnn });
    assert.equal(await whoAmI(await enter('old', 'old')), 'old');
    const ann = await enter('ann', 'päss; #1');
    assert.ok(
      ann.greeting.some(({ code }) => code === 10),
      'by SCRAM',
    );
    assert.equal((await refusal('old', 'wrong'))[1], '28P01');
    assert.equal((await refusal('ann', 'wrong'))[1], '28P01');
  });

  it('plain with md5 and SCRAM secrets', async () => {
    await start('plain', { old: md5Of('old', 'old'), ann: scramOfAnn });
    assert.equal(await whoAmI(await enter('old', 'old')), 'old');
    assert.equal(await whoAmI(await enter('ann', 'päss; #1')), 'ann');
    assert.equal((await refusal('old', 'wrong'))[2], 'password authentication failed');
    assert.equal((await refusal('ann', 'wrong'))[2], 'password authentication failed');
  });

  it('scram-sha-256 with SCRAM secrets, and not with md5 secrets', async () => {
    await start('scram-sha-256', { old: md5Of('old', 'old'), ann: scramOfAnn });
    assert.equal(await whoAmI(await enter('ann', 'päss; #1')), 'ann');
    assert.equal((await refusal('old', 'old'))[0], 'FATAL');
  });

  const server = (method: string): readonly string[] => ['local all all trust', `host all all 127.0.0.1/32 ${method}`];

  for (const method of ['password', 'scram-sha-256']) {
    it(`towards Postgres by ${method}, with the client's plain secret`, async () => {
      await postgres.setHba(server(method));
      await start('scram-sha-256', { ann: 'päss; #1' });
      assert.equal(await whoAmI(await enter('ann', 'päss; #1')), 'ann');
    });
  }

  it('towards Postgres by md5, with a plain and with an md5 secret', async () => {
    await postgres.setHba(server('md5'));
    await start('md5', { old: md5Of('old', 'old'), bob: 'secret' });
    assert.equal(await whoAmI(await enter('old', 'old')), 'old');
    assert.equal(await whoAmI(await enter('bob', 'secret')), 'bob');
  });

  it('towards Postgres by SCRAM with a SCRAM secret only: the client’s proof opens the server', async () => {
    await postgres.setHba(server('scram-sha-256'));
    await start('scram-sha-256', { ann: scramOfAnn });
    const [a, b] = [await enter('ann', 'päss; #1'), await enter('ann', 'päss; #1')];
    await a.query('begin');
    assert.equal(await whoAmI(b), 'ann', 'on a second connection, too');
    assert.equal(await whoAmI(a), 'ann');
  });

  it('towards Postgres with the password of the database line, for whoever comes in', async () => {
    await postgres.setHba(server('scram-sha-256'));
    await start('trust', { whoever: '' }, "user=bob password='secret'");
    assert.equal(await whoAmI(await enter('whoever')), 'bob');
  });

  it('a server that refuses Shardyard is heard by the client, and the log says why', async () => {
    await postgres.setHba(server('scram-sha-256'));
    await start('trust', { ann: 'wrong' });
    const [severity, , message] = await refusal('ann');
    assert.equal(severity, 'FATAL');
    assert.match(message ?? '', /password authentication failed for user "ann"|login failed/);
    assert.match(shardyard.log(), /password authentication failed for user "ann"/);
  });

  it('a database that Postgres does not have is told in Postgres’s words', async () => {
    shardyard = await startShardyard(`[databases]\n* = host=127.0.0.1 port=${postgres.port}\n[shardyard]\n`, { users: { postgres: '' } });
    assert.deepEqual(await refusal('postgres', undefined, 'not here'), ['FATAL', '3D000', 'database "not here" does not exist']);
    assert.equal(await whoAmI(await enter('postgres')), 'postgres');
  });

  it('no password is in the log', async () => {
    await start('plain', { ann: 'päss; #1' }, '', 'verbose = 2');
    await enter('ann', 'päss; #1');
    await refusal('ann', 'not-this-one');
    assert.doesNotMatch(shardyard.log(), /päss|not-this-one/);
  });

  it('messages out of order, cut or oversized in the log-in end it, and nothing else', async () => {
    await start('scram-sha-256', { ann: 'päss; #1' });
    const attempts: readonly (readonly Buffer[])[] = [
      [frames.password('x')],
      [frames.query('select 1')],
      [frames.saslInitial('SCRAM-SHA-256-PLUS', 'p=tls-server-end-point,,n=,r=x')],
      [frames.saslInitial('SCRAM-SHA-256', 'y,,n=,r=')],
      [frames.saslInitial('SCRAM-SHA-256', '')],
      [frames.saslInitial('SCRAM-SHA-256', 'n,,n=,r=abc'), frames.saslResponse('c=biws,r=other,p=AAAA')],
      [frames.saslInitial('SCRAM-SHA-256', 'n,,n=,r=abc'), frames.saslResponse('')],
      [frames.frame('p', Buffer.alloc(60_000, 'x'))],
      [frames.frame('p', 'x', 0x7fffffff)],
      [frames.frame('p', 'x', -1)],
    ];
    for (const attempt of attempts) {
      const client = await rawConnect(shardyard);
      client.send(frames.startup({ user: 'ann', database: 'postgres' }));
      await client.receive();
      client.send(...attempt);
      const answer = await client.untilEnd();
      assert.ok(!answer.some(({ type, code, fields }) => type === 'Z' || code === 0 || (type === 'E' && fields?.S !== 'FATAL')));
    }
    assert.equal(await whoAmI(await enter('ann', 'päss; #1')), 'ann');
  });
});
