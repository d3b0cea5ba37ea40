/**
 * What drivers say on their own, as data: at the start, around transactions, to look at types and tables, when a pool takes a connection
 * back, at the end. Recorded from a server's log; queries of the catalog are cut down to what they use (tables, functions, casts). Those of
 * Rails, Npgsql, PDO and Laravel are from their documentation.
 */

/** A statement of the extended protocol; with a name, it is prepared under it and run twice. */
export interface Extended {
  readonly sql: string;
  readonly values: readonly (string | null)[];
  readonly name?: string;
}

/** A text is a simple query. */
export type Step = string | Extended;

export interface Driver {
  readonly driver: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

const extended = (sql: string, ...values: readonly (string | null)[]): Extended => ({ sql, values });
const prepared = (name: string, sql: string, ...values: readonly (string | null)[]): Extended => ({ sql, values, name });

const SERIALIZABLE = 'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE';
const COMMITTED = 'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED';
const READ_ONLY = 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY';

export const DRIVERS: readonly Driver[] = [
  {
    driver: 'psql',
    parameters: { application_name: 'psql', client_encoding: 'UTF8' },
    steps: [
      'select 1;',
      'BEGIN',
      'DECLARE _psql_cursor NO SCROLL CURSOR FOR select * from generate_series(1, 30)',
      'FETCH FORWARD 10 FROM _psql_cursor',
      'CLOSE _psql_cursor',
      'COMMIT',
      'begin;',
      'SAVEPOINT pg_psql_temporary_savepoint',
      'select 1;',
      'RELEASE pg_psql_temporary_savepoint',
      'SAVEPOINT pg_psql_temporary_savepoint',
      'select 1/0;',
      'ROLLBACK TO pg_psql_temporary_savepoint',
      'commit;',
      `SELECT n.nspname as "Schema", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as "Type", pg_catalog.pg_get_userbyid(c.relowner)
       FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relname = 't' ORDER BY 1, 2`,
      `SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default`,
      `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
         (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)
       FROM pg_catalog.pg_attribute a WHERE a.attrelid = 't'::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
      `SELECT p.proname, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid)
       FROM pg_catalog.pg_proc p WHERE p.proname OPERATOR(pg_catalog.~) '^(abs)$' AND pg_catalog.pg_function_is_visible(p.oid) ORDER BY 1, 2, 3`,
      `SELECT r.rolname, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
       WHERE m.member = r.oid) FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1`,
      `SELECT 'abs(int)'::pg_catalog.regprocedure::pg_catalog.oid`,
      'SELECT pg_catalog.pg_get_functiondef(1397::pg_catalog.oid)',
      `SELECT name AS "Column", pg_catalog.format_type(tp, tpm) AS "Type" FROM (VALUES ('?column?', '23'::pg_catalog.oid, -1)) s(name, tp, tpm)`,
      `set client_encoding to 'LATIN1'`,
      `set client_encoding to 'UTF8'`,
      'COPY t TO STDOUT ',
      'COPY ( select 1 ) TO STDOUT ',
    ],
  },
  {
    driver: 'psycopg',
    parameters: { client_encoding: 'UTF8' },
    steps: [
      'BEGIN',
      'select 1',
      extended('select $1::int', '5'),
      'SAVEPOINT "_pg3_2"',
      'select 1/0',
      'ROLLBACK TO "_pg3_2"',
      'RELEASE "_pg3_2"',
      prepared('_pg3_0', 'select $1::int + 1', '6'),
      extended('DECLARE "srv" CURSOR FOR select * from generate_series(1, 50)'),
      'FETCH FORWARD 10 FROM "srv"',
      'FETCH FORWARD ALL FROM "srv"',
      'CLOSE "srv"',
      'COMMIT',
      'DEALLOCATE ALL',
      READ_ONLY,
      extended(
        `SELECT typname AS name, typarray > 0 AS arrays, oid::regtype::text AS regtype, typdelim AS delimiter FROM pg_type t
         WHERE t.oid = to_regtype($1) ORDER BY t.oid`,
        'int4',
      ),
      'ROLLBACK',
      '',
    ],
  },
  {
    driver: 'psycopg2',
    steps: [
      'BEGIN',
      'DECLARE "named" CURSOR WITHOUT HOLD FOR select * from generate_series(1, 50)',
      'FETCH FORWARD 5 FROM "named"',
      'CLOSE "named"',
      'COMMIT',
      'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE',
      'ROLLBACK',
      `SELECT t.oid, typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid WHERE typname = 'hstore'`,
      `SET default_transaction_read_only TO 'on'`,
      'SET default_transaction_isolation TO DEFAULT',
      'select 1',
      'ABORT',
      'RESET ALL',
      'SET SESSION AUTHORIZATION DEFAULT',
      'DISCARD ALL',
    ],
  },
  {
    driver: 'asyncpg',
    parameters: { client_encoding: `'utf-8'` },
    steps: [
      `SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new`,
      prepared(
        '__asyncpg_stmt_1__',
        `WITH RECURSIVE typeinfo_tree(oid, ns, name, kind, depth) AS (
           SELECT ti.oid, ns.nspname, ti.typname, ti.typtype, 0 FROM pg_catalog.pg_type AS ti INNER JOIN pg_catalog.pg_namespace AS ns ON (ns.oid = ti.typnamespace)
           WHERE ti.oid = any($1::oid[])
           UNION ALL
           SELECT ti.oid, 'deeper', ti.typname, ti.typtype, tt.depth + 1 FROM pg_catalog.pg_type ti, typeinfo_tree tt WHERE ti.oid = 0 AND tt.depth < 3)
         SELECT DISTINCT *, format_type(oid, NULL) AS fullname FROM typeinfo_tree ORDER BY depth DESC, oid`,
        '{23,25}',
      ),
      `SELECT current_setting('jit') AS cur, set_config('jit', 'on', false) AS new`,
      prepared('__asyncpg_stmt_2__', 'select $1::int', '5'),
      'BEGIN;',
      'SAVEPOINT __asyncpg_savepoint_6__;',
      'RELEASE SAVEPOINT __asyncpg_savepoint_6__;',
      'COMMIT;',
      `${READ_ONLY};`,
      'COMMIT;',
      'SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;',
    ],
  },
  {
    driver: 'pg8000',
    steps: ['begin transaction', extended('select $1::int', '5'), extended('commit'), 'begin transaction', extended('rollback')],
  },
  {
    driver: 'SQLAlchemy',
    steps: [
      'BEGIN',
      'select current_schema()',
      'show transaction isolation level',
      'show standard_conforming_strings',
      'ROLLBACK',
      ';',
      'BEGIN',
      'SAVEPOINT sa_savepoint_1',
      'RELEASE SAVEPOINT sa_savepoint_1',
      'COMMIT',
      'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
      extended(
        `SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
         WHERE pg_catalog.pg_class.relkind = ANY (ARRAY[$1::VARCHAR, $2::VARCHAR]) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid)
         AND pg_catalog.pg_namespace.nspname != $3::VARCHAR ORDER BY 1`,
        'r',
        'p',
        'pg_catalog',
      ),
      `SELECT attr.conname, array_agg(CAST(attr.attname AS TEXT) ORDER BY attr.ord) AS cols FROM (SELECT con.conname, a.attname, con.ord
         FROM (SELECT conname, conrelid, unnest(conkey) AS attnum, generate_subscripts(conkey, 1) AS ord FROM pg_catalog.pg_constraint WHERE contype = 'p') AS con
         JOIN pg_catalog.pg_attribute a ON a.attnum = con.attnum AND a.attrelid = con.conrelid WHERE con.conrelid = 't'::regclass) AS attr GROUP BY attr.conname`,
      `SELECT t.typname, array_agg(CAST(e.enumlabel AS TEXT) ORDER BY e.enumsortorder) FROM pg_catalog.pg_type t
         LEFT JOIN pg_catalog.pg_enum e ON t.oid = e.enumtypid WHERE t.typtype = 'e' AND pg_catalog.pg_type_is_visible(t.oid) GROUP BY 1`,
      'DECLARE "c_7fdc3a9cbe50_1" CURSOR FOR select * from generate_series(1, 30)',
      'FETCH FORWARD 1 FROM "c_7fdc3a9cbe50_1"',
      'ROLLBACK',
    ],
  },
  {
    driver: 'Django',
    parameters: { client_encoding: 'UTF8' },
    steps: [
      `SELECT set_config('TimeZone', 'Europe/Berlin', false)`,
      'BEGIN',
      'SAVEPOINT "s139725243718528_x1"',
      'RELEASE SAVEPOINT "s139725243718528_x1"',
      'COMMIT',
      `SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class')
       FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1`,
      `SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx)
         JOIN pg_attribute AS ca ON cols.colid = ca.attnum WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx), c.contype
       FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = 't' AND pg_catalog.pg_table_is_visible(cl.oid)`,
    ],
  },
  {
    driver: 'JDBC',
    parameters: {
      application_name: 'PostgreSQL JDBC Driver',
      extra_float_digits: '2',
      DateStyle: 'ISO',
      client_encoding: 'UTF8',
      TimeZone: 'UTC',
    },
    steps: [
      extended('SET extra_float_digits = 3'),
      extended(`SET application_name = 'PostgreSQL JDBC Driver'`),
      prepared('S_1', 'select $1::int', '5'),
      extended('BEGIN'),
      extended('SAVEPOINT JDBC_SAVEPOINT_0'),
      extended('ROLLBACK TO SAVEPOINT JDBC_SAVEPOINT_0'),
      prepared('S_2', 'COMMIT'),
      extended(SERIALIZABLE),
      extended('SHOW TRANSACTION ISOLATION LEVEL'),
      extended('BEGIN READ ONLY'),
      extended('ROLLBACK'),
      extended(COMMITTED),
      extended('SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY'),
      extended('SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE'),
      extended(`SET SESSION search_path TO 'public'`),
      extended('select current_schema()'),
      extended(
        `SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN 'SYSTEM' ELSE 'TABLE' END
         FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname LIKE 't' ORDER BY 2, 3`,
      ),
      extended(
        `SELECT result.COLUMN_NAME, result.KEY_SEQ FROM (SELECT a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ,
           information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM pg_catalog.pg_class ct
           JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid)
           WHERE ct.relname = 't' AND i.indisprimary) result WHERE result.A_ATTNUM = (result.KEYS).x ORDER BY 1, 2`,
      ),
      extended(
        `SELECT typinput = 'pg_catalog.array_in'::regproc as is_array, typtype, typname FROM pg_catalog.pg_type
         LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
           join (select s.r, (current_schemas(false))[s.r] as nspname from generate_series(1, array_upper(current_schemas(false), 1)) as s(r)) as r using (nspname)
         ) as sp ON sp.nspoid = typnamespace WHERE pg_type.oid = $1 ORDER BY sp.r, pg_type.oid DESC`,
        '23',
      ),
      extended(`select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs,absolute}'::text[])`),
      extended(`SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_index_keys'`),
      extended(
        'SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = $1',
        '23',
      ),
      extended('DISCARD ALL'),
    ],
  },
  {
    driver: 'pgx and lib/pq',
    steps: [
      prepared('stmtcache_d0b9', 'select $1::int', '5'),
      'begin',
      'savepoint sp_1',
      'release savepoint sp_1',
      'commit',
      '-- ping',
      ';',
      extended('select $1::text::regtype::oid', 'int4'),
      extended('select typtype::text, typbasetype from pg_type where oid=$1', '23'),
      READ_ONLY,
      'rollback',
      'deallocate all',
    ],
  },
  {
    driver: 'pg',
    parameters: { statement_timeout: '5000', lock_timeout: '3000', idle_in_transaction_session_timeout: '60000' },
    steps: ['begin', prepared('n', 'select $1::int', '1'), 'savepoint a', 'rollback to a', 'commit', 'DISCARD ALL'],
  },
  {
    driver: 'Rails',
    steps: [
      `SET client_min_messages TO 'warning'`,
      'SET standard_conforming_strings = on',
      'SET intervalstyle = iso_8601',
      `SET SESSION timezone TO 'UTC'`,
      'SHOW max_identifier_length',
      'SHOW search_path',
      `SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t
       LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4', 'text') ORDER BY 1`,
      prepared(
        'a1',
        `SELECT a.attname, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum) FROM pg_attribute a
       LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attrelid = $1::regclass AND a.attnum > 0 ORDER BY a.attnum`,
        't',
      ),
      'BEGIN',
      'SAVEPOINT active_record_1',
      'RELEASE SAVEPOINT active_record_1',
      'COMMIT',
      'DEALLOCATE a1',
      'DISCARD ALL',
    ],
  },
  {
    driver: 'Npgsql',
    parameters: { client_encoding: 'UTF8', TimeZone: 'UTC' },
    steps: [
      prepared('_auto0', 'SELECT $1::int', '5'),
      'BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED',
      'SAVEPOINT s1',
      'ROLLBACK TO SAVEPOINT s1',
      'COMMIT',
      'SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP',
      'DISCARD ALL',
    ],
  },
  {
    driver: 'PDO and Laravel',
    steps: [
      `set names 'utf8'`,
      `set time zone 'UTC'`,
      'set search_path to "public"',
      prepared('pdo_stmt_00000001', 'select $1::int', '5'),
      'DEALLOCATE pdo_stmt_00000001',
      'BEGIN',
      'ROLLBACK',
    ],
  },
];
