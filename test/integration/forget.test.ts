/** What drivers send to make a session as new costs no server where nothing of it is on one, and answers as Postgres does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { frames, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';
import { answersOf, type Script, sameAnswers } from './side-by-side.ts';

const { bind, close, describe: describeFrame, execute, parse, sync } = frames;

const ASYNCPG = 'SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;';
const NPGSQL = 'CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP;RESET SESSION AUTHORIZATION;RESET ALL';
/** Each is the whole text of a Query. */
const RESETS = [
  'DISCARD ALL',
  '  discard\n all ; ;',
  ASYNCPG,
  NPGSQL,
  'RESET ALL',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ROLE',
  'DEALLOCATE ALL',
  'discard temporary; close all',
];
/** What a session has that needs no server of its own. */
const STATE = [
  "set timezone = 'Asia/Tokyo'",
  "set datestyle = 'German'; set application_name = 'changed'",
  'set role ann',
  'set session authorization ann',
  "set app.tenant = '7'",
  "select nextval('seq') > 0",
];
const LOOK = [
  'show timezone',
  'show datestyle',
  'show application_name',
  'show work_mem',
  'select current_user, session_user',
  "select coalesce(current_setting('app.tenant', true), '')",
  "select currval('seq') > 0",
];

/** In which order neighbouring parameters are reported is the server's affair, and differs. */
function ordered(lines: readonly string[]): readonly string[] {
  const isReport = (line: string | undefined) => line?.startsWith('S ') === true;
  const runs: string[][] = [];
  for (const line of lines) {
    if (isReport(line) && isReport(runs.at(-1)?.[0])) runs.at(-1)!.push(line);
    else runs.push([line]);
  }
  return runs.flatMap((run) => run.sort());
}

describe('a session that is made as new', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  const connect = clientsOf(() => shardyard);
  const target = () => ({ host: '127.0.0.1', port: postgres.port });
  before(async () => {
    postgres = await startPostgres();
    shardyard = await startInFront(postgres, 'default_pool_size = 1');
    const client = await connect();
    await client.query('create role ann; create sequence seq');
  });
  after(async () => {
    await shardyard?.stop();
    await postgres?.stop();
  });

  for (const text of RESETS) {
    it(`is answered as Postgres does: ${JSON.stringify(text)}`, async () => {
      for (const state of ['', ...STATE]) {
        const options = { parameters: { options: '-c work_mem=5MB -c timezone=Europe/Paris', application_name: 'mine' } };
        const script: Script = async (side) => {
          if (state !== '') await side.query(state);
          side.send(parse('select 1', 'named'), sync());
          await side.until('Z');
          await side.query(text);
          for (const look of LOOK) await side.query(look);
          side.send(bind({ statement: 'named' }), execute(), sync());
          await side.until('Z');
        };
        assert.deepEqual(ordered(await answersOf(shardyard, script, options)), ordered(await answersOf(target(), script, options)));
      }
    });
  }

  it('is answered as Postgres does in the extended protocol', async () => {
    const conversations = [
      [parse('discard all'), bind(), describeFrame('P'), execute(), sync()],
      [parse('discard all'), describeFrame('S'), sync(), bind(), execute(), sync(), bind(), execute(), sync()],
      [parse('discard all', 'd'), describeFrame('S', 'd'), bind({ statement: 'd', portal: 'p' }), execute('p', 1), close('P', 'p'), sync()],
      [parse('discard all', 'd'), sync(), bind({ statement: 'd' }), execute(), sync(), bind({ statement: 'd' }), execute(), sync()],
      [parse('discard all', 'd'), sync(), parse('discard all', 'd'), bind({ statement: 'd' }), execute(), sync()],
      [parse('discard all', '', [25]), bind(), execute(), sync()],
      [parse('discard all'), bind({ values: ['x'] }), execute(), sync()],
      [parse('discard all'), bind(), execute('other'), sync()],
      [parse('close all; reset all'), bind(), execute(), sync()],
      [parse('reset all;'), bind(), execute(), sync()],
      [parse('discard all'), bind(), execute(), execute(), sync()],
      [parse('discard all'), bind(), execute(), parse('select 1'), bind(), execute(), sync()],
      [parse('deallocate all'), bind({ resultFormats: [1] }), execute(), sync()],
      [
        parse('select 1'),
        sync(),
        parse('reset all', 'r'),
        bind({ statement: 'r' }),
        execute(),
        close('S', 'r'),
        sync(),
        bind(),
        execute(),
        sync(),
      ],
    ];
    for (const conversation of conversations) {
      const syncs = conversation.filter((frame) => frame[0] === 'S'.charCodeAt(0)).length;
      await sameAnswers(target(), shardyard, async (side) => {
        side.send(...conversation);
        await side.until('Z', syncs);
        await side.query('select 1');
      });
    }
  });

  it('has plans of functions made anew by DISCARD PLANS', async () => {
    const script = [
      'create table shaped (a int)',
      'create function shape() returns text language plpgsql as $$ declare r shaped; begin r.a := 1; return r.a + 1; end $$',
      'select shape()',
      'alter table shaped drop a; alter table shaped add a float8',
      'select shape()',
      'discard plans',
      'select shape()',
      'drop table shaped; drop function shape',
    ];
    await sameAnswers(target(), shardyard, async (side) => {
      for (const text of script) await side.query(text);
    });
  });

  it('is refused what Postgres refuses: DISCARD ALL in a transaction, or in a Query of several statements', async () => {
    for (const script of [
      ['begin', 'discard all', 'rollback'],
      ['discard all; reset all'],
      ['select 1; discard all'],
      ['close all; nonsense'],
    ]) {
      await sameAnswers(target(), shardyard, async (side) => {
        for (const text of script) await side.query(text);
      });
    }
  });

  it('is served while no server is free', async () => {
    const [busy, other] = [await connect(), await connect()];
    await other.query("set timezone = 'Asia/Tokyo'");
    await busy.query('begin');
    const answer = await other.query('discard all');
    assert.equal(answer.map(({ type }) => type).join(''), 'CSZ');
    for (const text of [ASYNCPG, NPGSQL, 'reset all', 'deallocate all']) assert.equal((await other.query(text)).at(-1)?.type, 'Z');
    other.send(parse('discard all'), bind(), execute(), sync());
    assert.equal((await other.until('Z')).map(({ type }) => type).join(''), '12CZ');
    await busy.query('commit');
    assert.notEqual(rows(await other.query('show timezone'))[0]?.[0], 'Asia/Tokyo');
  });

  it('of a session that is pinned is done by its server', async () => {
    const [pinned, other] = [await connect(), await connect()];
    await pinned.query('select pg_advisory_lock(1); listen here; create temp table mine ()');
    await pinned.query('discard all');
    assert.equal(rows(await other.query("select count(*) from pg_locks where locktype = 'advisory'"))[0]?.[0], '0');
  });
});
