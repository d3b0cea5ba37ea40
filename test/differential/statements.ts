/**
 * The statements that scripts are made of, by kind of session state. `$N` stands for the slot's number: its schema `cN`, its lock keys N00
 * to N99, its channels. Names are few, so that statements meet: most are right in one state of the session and wrong in another, and both
 * answers must be Postgres's. The functions of schema `f` are in stage-schema.ts.
 */

import type { Limit } from './limits.ts';

/** SQL with parameters, and values for them. */
export type Bound = readonly [sql: string, ...values: readonly (string | null)[]];

export type Kind =
  | 'settings'
  | 'identity'
  | 'transaction'
  | 'savepoint'
  | 'temp'
  | 'cursor'
  | 'lock'
  | 'prepare'
  | 'listen'
  | 'sequence'
  | 'hidden'
  | 'discard'
  | 'data'
  | 'error'
  | 'ddl';

const SETTINGS = [
  "SET work_mem = '3MB'",
  "SET work_mem TO '5MB'",
  "SET LOCAL work_mem = '7MB'",
  'RESET work_mem',
  'SET work_mem TO DEFAULT',
  "SET work_mem = 'none'",
  "SET timezone = 'Asia/Tokyo'",
  'SET TIME ZONE 5',
  "SET TIME ZONE INTERVAL '+02:30' HOUR TO MINUTE",
  'SET TIME ZONE LOCAL',
  "SET LOCAL timezone = 'Europe/Paris'",
  "set timezone to 'nowhere/land'",
  "SET datestyle = 'german'",
  "SET datestyle = 'dmy'",
  "SET DateStyle TO 'ISO', 'MDY'",
  "SET intervalstyle = 'iso_8601'",
  'SET search_path = c$N, public',
  'SET search_path TO public',
  'SET search_path = pg_temp, c$N, public',
  `SET search_path = '$user', "odd, ""name", c$N`,
  'SET LOCAL search_path = pg_catalog',
  "SET SCHEMA 'c$N'",
  'RESET search_path',
  "SET NAMES 'LATIN1'",
  "SET NAMES 'UTF8'",
  'SET NAMES DEFAULT',
  'SET standard_conforming_strings = off',
  'RESET standard_conforming_strings',
  "SET bytea_output = 'escape'",
  'SET extra_float_digits = 0',
  'SET statement_timeout = 54321',
  "SET statement_timeout = '1min'",
  'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE',
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED',
  'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
  'SET TRANSACTION READ ONLY',
  "SET default_transaction_isolation = 'repeatable read'",
  "SET app.a = 'tenant $N'",
  `SET app.a = 'it''s; \\ "x"'`,
  'SET app.a = 12, 13',
  "SET LOCAL app.a = 'local $N'",
  'RESET app.a',
  "SET app.b = 'secret $N'",
  "SET LOCAL app.b = 'secret, local $N'",
  'RESET app.b',
  "SET application_name = 'App $N'",
  "SET application_name = ''",
  "SET client_min_messages = 'error'",
  'RESET client_min_messages',
  'SET enable_seqscan = off',
  'SET ENABLE_SEQSCAN TO DEFAULT',
  'SET row_security = off',
  'SET nothing_like_this = 1',
  'SET work_mem FROM CURRENT',
  'SET XML OPTION DOCUMENT',
  'SET check_function_bodies = off',
  'SET lock_timeout = 4000',
  'SET synchronous_commit = off',
  'RESET ALL',
  "SELECT set_config('work_mem', '9MB', false)",
  "SELECT set_config('work_mem', '10MB', true)",
  "SELECT set_config('app.a', 'configured $N', false)",
  "SELECT set_config('app.a', 'configured locally $N', true)",
  "SELECT set_config('app.b', 'configured $N', false)",
  "SELECT set_config('app.' || 'a', 'by expression', false)",
  "SELECT set_config('app.a', i::text, false) FROM generate_series(1, 3) i",
  "SELECT set_config('search_path', 'c$N, pg_catalog', false)",
  "SELECT set_config('timezone', 'America/New_York', false), set_config('datestyle', 'sql, dmy', false)",
  "SELECT set_config('work_mem', NULL, false)",
  "SELECT set_config('work_mem', 'wrong', false)",
  "SELECT set_config('app.a', 'then an error', false), 1/(length(set_config('app.a', 'x', false)) - 1)",
  "WITH x AS (SELECT set_config('app.a', 'in a CTE', false)) SELECT 1 WHERE (SELECT true FROM x)",
  "UPDATE pg_settings SET setting = 'by view' WHERE name = 'application_name'",
  'SHOW work_mem',
  'SHOW timezone',
  'SHOW search_path',
  'SHOW datestyle',
  'SHOW app.a',
  'SHOW transaction_isolation',
  "SELECT current_setting('app.a'), current_setting('work_mem'), current_setting('TimeZone')",
  "SELECT timestamptz '2020-01-02 03:04:05+00', interval '1 day 2 hours', '\\x00ff'::bytea, 0.1::float8",
  'SELECT count(*) FROM t',
] as const;

const IDENTITY = [
  'SET ROLE diff_a',
  'SET ROLE diff_b',
  "SET ROLE 'diff_a'",
  'SET ROLE none',
  'RESET ROLE',
  'SET LOCAL ROLE diff_b',
  'SET ROLE nobody_like_this',
  'SET SESSION AUTHORIZATION diff_a',
  'SET SESSION AUTHORIZATION diff_b',
  'SET LOCAL SESSION AUTHORIZATION diff_a',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET SESSION AUTHORIZATION',
  "SELECT set_config('role', 'diff_a', false)",
  "SELECT set_config('role', 'none', false)",
  "SELECT set_config('session_authorization', 'diff_b', false)",
  'SELECT current_user, session_user',
  'SHOW role',
  'SHOW session_authorization',
  'SHOW is_superuser',
  'SELECT * FROM c$N.only_a',
] as const;

const TRANSACTION = [
  'BEGIN',
  'BEGIN',
  'BEGIN ISOLATION LEVEL SERIALIZABLE',
  'START TRANSACTION READ ONLY',
  'COMMIT',
  'COMMIT',
  'COMMIT',
  'END',
  'ROLLBACK',
  'ROLLBACK',
  'ABORT',
  'COMMIT AND CHAIN',
  'ROLLBACK AND CHAIN',
  "PREPARE TRANSACTION 'c$N'",
  "COMMIT PREPARED 'c$N'",
  "ROLLBACK PREPARED 'c$N'",
] as const;

const SAVEPOINT = [
  'SAVEPOINT a',
  'SAVEPOINT a',
  'SAVEPOINT b',
  'ROLLBACK TO a',
  'ROLLBACK TO SAVEPOINT b',
  'RELEASE a',
  'RELEASE SAVEPOINT b',
] as const;

const TEMP = [
  'CREATE TEMP TABLE x (a int)',
  'CREATE TEMP TABLE IF NOT EXISTS x (a int)',
  'CREATE TEMP TABLE y (a int) ON COMMIT DROP',
  'CREATE TEMP TABLE z (a int) ON COMMIT DELETE ROWS',
  'CREATE TEMP TABLE t AS SELECT 7 AS id',
  'CREATE TABLE pg_temp.x (a int)',
  'SELECT 5 AS a INTO TEMP x',
  'CREATE TEMP VIEW v AS SELECT 3 AS three',
  'CREATE TEMP SEQUENCE q',
  "CREATE FUNCTION pg_temp.g() RETURNS int LANGUAGE sql AS 'SELECT 42'",
  'SELECT pg_temp.g()',
  'DROP FUNCTION pg_temp.g()',
  "CREATE OR REPLACE FUNCTION pg_temp.g() RETURNS int LANGUAGE sql AS 'SELECT 43'; SELECT pg_temp.g()",
  'INSERT INTO x VALUES (1), (2)',
  'SELECT * FROM x ORDER BY a',
  'SELECT * FROM y',
  'SELECT * FROM v',
  'DROP TABLE x',
  'DROP TABLE IF EXISTS x, y, z',
  'DROP TABLE pg_temp.t',
  'DROP VIEW v',
  'DROP SEQUENCE q',
  "SELECT nextval('q')",
  'CREATE TABLE x (a int)',
  'ALTER TABLE x RENAME TO x2',
  'DISCARD TEMP',
] as const;

const CURSOR = [
  'DECLARE h CURSOR WITH HOLD FOR VALUES (1), (2), (3)',
  'DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT i FROM generate_series(1, 5) i',
  'DECLARE k CURSOR WITH HOLD FOR SELECT count(*) FROM c$N.t',
  'DECLARE n CURSOR FOR VALUES (1), (2), (3)',
  'FETCH h',
  'FETCH 2 FROM h',
  'FETCH BACKWARD h',
  'FETCH ALL FROM k',
  'FETCH n',
  'MOVE h',
  'CLOSE h',
  'CLOSE k',
  'CLOSE n',
  'CLOSE ALL',
] as const;

const LOCK = [
  'SELECT pg_advisory_lock($N01)',
  'SELECT pg_advisory_lock($N02)',
  'SELECT pg_advisory_lock($N, 1)',
  'SELECT pg_advisory_lock_shared($N01)',
  'SELECT pg_try_advisory_lock($N01), pg_try_advisory_lock_shared($N02)',
  'SELECT pg_advisory_xact_lock($N03)',
  'SELECT pg_try_advisory_xact_lock_shared($N03)',
  'SELECT pg_advisory_unlock($N01)',
  'SELECT pg_advisory_unlock($N02)',
  'SELECT pg_advisory_unlock($N, 1)',
  'SELECT pg_advisory_unlock_shared($N01)',
  'SELECT pg_advisory_unlock_all()',
  'SELECT pg_advisory_lock($N04), 1/0',
  'SELECT pg_advisory_lock(i) FROM generate_series($N05, $N07) i',
  'SELECT pg_advisory_unlock(i) FROM generate_series($N05, $N07) i',
  'SELECT 1 WHERE pg_try_advisory_lock($N08)',
  'SELECT CASE WHEN false THEN pg_advisory_lock($N09) END',
] as const;

const PREPARE = [
  'PREPARE p AS SELECT 1 AS one',
  'PREPARE p (int, text) AS SELECT $1 + 1, $2',
  'PREPARE r AS SELECT count(*) FROM c$N.t',
  "PREPARE w AS INSERT INTO c$N.t (v) VALUES ('prepared') RETURNING id",
  "PREPARE st AS SELECT set_config('app.a', 'prepared', false)",
  'PREPARE bad AS SELECT nothing',
  "PREPARE z AS SELECT '2020-02-03 04:05'::timestamptz, '1 day 2:00'::interval",
  'PREPARE here AS SELECT count(*) FROM t',
  'EXECUTE z',
  'EXECUTE here',
  'DEALLOCATE z',
  'EXECUTE p',
  "EXECUTE p (4, 'x')",
  'EXECUTE r',
  'EXECUTE w',
  'EXECUTE st',
  'EXECUTE unknown',
  'EXPLAIN (COSTS OFF) EXECUTE p',
  'CREATE TEMP TABLE x AS EXECUTE p',
  'DEALLOCATE p',
  'DEALLOCATE PREPARE r',
  'DEALLOCATE ALL',
  'DEALLOCATE unknown',
] as const;

const LISTEN = [
  'LISTEN c$N',
  'LISTEN c$N',
  'LISTEN "C$N other"',
  'UNLISTEN c$N',
  'UNLISTEN *',
  'NOTIFY c$N',
  "NOTIFY c$N, 'said'",
  `NOTIFY "C$N other", 'it''s'`,
  "SELECT pg_notify('c$N', 'by function')",
] as const;

const SEQUENCE = [
  "SELECT nextval('c$N.s')",
  "SELECT nextval('c$N.s'), nextval('c$N.s')",
  "SELECT currval('c$N.s')",
  'SELECT lastval()',
  "SELECT currval('c$N.t_id_seq')",
  "INSERT INTO c$N.t (v) VALUES ('row')",
  "INSERT INTO c$N.t (v) VALUES ('row') RETURNING id",
  "SELECT setval('c$N.s', 50)",
  "SELECT setval('c$N.s', 60, false)",
] as const;

/** State changed where no parser sees it. */
const HIDDEN = [
  "SELECT f.set('app.a', 'hidden $N')",
  "SELECT f.set('work_mem', '11MB')",
  "SELECT f.set('search_path', 'c$N, public')",
  "SELECT f.set('timezone', 'Asia/Kolkata')",
  "SELECT f.set_sql('app.a', 'hidden in SQL')",
  "SELECT f.set_local('app.a', 'hidden, local')",
  "SELECT f.run('SET app.a = ''run''')",
  "SELECT f.run('SET ROLE diff_a')",
  "SELECT f.run('RESET ALL')",
  "SELECT f.run('CREATE TEMP TABLE x (a int)')",
  "SELECT f.run('CREATE TEMP TABLE y (a int) ON COMMIT DROP')",
  "SELECT f.run('DROP TABLE x')",
  "SELECT f.run('LISTEN c$N')",
  "SELECT f.run('UNLISTEN *')",
  "SELECT f.run('PREPARE p AS SELECT 1 AS one')",
  "SELECT f.run('DEALLOCATE p')",
  "SELECT f.run('DECLARE h CURSOR WITH HOLD FOR VALUES (1), (2), (3)')",
  "SELECT f.run('SELECT setseed(0.5)')",
  'SELECT f.lock($N11)',
  'SELECT f.unlock($N11)',
  'SELECT f.lock($N12), 1/0',
  'SELECT f.quiet(1)',
  'SELECT f.noisy(1)',
  'SELECT f.noisy(9)',
  'SELECT f.scoped()',
  'SELECT f.definer()',
  'SELECT f.set_then_fail()',
  'SELECT f.set_and_catch()',
  "CALL f.p_set('app.a', 'called')",
  "CALL f.p_commit('app.a', 'committed')",
  "DO $$ BEGIN PERFORM set_config('app.a', 'done', false); END $$",
  'DO $$ BEGIN PERFORM pg_advisory_lock($N13); END $$',
  "DO $$ BEGIN EXECUTE 'SET SESSION AUTHORIZATION diff_a'; END $$",
  'DO $$ BEGIN CREATE TEMP TABLE x (a int); END $$',
  'DO $$ BEGIN NULL; END $$',
  "DO $$ BEGIN PERFORM set_config('app.a', 'raised', false); RAISE EXCEPTION 'on purpose'; END $$",
  'INSERT INTO c$N.trg VALUES (1)',
  'INSERT INTO c$N.trg VALUES (2), (3)',
  'DELETE FROM c$N.trg',
  'INSERT INTO c$N.d DEFAULT VALUES',
  'SELECT * FROM c$N.w',
  'SELECT 5 OPERATOR(f.%%) 6',
  "SELECT 'x'::f.dom",
  'SELECT f.seed(), random()',
] as const;

const DISCARD = ['DISCARD ALL', 'DISCARD ALL', 'DISCARD PLANS', 'DISCARD SEQUENCES', 'DISCARD TEMP', 'CLOSE ALL; RESET ALL'] as const;

const DATA = [
  'SELECT 1',
  'SELECT count(*), max(id) FROM c$N.t',
  "INSERT INTO c$N.t (v) VALUES ('a'), ('b')",
  "UPDATE c$N.t SET v = v || '+' WHERE id = 1",
  'DELETE FROM c$N.t WHERE id > 3',
  'INSERT INTO c$N.u VALUES (1)',
  'SELECT i FROM generate_series(1, 3) i',
  'COPY (SELECT id FROM c$N.t ORDER BY 1) TO STDOUT',
  'VACUUM c$N.t',
  'TABLE c$N.t',
  'LOCK TABLE c$N.t IN ACCESS EXCLUSIVE MODE',
  'SELECT * FROM c$N.t FOR UPDATE',
  '',
  '-- only a comment',
] as const;

const ERROR = [
  'SELECT 1/0',
  'SELECT nothing',
  'SELEC 1',
  'INSERT INTO c$N.t (id) VALUES (NULL)',
  'INSERT INTO c$N.u VALUES (1), (1)',
  'SELECT f.set_then_fail()',
  "DO $$ BEGIN RAISE NOTICE 'n'; RAISE EXCEPTION 'e' USING DETAIL = 'd'; END $$",
] as const;

const DDL = [
  'CREATE TABLE c$N.extra (a int)',
  'DROP TABLE c$N.extra',
  'DROP TABLE IF EXISTS c$N.extra',
  'ALTER TABLE c$N.t ADD COLUMN IF NOT EXISTS more int',
  'ALTER TABLE c$N.t DROP COLUMN IF EXISTS more',
  'CREATE OR REPLACE VIEW c$N.w2 AS SELECT count(*) AS n FROM c$N.t',
  'TRUNCATE c$N.t',
  'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON c$N.t (v)',
] as const;

const STATEMENTS: Readonly<Record<Kind, readonly string[]>> = {
  settings: SETTINGS,
  identity: IDENTITY,
  transaction: TRANSACTION,
  savepoint: SAVEPOINT,
  temp: TEMP,
  cursor: CURSOR,
  lock: LOCK,
  prepare: PREPARE,
  listen: LISTEN,
  sequence: SEQUENCE,
  hidden: HIDDEN,
  discard: DISCARD,
  data: DATA,
  error: ERROR,
  ddl: DDL,
};

/** Statements with parameters, and values for them. */
const WITH_PARAMETERS: readonly Bound[] = [
  ['SELECT $1::int + 1', '4'],
  ['SELECT $1::int + 1', 'x'],
  ['SELECT set_config($1, $2, false)', 'app.a', 'bound $N'],
  ['SELECT set_config($1, $2, false)', 'work_mem', '13MB'],
  ['SELECT set_config($1, $2, $3::bool)', 'timezone', 'Asia/Tokyo', 'true'],
  ["SELECT set_config('app.a', $1, false)", "bound; it's \\"],
  ["SELECT set_config('app.a', $1, false)", null],
  ['SELECT pg_advisory_lock($1)', '$N01'],
  ['SELECT pg_advisory_unlock($1)', '$N01'],
  ['SELECT pg_try_advisory_lock($1, $2)', '$N', '2'],
  ['SELECT nextval($1)', 'c$N.s'],
  ['SELECT currval($1)', 'c$N.s'],
  ['INSERT INTO c$N.t (v) VALUES ($1)', 'bound'],
  ['SELECT count(*) FROM c$N.t WHERE id > $1', '1'],
  ['SELECT * FROM c$N.t WHERE id = $1', '1'],
  ['INSERT INTO c$N.t (v) VALUES ($1) RETURNING *', 'bound'],
  ['SELECT f.set($1, $2)', 'app.a', 'hidden and bound'],
  ['SELECT f.lock($1)', '$N11'],
  ['SELECT f.noisy($1)', '9'],
  ['SELECT pg_notify($1, $2)', 'c$N', 'bound'],
  ['SELECT current_setting($1)', 'app.a'],
  ['SELECT $1 AS untyped', 'x'],
  ["SELECT timestamptz '2020-01-02 03:04:05+00' + $1::interval", '1 hour'],
];

const STARTUP: readonly Readonly<Record<string, string>>[] = [
  { application_name: 'start $N' },
  { TimeZone: 'Asia/Tokyo' },
  { timezone: 'Europe/Vienna', datestyle: 'german' },
  { options: '-c work_mem=6MB' },
  { options: '-c search_path=c$N,public --datestyle=sql -c app.a=started\\ $N' },
  { options: '-c role=diff_a' },
  { 'app.a': 'start $N' },
  { client_encoding: 'LATIN1' },
  { extra_float_digits: '3', application_name: '' },
  { statement_timeout: '45678', search_path: 'c$N' },
  { default_transaction_isolation: 'serializable' },
  { work_mem: 'wrong' },
  { nothing_like_this: '1' },
];

/** Questions about the session's state, whose answer must be the same. */
export const PROBES: readonly string[] = [
  "SELECT name, setting FROM pg_settings WHERE setting <> boot_val AND context IN ('user', 'superuser') AND name NOT LIKE 'transaction_%' ORDER BY 1",
  "SELECT current_user, session_user, current_setting('role'), current_schemas(false), current_setting('app.a'), nullif(current_setting('app.b', true), '')",
  'SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors ORDER BY 1',
  'SELECT name, statement, parameter_types FROM pg_prepared_statements WHERE from_sql ORDER BY 1',
  'SELECT pg_listening_channels() ORDER BY 1',
  "SELECT relname, relkind FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v', 'S') ORDER BY 1",
  "SELECT classid, objid, objsubid, mode, granted FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() ORDER BY 1, 2, 3, 4",
  "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('default_transaction_isolation')",
  'SELECT count(*), min(id), max(id) FROM c$N.t',
];

/** What a campaign chooses from. */
export interface Catalogue {
  readonly statements: Readonly<Record<Kind, readonly string[]>>;
  /** For the extended protocol. */
  readonly single: Readonly<Record<Kind, readonly string[]>>;
  readonly withParameters: readonly Bound[];
  /** Start-up parameters. */
  readonly startup: readonly Readonly<Record<string, string>>[];
}

function kindsWithout(patterns: readonly RegExp[]): Catalogue['statements'] {
  const kinds = Object.entries(STATEMENTS).map(([kind, list]) => {
    const left = list.filter((sql) => !patterns.some((pattern) => pattern.test(sql)));
    if (left.length === 0) throw new Error(`no statement of the kind ${kind} is left`);
    return [kind, left];
  });
  return Object.fromEntries(kinds) as Catalogue['statements'];
}

/** The statements that none of the patterns is found in, and none of the limits is about. A kind may not become empty. */
export function catalogueWithout(patterns: readonly RegExp[], limits: readonly Limit[] = []): Catalogue {
  const everywhere = [...patterns, ...limits.flatMap(({ statements }) => statements ?? [])];
  const single = [...everywhere, ...limits.flatMap(({ extended }) => extended ?? [])];
  return {
    statements: kindsWithout(everywhere),
    single: kindsWithout(single),
    withParameters: WITH_PARAMETERS.filter(([sql]) => !single.some((pattern) => pattern.test(sql))),
    startup: STARTUP.filter((parameters) => !limits.some(({ startup }) => startup?.test(JSON.stringify(parameters)))),
  };
}
