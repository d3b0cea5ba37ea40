/**
 * What functions keep in an interpreter (`%_SHARED` of PL/Perl, `GD` of PL/Python) is in no catalog: the session keeps its server connection, and
 * nobody else ever gets that. The languages here are PL/pgSQL by another name: what counts is what the catalog says of the functions.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawClient, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { eventually } from './eventually.ts';

const language = (name: string): string =>
  `create language ${name} handler plpgsql_call_handler inline plpgsql_inline_handler validator plpgsql_validator`;
const define = (name: string, language: string, comment: string): string =>
  `create function ${name}() returns int language ${language} as 'begin return 1; end -- ${comment}'`;

describe('data in an interpreter', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, `${['plperl', 'plpython3u', 'plother'].map(language).join(';')}; ${define('pure', 'plperl', 'return 1')}`);
    shardyard = await startInFront(postgres, 'default_pool_size = 3\nleak_sentinel = 0');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });
  const pidOf = async (client: RawClient): Promise<unknown> => rows(await client.query('select pg_backend_pid()'))[0]?.[0];

  async function isKept(sql: string): Promise<void> {
    const [one, other] = [await connect(), await connect()];
    await one.query(sql);
    const own = await pidOf(one);
    assert.notEqual(await pidOf(other), own, sql);
    assert.equal(await pidOf(one), own);
    await one.close();
    await eventually(async () => assert.equal((await query(postgres, `select from pg_stat_activity where pid = ${own}`)).length, 0));
  }

  it('functions that keep none cost nobody a server', async () => {
    const [one, other] = [await connect(), await connect()];
    await one.query('select pure()');
    assert.equal(await pidOf(one), await pidOf(other));
  });

  it('a block of code that says so keeps the server', async () => {
    await isKept('do language plperl $$ begin perform 1; end -- $_SHARED{a} = 1 $$');
    await isKept('do $$ begin perform 1; end -- GD["a"] = 1 $$ language plpython3u');
  });

  it('so does a function, also one that is made meanwhile, and any of a language that is not known', async () => {
    const admin = await connect();
    for (const [name, language, comment] of [
      ['shares', 'plperl', '$_SHARED{a} = 1'],
      ['keeps', 'plpython3u', 'SD["a"] = 1'],
      ['unknown', 'plother', ''],
    ] as const) {
      await admin.query(define(name, language, comment));
      await isKept(`select ${name}()`);
      await isKept(`select pg_advisory_lock(1); select ${name}(); select pg_advisory_unlock(1)`);
      await admin.query(`drop function ${name}()`);
    }
  });
});
