/**
 * What a database's own code can do behind a statement's back: functions and triggers, and everything that may call them without the text
 * saying so (defaults, checks, domains, views, rules, row security, operators, casts). Read from the catalog, believed until a definition
 * changes. A database whose functions make up names of parameters at run time cannot be audited for them (`dynamic`).
 */
import type { Statement } from '../../routing/index.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';

export interface HiddenCode {
  /** Parameters with a dot in their name that functions set. */
  readonly settings: readonly string[];
  /** Some function sets a parameter whose name is made at run time. */
  readonly dynamic: boolean;
  /** Some function reads currval() or lastval(). */
  readonly currval: boolean;
  /** Relations that run code when they are read, and when they are written; names without schema. */
  readonly onRead: ReadonlySet<string>;
  readonly onWrite: ReadonlySet<string>;
  /** A definition has changed since: any relation may run code. */
  readonly everywhere: boolean;
  /** Operators of the user's own. */
  readonly operators: ReadonlySet<string>;
}

/** Where the catalog could not be read, everything is possible. */
export const ANYTHING: HiddenCode = {
  settings: [],
  dynamic: true,
  currval: true,
  onRead: new Set(),
  onWrite: new Set(),
  operators: new Set(),
  everywhere: true,
};

/** Built-in functions that change a session; the catalog does not record that a view or a default depends on them. */
const SUSPECT = '(set_config|advisory|setseed|pg_notify|dblink|lo_open|query_to_xml)';

const depends = (
  classId: string,
  objects: string,
): string => `EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = '${classId}'::pg_catalog.regclass
  AND d.objid ${objects} AND d.refclassid = ANY ('{pg_catalog.pg_proc,pg_catalog.pg_operator}'::pg_catalog.regclass[]))`;

// Raw: the backslashes are Postgres's.
const HIDDEN_CODE = String.raw`WITH RECURSIVE
 own AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')),
 coded_types AS (SELECT t.oid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid
   WHERE t.typtype = 'd' AND (${depends('pg_catalog.pg_constraint', '= k.oid')} OR pg_catalog.pg_get_constraintdef(k.oid) ~* '${SUSPECT}')),
 on_read AS (
   SELECT c.oid FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace WHERE c.relrowsecurity OR c.relkind = 'f' OR (c.relkind = 'v' AND (
     ${depends('pg_catalog.pg_rewrite', 'IN (SELECT r.oid FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid)')}
     OR pg_catalog.pg_get_viewdef(c.oid) ~* '${SUSPECT}'))
   UNION
   SELECT r.ev_class FROM on_read JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = on_read.oid
     AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid),
 on_write AS (SELECT c.oid FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'f') AND (
   EXISTS (SELECT FROM on_read WHERE on_read.oid = c.oid) OR c.relkind = 'v' OR c.relhasrules
   OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
   OR ${depends('pg_catalog.pg_attrdef', 'IN (SELECT a.oid FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid)')}
   OR EXISTS (SELECT FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid AND pg_catalog.pg_get_expr(a.adbin, a.adrelid) ~* '${SUSPECT}')
   OR ${depends('pg_catalog.pg_constraint', 'IN (SELECT k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid)')}
   OR ${depends('pg_catalog.pg_class', 'IN (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)')}
   OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN coded_types t ON t.oid = a.atttypid WHERE a.attrelid = c.oid)))
SELECT
 (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.lower(m[2]), E'\n') FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace,
   pg_catalog.regexp_matches(p.prosrc, '(set_config\s*\(\s*''|\mset\s+(?:session\s+)?)([a-z_][\w$]*\.[\w$.]+)', 'gi') m),
 (SELECT pg_catalog.bool_or(p.prosrc ~* 'set_config\s*\(\s*[^''\s]') FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace),
 EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace WHERE p.prosrc ~* '\m(currval|lastval)\M'),
 (SELECT pg_catalog.string_agg(DISTINCT c.relname, E'\n') FROM on_read JOIN pg_catalog.pg_class c ON c.oid = on_read.oid),
 (SELECT pg_catalog.string_agg(DISTINCT c.relname, E'\n') FROM on_write JOIN pg_catalog.pg_class c ON c.oid = on_write.oid),
 (SELECT pg_catalog.string_agg(DISTINCT o.oprname, E'\n') FROM pg_catalog.pg_operator o JOIN own ON own.oid = o.oprnamespace)`;

const run = (text: string): Buffer => Buffer.concat([parse('', text, []), bind('', '', [], []), execute('', 0)]);

/** The question as frames, ending in Sync; one row. Compiling it would take a second where running it takes some milliseconds. */
export const hiddenCodeFrames: Buffer = Buffer.concat([
  run('BEGIN ISOLATION LEVEL READ COMMITTED'),
  run('SET LOCAL jit = off'),
  run(HIDDEN_CODE),
  run('COMMIT'),
  sync,
]);

export function readHiddenCode(row: readonly (string | null)[]): HiddenCode {
  const list = (text: string | null | undefined) => (text ?? '').split('\n').filter((name) => name !== '');
  return {
    settings: list(row[0]),
    dynamic: row[1] === 't',
    currval: row[2] !== 'f',
    onRead: new Set(list(row[3])),
    onWrite: new Set(list(row[4])),
    operators: new Set(list(row[5])),
    everywhere: false,
  };
}

/** Parameters with a dot in their names that a text sets: a script, a DO block, the body of a function. */
export function settingsIn(text: string): string[] {
  return [...text.matchAll(NAMED_SETTING)].map(([, name]) => name!.toLowerCase());
}

const NAMED_SETTING = /(?:set_config\s*\(\s*'|\bset\s+(?:session\s+)?)([a-z_][\w$]*\.[\w$.]+)/gi;
const MADE_UP_SETTING = /set_config\s*\(\s*[^'\s]/i;

/** What is known after a definition has changed by this text, until the catalog is read again. */
export function afterChange(code: HiddenCode, text: string): HiddenCode {
  const settings = [...new Set([...code.settings, ...settingsIn(text)])];
  return { ...code, settings, dynamic: code.dynamic || MADE_UP_SETTING.test(text), currval: true, everywhere: true };
}

/** May the statement run code that its text does not name? `code` undefined: nobody has looked yet. */
export function runsHiddenCode(
  { relations, operators }: Pick<Statement, 'relations' | 'operators'>,
  code: HiddenCode | undefined,
): boolean {
  if (operators.some((name) => name.startsWith('::'))) return true;
  if (code === undefined) return relations.length > 0 || operators.length > 0;
  if (code.everywhere && (relations.length > 0 || operators.some((name) => name.includes('.')))) return true;
  // As written: perhaps with its schema.
  if (operators.some((name) => code.operators.has(name.slice(name.lastIndexOf('.') + 1)))) return true;
  return relations.some(({ access, name }) => (access === 'write' ? code.onWrite : code.onRead).has(name));
}
