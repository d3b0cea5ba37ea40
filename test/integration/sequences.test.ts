/** currval() and lastval(), in the text or hidden: the session's own value or the error of one that has drawn nothing, never what others drew. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientsOf } from '../support/clients.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { errorOf, frames, type RawClient, rawLogIn, rows, say } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

let postgres: Postgres;
let shardyard: Shardyard;
const connect = clientsOf(() => shardyard);
before(async () => {
  postgres = await startPostgres();
  await query(postgres, 'create sequence s');
  shardyard = await startInFront(postgres, 'default_pool_size = 2');
});
after(async () => {
  await shardyard?.stop();
  await postgres?.stop();
});

it('a number that was drawn elsewhere before is not taken for the last', async () => {
  const [a, one, other] = [await connect(), await connect(), await connect()];
  const place = async (text: string) => rows(await a.query(`select ${text}, pg_backend_pid()`))[0]!;
  const [, first] = await place("nextval('s')");
  // Somebody holds the connection that it drew on: it draws on the other.
  let holder = one;
  await holder.query('begin');
  if (rows(await holder.query('select pg_backend_pid()'))[0]?.[0] !== first) {
    await other.query('begin');
    await other.query('select 1');
    await holder.query('commit');
    holder = other;
  }
  const [last, second] = await place("nextval('s')");
  assert.notEqual(second, first);
  // And now the other way round: only the first connection is free.
  const late = holder === one ? other : one;
  await late.query('begin');
  assert.equal(rows(await late.query('select pg_backend_pid()'))[0]?.[0], second);
  await holder.query('commit');
  const answer = await a.query("select currval('s'), pg_backend_pid()");
  const [value, where] = rows(answer)[0] ?? [];
  if (value === undefined) assert.equal(errorOf(answer)?.C, '55000');
  else assert.deepEqual([value, where], [last, second]);
  await late.query('commit');
});

const HIDDEN = `
  create sequence h;
  create table serial (id serial, a int);
  create table child (a int, of bigint default currval('h'));
  create table traced (a int);
  create function trace() returns trigger language plpgsql as $$ begin new.a := lastval(); return new; end $$;
  create trigger trace before insert on traced for each row execute function trace();
  create view last as select lastval() as value;
  create function last_of(what text) returns bigint language plpgsql as $$ declare v bigint; begin execute what into v; return v; end $$;
  create domain given as bigint default currval('h');
  create table by_domain (a int, of given);
  create table plain (a int)`;

/** The function's number. */
const LASTVAL = 2559;
/** What each must answer, as on a connection of its own; undefined: error 55000. */
const READS: readonly (readonly [string, (drawn: string) => string])[] = [
  ['insert into child (a) values (1) returning of', (drawn) => drawn],
  ['insert into by_domain (a) values (1) returning of', (drawn) => drawn],
  ['insert into traced values (0) returning a', (drawn) => drawn],
  ['select value from last', (drawn) => drawn],
  ["select last_of('select currval(''h'')')", (drawn) => drawn],
  ['select lastval()', (drawn) => drawn],
];

describe('what was drawn', () => {
  let server: Postgres;
  let pooler: Shardyard;
  const open = clientsOf(() => pooler);
  before(async () => {
    server = await startPostgres({ settings: { log_statement: 'all' } });
    await query(server, HIDDEN);
    pooler = await startInFront(server, 'default_pool_size = 2\nleak_sentinel = 0');
  });
  after(async () => {
    await pooler?.stop();
    await server?.stop();
  });

  const answer = async (client: RawClient, text: string): Promise<string | undefined> => {
    const frames = await client.query(text);
    const error = errorOf(frames);
    if (error !== undefined) assert.equal(error.C, '55000', error.M);
    return rows(frames)[0]?.[0] ?? undefined;
  };
  /** Each on a server of its own. */
  async function bothDraw(all: readonly RawClient[]): Promise<string[]> {
    for (const client of all) await client.query('begin');
    const drawn: string[] = [];
    for (const client of all) drawn.push((await answer(client, "select nextval('h')"))!);
    for (const client of all) await client.query('commit');
    return drawn;
  }
  /** On each server somebody has drawn who is gone. */
  async function othersDrew(): Promise<void> {
    const all = [await open(), await open()];
    await bothDraw(all);
    for (const client of all) await client.close();
  }

  for (const [text, wanted] of READS) {
    it(`is not for others to see: ${text}`, async () => {
      for (let round = 0; round < 2; round++) {
        await othersDrew();
        const stranger = await open();
        for (let i = 0; i < 3; i++) assert.equal(await answer(stranger, text), undefined);
        // Others that drew since, and that only seem to have drawn.
        await stranger.query('select name from pg_cursors; insert into plain values (1); insert into serial values (1, 1)');
        assert.equal(await answer(stranger, text), undefined);
        await stranger.close();
      }
    });

    it(`is the session's own in its transaction, whoever drew there before: ${text}`, async () => {
      for (let round = 0; round < 3; round++) {
        const all = [await open(), await open()];
        for (const client of all) await client.query('begin');
        for (const client of all) {
          const drawn = (await answer(client, "select nextval('h')"))!;
          assert.equal(await answer(client, text), wanted(drawn));
        }
        for (const client of all) await client.query('commit');
        for (const client of all) await client.close();
      }
    });
  }

  it('is found outside of a transaction, too, once this user is known to read it', async () => {
    const all = [await open(), await open()];
    const drawn = await bothDraw(all);
    for (const [at, client] of all.entries())
      assert.equal(await answer(client, 'insert into child (a) values (1) returning of'), drawn[at]);
  });

  for (const end of ['commit', 'end', 'rollback', 'abort']) {
    it(`is not found behind ${end} of a failed transaction, which is answered as ever`, async () => {
      await othersDrew();
      const answers: unknown[] = [];
      for (const target of [server, pooler]) {
        const one = await rawLogIn(target, { user: 'postgres', database: 'postgres', password: 'postgres' });
        await one.query('begin; insert into plain values (7); select 1/0');
        const pipeline = [end, 'select lastval()'].flatMap((text) => [frames.parse(text), frames.bind(), frames.execute()]);
        const answer = await say(one, ...pipeline, frames.sync());
        answers.push([answer.map(({ type }) => type).join(''), answer.find(({ type }) => type === 'C')?.tag, errorOf(answer)?.C]);
        await one.query('begin; select 1/0');
        const simple = await one.query(`${end}; select lastval()`);
        answers.push([simple.map(({ type }) => type).join(''), simple.find(({ type }) => type === 'C')?.tag, errorOf(simple)?.C]);
        await one.close();
      }
      assert.deepEqual(answers.slice(2), answers.slice(0, 2));
      assert.deepEqual(answers[0], ['12C12EZ', 'ROLLBACK', '55000']);
      assert.deepEqual(await query(server, 'select 1 from plain where a = 7'), []);
    });
  }

  it('is not found by a request that ends a failed transaction, nor by one that comes in parts, nor by a function call', async () => {
    await othersDrew();
    for (const end of ['rollback', 'rollback to a', 'commit', 'rollback and chain']) {
      const one = await open();
      await one.query('begin; savepoint a');
      await one.query('select 1/0');
      const ended = await one.query(`${end}; select lastval()`);
      assert.equal(rows(ended).length, 0, end);
      await one.query('rollback');
      assert.equal(rows(await one.query('select 1'))[0]?.[0], '1');
      await one.close();
      await othersDrew();
    }
    const parts = await open();
    parts.send(frames.parse('select 1'), frames.bind(), frames.execute(), frames.flush());
    await parts.until('C');
    parts.send(frames.parse('select lastval()'), frames.bind(), frames.execute(), frames.sync());
    assert.equal(errorOf(await parts.until('Z'))?.C, '55000');
    await parts.close();
    await othersDrew();
    const caller = await open();
    caller.send(frames.functionCall(LASTVAL, []));
    assert.equal(errorOf(await caller.until('Z'))?.C, '55000');
  });
});

it('costs nothing where code is known and quiet, and drawing neither pins nor makes anyone forget once that is long done', async () => {
  const [logged, ini] = [await startPostgres({ settings: { log_statement: 'all' } }), 'default_pool_size = 1\nleak_sentinel = 0'];
  await query(logged, 'create table serial (id serial, a int); create table plain (a int)');
  const pooler = await startInFront(logged, ini);
  try {
    const open = async () => await rawLogIn(pooler, { user: 'postgres', database: 'postgres' });
    const [one, other] = [await open(), await open()];
    const forgotten = () => logged.log().split('DISCARD SEQUENCES').length - 1;
    for (const client of [one, other, one, other]) await client.query('insert into plain values (1); select * from plain');
    assert.equal(forgotten(), 0);
    for (let i = 0; i < 520; i++) for (const client of [one, other]) await client.query('insert into serial (a) values (1)');
    const then = forgotten();
    assert.ok(then <= 1000, String(then));
    for (let i = 0; i < 5; i++) for (const client of [one, other]) await client.query('insert into serial (a) values (1)');
    assert.equal(forgotten(), then);
    for (const client of [one, other]) await client.close();
  } finally {
    await pooler.stop();
    await logged.stop();
  }
});
