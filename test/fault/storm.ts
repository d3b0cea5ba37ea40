/**
 * A storm: many clients ask for what only they can have, while server connections die, queries are cancelled, definitions change, clients stop
 * reading or go away, and the console pauses, reloads and reconnects. Whatever a client gets that it should not is a finding; afterwards
 * nothing may be left behind in any server connection. One seed gives one sequence of choices (not of moments).
 */
import { eventually } from '../integration/eventually.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startShardyard } from '../support/shardyard.ts';
import { type Answer, type Cell, Lost, type Speaker, speak, type Way } from './guest.ts';
import { startProxy, type Wire } from './proxy.ts';

export interface StormOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly clients: number;
  /** Lines of [shardyard]. */
  readonly settings: string;
  /** What goes on besides. */
  readonly weather: readonly ('kill' | 'cut' | 'console' | 'definitions')[];
}

export interface StormReport {
  /** Empty when all went well. */
  readonly findings: readonly string[];
  readonly answers: number;
  readonly shared: number;
  readonly resent: number;
}

/** Mulberry32: the same choices for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
type Random = ReturnType<typeof randomOf>;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ROWS = 2000;
/** What a prepared statement, or one that is prepared, may meet while its table changes. */
const OF_DEFINITIONS = /^(42P01|42703|0A000|42804|42883|42501|40P01|XX000)$/;

const SCHEMA = `
create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, ${ROWS}) i;
create schema other; create table other.t (id int primary key, v text); insert into other.t select i, 'o' || i from generate_series(1, ${ROWS}) i;
create table c (id int primary key, v text); insert into c select i, 'c' || i from generate_series(1, 100) i;
create table w (id int primary key, n int); insert into w select i, 0 from generate_series(1, 500) i;
create function mark() returns text language plpgsql volatile as $$ begin perform set_config('my.mark', 'set', false); return ''; end $$;
create role ann login; grant all on all tables in schema public to ann; grant usage on schema other to ann; grant all on all tables in schema other to ann;
analyze`;

/** Ways to change `c` and back; its rows look the same all along. */
const CHANGES: readonly (readonly [string, string])[] = [
  ['alter table c add column x int', 'alter table c drop column x'],
  ['alter table c alter v type varchar(20)', 'alter table c alter v type text'],
  ['alter table c rename to c_; create view c as select id, v || mark() as v from c_', 'drop view c; alter table c_ rename to c'],
  [
    'begin; alter table c rename to c_; create view c as select id, v || mark() as v from c_; commit',
    'begin; drop view c; alter table c_ rename to c; commit',
  ],
  ['create table c2 as select * from c; drop table c; alter table c2 rename to c; grant all on c to ann', 'select 1'],
  ['create function lower(int) returns text language sql as $$ select mark() $$', 'drop function lower(int)'],
  ['create index on c (v)', 'drop index c_v_idx'],
];

interface Guest {
  readonly number: number;
  readonly way: Way;
  readonly user: 'postgres' | 'ann';
  readonly parameters: Readonly<Record<string, string>>;
  /** It reads the table that changes, and may so mark its own session. */
  readonly marked: boolean;
}

const WAYS: readonly Way[] = ['simple', 'unnamed', 'named', 'pg', 'unnamed'];
const LABELS: readonly Readonly<Record<string, string>>[] = [
  {},
  {},
  {},
  { TimeZone: 'Asia/Tokyo' },
  { search_path: 'other' },
  { statement_timeout: '2s' },
];

function guestOf(number: number): Guest {
  const label = LABELS[number % LABELS.length]!;
  const parameters = number % 2 === 0 ? { ...label, application_name: `guest ${number}` } : label;
  return { number, way: WAYS[number % WAYS.length]!, user: number % 10 === 9 ? 'ann' : 'postgres', parameters, marked: number % 7 === 3 };
}

class Storm {
  readonly findings: string[] = [];
  answers = 0;
  lost = 0;
  /** Connections that were ended from outside: each may take one client with it. */
  ended = 0;
  over = false;
  readonly #target: Shardyard;
  readonly timesOut: (parameters: Guest['parameters']) => boolean = (parameters) => parameters.statement_timeout !== undefined;

  constructor(target: Shardyard) {
    this.#target = target;
  }

  note(guest: Guest, what: string): void {
    if (this.findings.length < 40) this.findings.push(`client ${guest.number} (${guest.way} ${JSON.stringify(guest.parameters)}): ${what}`);
  }

  #is(guest: Guest, asked: string, answer: Answer, expected: readonly (readonly Cell[])[] | string, allowed?: RegExp): void {
    this.answers += 1;
    const got = 'error' in answer ? answer.error : answer.rows;
    if (JSON.stringify(got) === JSON.stringify(expected)) return;
    if ('error' in answer && (allowed?.test(answer.error) || (answer.error === '57014' && this.timesOut(guest.parameters)))) return;
    this.note(guest, `${asked} gave ${JSON.stringify(got).slice(0, 200)} and not ${JSON.stringify(expected).slice(0, 200)}`);
  }

  /** Undefined when the server that was to greet the client went away. */
  async #open(guest: Guest): Promise<Speaker | undefined> {
    try {
      return await speak(this.#target, guest.way, guest);
    } catch (error) {
      if (!/terminating connection|connect failed|server|ended unexpectedly|Connection terminated|connection ended/i.test(String(error)))
        throw error;
      return undefined;
    }
  }

  async visit(guest: Guest, random: Random): Promise<void> {
    let speaker: Speaker | undefined;
    while (!this.over) {
      try {
        speaker ??= await this.#open(guest);
        if (speaker === undefined) continue;
        await this.#ask(guest, speaker, random);
        // With all processors busy nothing would be quick, and nothing shared.
        if (random(4) > 0) await pause(random(120));
        if (random(150) === 0) {
          // Goes away, with a query on its way.
          speaker.ask('select v from t where id = $1', ['1']).catch(() => {});
          await pause(random(3));
          speaker.destroy();
          speaker = undefined;
        }
      } catch (error) {
        speaker?.destroy();
        speaker = undefined;
        if (error instanceof Lost) this.lost += 1;
        else this.note(guest, String(error));
      }
    }
    await speaker?.close().catch(() => {});
  }

  async #ask(guest: Guest, speaker: Speaker, random: Random): Promise<void> {
    const { parameters, user } = guest;
    const n = 1 + random(ROWS);
    const prefix = parameters.search_path === 'other' ? 'o' : 'v';
    const is = async (
      sql: string,
      values: readonly string[],
      expected: readonly (readonly Cell[])[] | string,
      allowed?: RegExp,
    ): Promise<void> => this.#is(guest, `${sql} [${values}]`, await speaker.ask(sql, values), expected, allowed);
    switch (random(32)) {
      case 0:
      case 1:
        return await is('select $1::int', [String(n * 1000 + guest.number)], [[String(n * 1000 + guest.number)]]);
      case 2:
        return await is(
          "select '2020-01-01 00:00+00'::timestamptz::text, extract(epoch from '2020-01-01 09:00'::timestamptz)::int",
          [],
          parameters.TimeZone === undefined ? [['2020-01-01 00:00:00+00', '1577869200']] : [['2020-01-01 09:00:00+09', '1577836800']],
        );
      case 3:
        return await is('show timezone', [], [[parameters.TimeZone ?? 'UTC']]);
      case 4:
        return await is('select current_user::text', [], [[user]]);
      case 5:
        return await is('select 1 / $1::int', ['0'], '22012');
      case 6:
        return await is('select v from missing where id = $1::int', [String(n)], '42P01');
      case 7:
        return await is('select $1::int + 1', [`x${n}`], '22P02');
      case 8: {
        const text = `${guest.number}:${n};`;
        const size = random(4) === 0 ? 20_000 : 100;
        const asked = speaker.ask('select repeat($1::text, $2::int)', [text, String(size)]);
        // It may be lost during the pause; whoever awaits it hears of that.
        asked.catch(() => {});
        if (random(4) === 0) {
          speaker.pause();
          await pause(random(40));
          speaker.resume();
        }
        return this.#is(guest, 'repeat', await asked, [[text.repeat(size)]]);
      }
      case 9:
        if (random(12) > 0) return await is('select count(*)::text from generate_series(1, $1::int)', ['5'], [['5']]);
        return await is('select count(*)::text from generate_series(1, $1::int)', ['60000'], [['60000']]);
      case 10: {
        if (guest.way === 'pg') return;
        const asked = speaker.ask(
          random(2) === 0 ? 'select count(*)::text from generate_series(1, $1::int)' : 'select v from t where id = $1',
          ['7'],
        );
        const canceled = pause(random(3)).then(() => speaker.cancel());
        canceled.catch(() => {});
        const answer = await asked;
        await canceled;
        return this.#is(guest, 'canceled', 'error' in answer ? answer : { rows: [['ok']] }, [['ok']], /^57014$/);
      }
      case 11: {
        const many = Array.from(
          { length: 2 + random(4) },
          (_, i) => ['select v from t where id = $1', [String(1 + ((n + i) % ROWS))]] as const,
        );
        const answers = await speaker.askAll(many);
        for (const [i, [, [id]]] of many.entries()) this.#is(guest, `${i} of many`, answers[i]!, [[`${prefix}${id}`]]);
        return;
      }
      case 12: {
        const id = String(1 + guest.number);
        await is('begin', [], []);
        const before = await speaker.ask(
          parameters.search_path === 'other' ? 'select n from public.w where id = $1' : 'select n from w where id = $1',
          [id],
        );
        const now = 'rows' in before ? Number(before.rows[0]?.[0]) : Number.NaN;
        const table = parameters.search_path === 'other' ? 'public.w' : 'w';
        await is(`update ${table} set n = n + 1 where id = $1 returning n`, [id], [[String(now + 1)]]);
        await is(random(3) === 0 ? 'rollback' : 'commit', [], []);
        return;
      }
      case 13:
        if (!guest.marked) return await is("select coalesce(current_setting('my.mark', true), '')", [], [['']]);
        return await is('select v, lower(v) from public.c where id = $1', ['42'], [['c42', 'c42']], OF_DEFINITIONS);
      case 14:
        if (guest.marked)
          return await is('select v from public.c where id = $1', [String(1 + (n % 100))], [[`c${1 + (n % 100)}`]], OF_DEFINITIONS);
        return await is('select now()::text like $1', [parameters.TimeZone === undefined ? '%+00' : '%+09'], [['t']]);
      case 15:
        return await is("select coalesce(current_setting('application_name'), '') like $1", [parameters.application_name ?? '%'], [['t']]);
      default:
        return await is('select v from t where id = $1', [String(n)], [[`${prefix}${n}`]]);
    }
  }
}

/** Runs a storm from start to end. */
export async function storm({ seed, seconds, clients, settings, weather }: StormOptions): Promise<StormReport> {
  const random = randomOf(seed);
  const postgres = await startPostgres({
    settings: { client_connection_check_interval: '50ms', deadlock_timeout: '200ms' },
  });
  let proxy: Wire | undefined;
  let shardyard: Shardyard | undefined;
  try {
    await query(postgres, SCHEMA);
    proxy = await startProxy(postgres);
    const ini = `[databases]\npostgres = host=127.0.0.1 port=${proxy.port}\n[shardyard]\npool_mode = transaction\nmax_client_conn = 500\n${settings}\n`;
    shardyard = await startShardyard(ini, { users: { postgres: 'postgres', ann: 'ann' } });
    const it = new Storm(shardyard);
    const console_ = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer' });
    const kinds: Record<StormOptions['weather'][number], () => Promise<void>> = {
      kill: () => kill(it, postgres, random),
      cut: async () => {
        if (proxy!.cut(random(100))) it.ended += 1;
      },
      console: () => command(console_, shardyard!, ini, random),
      definitions: () => change(it, shardyard!, random),
    };
    const visits = Array.from({ length: clients }, (_, i) => it.visit(guestOf(i), randomOf(seed * 1000 + i)));
    const winds = weather.map(async (kind) => {
      while (!it.over) {
        await kinds[kind]();
        // Each change of a definition makes everything be asked anew: between two of them there must be something to share.
        await pause((kind === 'definitions' ? 600 : 40) + random(120));
      }
    });
    await pause(seconds * 1000);
    it.over = true;
    await Promise.all([...winds, ...visits]);
    if (it.lost > it.ended) it.findings.push(`${it.lost} clients lost their connection, ${it.ended} servers were lost`);
    const counts = await pipelineOf(console_);
    it.findings.push(...(await leftBehind(shardyard, postgres, console_)));
    console_.destroy();
    const bad =
      /uncaught|unhandled|internal error|TypeError|RangeError|left a transaction|malformed|unexpected Ready|\bat .*\.js:\d+/i.exec(
        shardyard.log(),
      );
    if (bad !== null) it.findings.push(`the log says ${shardyard.log().slice(Math.max(0, bad.index - 200), bad.index + 400)}`);
    return { findings: it.findings, answers: it.answers, ...counts };
  } finally {
    await shardyard?.stop();
    await proxy?.stop();
    await postgres.stop();
  }
}

async function kill(it: Storm, postgres: Postgres, random: Random): Promise<void> {
  const backends = await query<{ pid: number }>(
    postgres,
    "select pid from pg_stat_activity where client_port > 0 and backend_type = 'client backend' and pid <> pg_backend_pid() and query <> '' order by pid",
  );
  const victim = backends[random(100) % backends.length];
  if (victim === undefined) return;
  it.ended += 1;
  await query(postgres, `select pg_terminate_backend(${victim.pid})`);
}

async function command(console_: RawClient, shardyard: Shardyard, ini: string, random: Random): Promise<void> {
  switch (random(4)) {
    case 0:
      await console_.query('reconnect');
      return;
    case 1:
      await console_.query('pause');
      await console_.query('resume');
      return;
    case 2:
      shardyard.reload(ini);
      return;
    default:
      await console_.query('show pools');
  }
}

async function change(it: Storm, shardyard: Shardyard, random: Random): Promise<void> {
  const [there, back] = CHANGES[random(CHANGES.length)]!;
  for (const sql of [there, back]) {
    // A connection that is lost in the middle is no reason to leave it half done.
    for (let tries = 0; tries < 20; tries++) {
      let client: RawClient | undefined;
      try {
        client = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
        const error = (await client.query(sql)).find(({ type }) => type === 'E')?.fields;
        await client.close();
        if (error === undefined || !/^(40P01|57|08)/.test(error.C ?? '')) break;
      } catch {
        it.lost += 1;
        client?.destroy();
      }
    }
    await pause(random(60));
  }
}

async function pipelineOf(console_: RawClient): Promise<{ shared: number; resent: number }> {
  const answer = await console_.query('show pipeline');
  const names = answer.find(({ type }) => type === 'T')!.columns!.map(({ name }) => name);
  const sum = (test: (name: string) => boolean): number =>
    rows(answer).reduce((all, row) => all + row.reduce((some, cell, i) => some + (test(names[i]!) ? Number(cell) : 0), 0), 0);
  return { shared: sum((name) => name === 'shared'), resent: sum((name) => name.startsWith('resent')) };
}

/** What is still there when all clients are gone. */
async function leftBehind(shardyard: Shardyard, postgres: Postgres, console_: RawClient): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    await eventually(async () => {
      const busy = await query(
        postgres,
        "select pid, state, query from pg_stat_activity where client_port > 0 and pid <> pg_backend_pid() and state <> 'idle'",
      );
      if (busy.length > 0) throw new Error(`still busy: ${JSON.stringify(busy)}`);
      const pools = await console_.query('show pools');
      const names = pools.find(({ type }) => type === 'T')!.columns!.map(({ name }) => name);
      for (const row of rows(pools)) {
        if (row[0] !== 'postgres') continue;
        const used = names.filter((name, i) => /^(cl_waiting|sv_active|sv_being_canceled|cl_active)$/.test(name) && row[i] !== '0');
        if (used.length > 0) throw new Error(`still in use: ${used.join(' ')} of ${row[1]}`);
      }
    });
  } catch (error) {
    found.push(String(error));
  }
  const clients = await Promise.all(Array.from({ length: 6 }, () => rawLogIn(shardyard, { user: 'postgres', database: 'postgres' }))).catch(
    () => [],
  );
  for (const client of clients) {
    const [row] = rows(
      await client.query(
        `begin; select coalesce(current_setting('my.mark', true), ''), current_setting('timezone'), current_setting('search_path'), current_setting('statement_timeout'), current_user,
        (select count(*) from pg_prepared_statements where name not like 'shardyard%'), (select count(*) from pg_cursors), (select count(*) from pg_listening_channels()),
        (select count(*) from pg_locks where locktype = 'advisory')`,
      ),
    );
    const clean = JSON.stringify(['', 'UTC', '"$user", public', '0', 'postgres', '0', '0', '0', '0']);
    if (JSON.stringify(row) !== clean) found.push(`a server was left with ${JSON.stringify(row)}`);
    await client.query('rollback');
    await client.close();
  }
  return found;
}
