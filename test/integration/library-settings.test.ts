/** A parameter in the name space of a library is taken or refused as on a connection of the session's own, whoever has loaded the library before. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { frames, type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';
import { sameAnswers } from './side-by-side.ts';

describe('a parameter in the name space of a library', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, 'create function run() returns int language plpgsql as $$ begin return 1; end $$');
    shardyard = await startInFront(postgres, 'default_pool_size = 2');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  async function everybodyLoads(): Promise<void> {
    const clients = await Promise.all([1, 2].map(() => rawLogIn(shardyard, { user: 'postgres', database: 'postgres' })));
    await Promise.all(clients.map((client) => client.query('begin; select run()')));
    await Promise.all(clients.map((client) => client.query('commit')));
    for (const client of clients) await client.close();
  }

  it('is told as by Postgres, before and after the library is loaded', async () => {
    const target = { host: '127.0.0.1', port: postgres.port };
    for (const script of [
      [
        'set plpgsql.made_up = 1',
        'show plpgsql.made_up',
        "load 'plpgsql'",
        'show plpgsql.made_up',
        'set plpgsql.made_up = 2',
        'select run()',
      ],
      ['set plpgsql.made_up = 1', 'select run()', 'show plpgsql.made_up', 'reset all', 'discard all'],
      ["set plpgsql.extra_warnings = 'all'", 'show plpgsql.extra_warnings', 'select run()', 'reset plpgsql.extra_warnings'],
    ]) {
      await everybodyLoads();
      await sameAnswers(target, shardyard, async (side) => {
        for (const text of script) await side.query(text);
      });
      await everybodyLoads();
      await sameAnswers(target, shardyard, async (side) => {
        for (const text of script) {
          side.send(frames.parse(text), frames.bind(), frames.describe('P'), frames.execute(), frames.sync());
          await side.until('Z');
        }
      });
    }
  });

  it('does not reach another client', async () => {
    await everybodyLoads();
    const one = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
    assert.equal((await one.query('set plpgsql.made_up = 1')).at(0)?.type, 'C');
    await one.close();
    for (let i = 0; i < 3; i++) {
      const other = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
      const answer = await other.query('select run()');
      assert.deepEqual([answer.filter(({ type }) => type === 'N').length, rows(answer)], [0, [['1']]]);
      await other.close();
    }
  });

  it('is given to a new connection where it counts only before the library is loaded, and so is LOAD', async () => {
    const pidOf = async (client: RawClient): Promise<unknown> => rows(await client.query('select pg_backend_pid()'))[0]?.[0];
    for (const text of ["set plperl.on_init = ''", "set pltcl.start_proc = 'f'", "load 'plpgsql'"]) {
      const one = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
      const before = await pidOf(one);
      await one.query(text);
      const own = await pidOf(one);
      assert.notEqual(own, before, text);
      const other = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
      assert.notEqual(await pidOf(other), own);
      assert.equal(await pidOf(one), own, 'it is kept');
      await one.close();
      await eventually(async () => assert.equal((await query(postgres, `select from pg_stat_activity where pid = ${own}`)).length, 0));
      await other.close();
    }
  });
});
