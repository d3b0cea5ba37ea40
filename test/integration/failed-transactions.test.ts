/** What a failed transaction answers to a statement that this server connection lacks: the words of Postgres, down to the routine that has them. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, type RawFrame, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const { bind, close, describe: describeFrame, execute, parse, sync } = frames;

/** Names and texts of statements that the client prepares, and how many values they need. */
const STATEMENTS: readonly (readonly [name: string, text: string, values: number])[] = [
  ['plain', 'select 1', 0],
  ['one', 'select $1::int + 1', 1],
  ['quoted', `select '$3', "a$4", $1::text || $2::text from (select 1 as "a$4") x`, 2],
  ['write', 'insert into t values ($1)', 1],
  ['empty', '-- nothing', 0],
  ['prepares', 'prepare p as select $1::int', 0],
  ['starts', 'begin', 0],
  ['S 2', 'select 2', 0],
];

describe('a statement in a failed transaction', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  const direct = clientsOf(() => postgres);
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create table t (a int)');
  });
  after(() => postgres?.stop());
  afterEach(() => shardyard?.stop());

  const summary = (answer: readonly RawFrame[]): readonly unknown[] =>
    answer.map(({ type, fields, status }) => (fields === undefined ? [type, status] : [fields.C, fields.M, fields.R]));

  /** The same on a connection of its own and behind Shardyard, where the transaction is on another server than the statements. */
  async function same(
    scene: (client: RawClient, move: () => Promise<void>) => Promise<readonly unknown[]>,
    settings = '',
  ): Promise<readonly unknown[]> {
    shardyard = await startInFront(postgres, `default_pool_size = 2\n${settings}`);
    const expected = await scene(await direct(), async () => {});
    const got = await scene(await connect(), async () => {
      await (await connect()).query('begin; select 1');
    });
    assert.deepEqual(got, expected);
    return expected;
  }

  it('is refused as by Postgres when it is bound', async () => {
    const answers = await same(async (client, move) => {
      const all: unknown[] = [];
      for (const [name, text] of STATEMENTS) await say(client, parse(text, name), sync());
      await move();
      await client.query('begin; select 1/0');
      for (const [statement, , count] of STATEMENTS) {
        for (let values = 0; values <= count + 1; values++) {
          const bound = Array.from({ length: values }, () => '1');
          all.push(summary(await say(client, bind({ statement, values: bound }), execute(), sync())));
          all.push(summary(await say(client, bind({ statement, values: bound, formats: [0, 0, 0, 0, 0] }), sync())));
        }
      }
      await client.query('rollback');
      for (const [statement] of STATEMENTS.filter(([, , count]) => count === 0))
        all.push(summary(await say(client, bind({ statement }), execute(), sync())));
      await client.query('rollback');
      return all;
    });
    assert.ok(JSON.stringify(answers).includes('exec_bind_message'));
    assert.ok(JSON.stringify(answers).includes('08P01'));
  });

  it('ends it when that is what it does', async () => {
    const answers = await same(async (client, move) => {
      await say(client, parse('rollback', 'undo'), parse('commit', 'done'), parse('rollback to savepoint a', 'back'), sync());
      await move();
      const all: unknown[] = [];
      for (const statement of ['back', 'undo', 'done']) {
        await client.query('begin; savepoint a');
        await client.query('select 1/0');
        all.push(summary(await say(client, bind({ statement }), execute(), sync())));
        await client.query('rollback');
      }
      return all;
    });
    assert.ok(!JSON.stringify(answers).includes('25P02'));
  });

  it('is refused as by Postgres when it has no name, and is what it was after that', async () => {
    await same(async (client, move) => {
      const all: unknown[] = [];
      await say(client, parse('select 5'), sync());
      await move();
      await client.query('savepoint a');
      await say(client, parse('select $1::int + 5'), sync());
      await say(client, parse('begin', 'b'), bind({ statement: 'b' }), execute(), sync());
      all.push(summary(await say(client, bind({ values: ['x'] }), execute(), sync())));
      for (const values of [[], ['1'], ['1', '2']]) all.push(summary(await say(client, bind({ values }), execute(), sync())));
      await say(client, parse('rollback', 'r'), bind({ statement: 'r' }), execute(), sync());
      all.push(rows(await say(client, bind({ values: ['1'] }), execute(), sync())));
      await say(client, bind({ statement: 'b' }), execute(), sync());
      all.push(summary(await say(client, parse('selec'), sync())));
      all.push(summary(await say(client, bind(), execute(), sync())));
      await say(client, bind({ statement: 'r' }), execute(), sync());
      all.push(summary(await say(client, bind(), execute(), sync())));
      return all;
    });
  });

  it('is refused where its Parse went well and what followed it did not', async () => {
    const answers = await same(async (client) => {
      await client.query('begin');
      const all = [summary(await say(client, parse('select 3'), execute('nowhere'), sync()))];
      all.push(summary(await say(client, bind(), execute(), sync())));
      await client.query('rollback');
      all.push(summary(await say(client, bind(), execute(), sync())));
      return all;
    });
    assert.ok(JSON.stringify(answers).includes('exec_bind_message'));
  });

  it('may come behind the one that ends it', async () => {
    await same(async (client, move) => {
      await say(client, parse('select 6', 's'), parse('rollback', 'r'), sync());
      await move();
      await client.query('begin; select 1/0');
      const answer = await say(client, bind({ statement: 'r' }), execute(), bind({ statement: 's' }), execute(), sync());
      return [summary(answer), rows(answer)];
    });
  });

  it('has its name for SQL, too, that comes behind the one that ends it', async () => {
    const answers = await same(async (client) => {
      await client.query('begin; select 1/0');
      const answer = await say(
        client,
        ...[parse('commit', 'p'), bind({ statement: 'p' }), execute()],
        ...[parse('prepare p as select 1'), bind(), execute(), sync()],
      );
      const all = [summary(answer), summary(await say(client, bind({ statement: 'p' }), execute(), sync()))];
      await client.query('deallocate all');
      return all;
    });
    assert.ok(JSON.stringify(answers).includes('42P05'));
  });

  it('keeps the unnamed one for afterwards', async () => {
    await same(async (client, move) => {
      await say(client, parse('select 7', 's'), sync());
      await move();
      await client.query('begin');
      await say(client, parse('select $1::int + 8'), sync());
      await say(client, bind({ values: ['x'] }), sync());
      const all = [summary(await say(client, bind({ statement: 's' }), execute(), sync()))];
      all.push(summary(await say(client, bind({ values: ['1'] }), execute(), sync())));
      all.push(summary(await say(client, bind({ statement: 's' }), close('S', 's'), sync())));
      all.push(summary(await say(client, bind({ statement: 'nobody' }), sync())));
      await say(client, parse('rollback', 'r'), bind({ statement: 'r' }), execute(), sync());
      return [
        ...all,
        rows(await say(client, bind({ values: ['1'] }), execute(), sync())),
        rows(await say(client, bind({ statement: 's' }), execute(), sync())),
      ];
    });
  });

  it('has failed for good, and is not looked at for what has changed', async () => {
    await query(postgres, 'drop table if exists changes; create table changes (a int)');
    const answers = await same(async (client, move) => {
      await say(client, parse('select * from changes', 's'), describeFrame('S', 's'), sync());
      await client.query('alter table changes add b int');
      await move();
      await client.query('begin');
      const first = errorOf(await say(client, bind({ statement: 's' }), execute(), sync()));
      const second = errorOf(await say(client, bind({ statement: 's' }), execute(), sync()));
      await client.query('rollback');
      await client.query('alter table changes drop b');
      return [first?.C, first?.R, second?.C, second?.R];
    });
    assert.deepEqual(answers, ['0A000', 'RevalidateCachedQuery', '25P02', 'exec_bind_message']);
  });
});
