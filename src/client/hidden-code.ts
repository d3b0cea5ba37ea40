/**
 * What functions of a database can do to parameters, over all of them: code that cannot be followed (`known-code.ts`) may call any.
 * Read from the catalog, believed for a while, and added to by definitions that pass through us. A database whose functions make up names of
 * parameters at run time cannot be audited for them (`dynamic`).
 */
import { bind, execute, parse, sync } from '../wire/write.ts';
import { plainly } from './plainly.ts';

export interface HiddenCode {
  /** Parameters with a dot in their name that functions set. */
  readonly settings: readonly string[];
  /** Some function sets a parameter whose name is made at run time. */
  readonly dynamic: boolean;
}

/** Where the catalog could not be read, everything is possible. */
export const ANYTHING: HiddenCode = { settings: [], dynamic: true };

// Raw: the backslashes are Postgres's.
const HIDDEN_CODE = String.raw`WITH own AS MATERIALIZED (SELECT prosrc FROM pg_catalog.pg_proc WHERE oid >= 16384 AND prosrc ~* '\mset')
SELECT
 (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.lower(m[2]), E'\n')
   FROM own, pg_catalog.regexp_matches(prosrc, '(set_config\s*\(\s*''|\mset\s+(?:session\s+)?)([a-z_][\w$]*\.[\w$.]+)', 'gi') m),
 (SELECT pg_catalog.bool_or(prosrc ~* 'set_config\s*\(\s*[^''\s]') FROM own)`;

/** The question as frames, ending in Sync; one row. */
export const hiddenCodeFrames: Buffer = Buffer.concat([plainly, parse('', HIDDEN_CODE, []), bind('', '', [], []), execute('', 0), sync]);

export function readHiddenCode(row: readonly (string | null)[]): HiddenCode {
  const settings = (row[0] ?? '').split('\n').filter((name) => name !== '');
  return { settings, dynamic: row[1] === 't' };
}

/** Parameters with a dot in their names that a text sets: a script, a DO block, the body of a function. */
export function settingsIn(text: string): string[] {
  return [...text.matchAll(NAMED_SETTING)].map(([, name]) => name!.toLowerCase());
}

const NAMED_SETTING = /(?:set_config\s*\(\s*'|\bset\s+(?:session\s+)?)([a-z_][\w$]*\.[\w$.]+)/gi;
const MADE_UP_SETTING = /set_config\s*\(\s*[^'\s]/i;

/** What is known after a definition has changed by this text. */
export function afterChange(code: HiddenCode, text: string): HiddenCode {
  const settings = [...new Set([...code.settings, ...settingsIn(text)])];
  return { settings, dynamic: code.dynamic || MADE_UP_SETTING.test(text) };
}
