/**
 * What functions of a database can do to parameters, over all of them: code that cannot be followed (`known-code.ts`) may call any.
 * Read from the catalog, believed for a while, and added to by definitions that pass through us. A database whose functions make up names of
 * parameters at run time cannot be audited for them (`dynamic`).
 */

import { LazySet } from '../lazy.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';
import { keepsData, keepsDataInText } from './interpreters.ts';
import { type NamedSettings, namedSettings, namedSettingsInText, setsInOtherLanguage } from './named-settings.ts';
import { plainly } from './plainly.ts';

export interface HiddenCode {
  /** Parameters with a dot in their name that functions set. */
  readonly settings: readonly string[];
  /** Some function sets a parameter whose name is made at run time, or keeps data in its interpreter. */
  readonly dynamic: boolean;
  /** So does a view, a default, a policy or the like, and no name leads there. */
  readonly stored: boolean;
}

/** Where the catalog could not be read, everything is possible. */
export const ANYTHING: HiddenCode = { settings: [], dynamic: true, stored: true };

/** A call of set_config() or setseed() in an expression as it is stored, by its number. */
const SETS = `':funcid (2078|1599) '`;
// Raw: the backslashes are Postgres's. Of extensions only names count: they do not make up names of parameters.
const HIDDEN_CODE = String.raw`WITH own AS MATERIALIZED (
  SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
      THEN 'extension' ELSE l.lanname END AS language,
    CASE WHEN l.lanname = 'sql' AND p.prosrc = '' AND p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prosrc END AS body
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 AND l.lanname <> 'c'),
  matters AS MATERIALIZED (SELECT language, body FROM own WHERE body ~* '\mset|\mexecute\M|\mload\M|dblink|session_setup' OR language NOT IN ('sql', 'plpgsql', 'internal', 'extension')
   UNION ALL SELECT 'stored', text FROM (
     SELECT pg_catalog.pg_get_ruledef(oid) FROM pg_catalog.pg_rewrite WHERE oid >= 16384 AND pg_catalog.concat(ev_qual::pg_catalog.text, ev_action::pg_catalog.text) ~ ${SETS}
     UNION ALL SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef WHERE adbin::pg_catalog.text ~ ${SETS}
     UNION ALL SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conbin::pg_catalog.text ~ ${SETS}
     UNION ALL SELECT pg_catalog.concat(pg_catalog.pg_get_expr(polqual, polrelid), ' ', pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM pg_catalog.pg_policy
       WHERE pg_catalog.concat(polqual::pg_catalog.text, polwithcheck::pg_catalog.text) ~ ${SETS}
     UNION ALL SELECT pg_catalog.pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger WHERE tgqual::pg_catalog.text ~ ${SETS}
     UNION ALL SELECT pg_catalog.pg_get_expr(typdefaultbin, 0) FROM pg_catalog.pg_type WHERE typdefaultbin::pg_catalog.text ~ ${SETS}
     UNION ALL SELECT pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index WHERE indrelid >= 16384
       AND pg_catalog.concat(indexprs::pg_catalog.text, indpred::pg_catalog.text) ~ ${SETS}) stored(text)
   UNION ALL SELECT 'stored', pg_catalog.pg_get_function_arguments(oid) FROM pg_catalog.pg_proc WHERE proargdefaults::pg_catalog.text ~ ${SETS})
SELECT CASE WHEN pg_catalog.sum(pg_catalog.length(body)) > 8000000 THEN E'?\nset_config' ELSE pg_catalog.string_agg(language || E'\n' || body, E'\x01') END FROM matters`;

/** The question as frames, ending in Sync; one row. */
export const hiddenCodeFrames: Buffer = Buffer.concat([plainly, parse('', HIDDEN_CODE, []), bind('', '', [], []), execute('', 0), sync]);

export function readHiddenCode(row: readonly (string | null)[]): HiddenCode {
  const settings = new Set<string>();
  let [dynamic, stored] = [false, false];
  for (const function_ of row[0] === null || row[0] === undefined ? [] : row[0].split('\x01')) {
    const at = function_.indexOf('\n');
    const [language, body] = [function_.slice(0, at), function_.slice(at + 1)];
    if (!READ.has(language)) {
      dynamic ||= setsInOtherLanguage(body) || keepsData(language, body);
      continue;
    }
    const { names, madeUp } = namedSettings(body);
    for (const name of names) settings.add(name);
    dynamic ||= madeUp && language !== 'extension';
    stored ||= madeUp && language === 'stored';
  }
  return { settings: [...settings], dynamic, stored };
}

const READ: ReadonlySet<string> = new Set(['sql', 'plpgsql', 'extension', 'stored']);

/** A definition that may call set_config() itself; what the body of a function does is known by its name. */
const STORES_CALL = /^(?!\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\b)[\s\S]*\b(?:create|alter)\b[\s\S]*set_config/i;

/** What is known after a definition has changed by this text. */
export function afterChange(code: HiddenCode, text: string): HiddenCode {
  const { names, madeUp } = namedSettingsInText(text);
  return {
    settings: [...new Set([...code.settings, ...names])],
    dynamic: code.dynamic || madeUp || keepsDataInText(text),
    stored: code.stored || (madeUp && STORES_CALL.test(text)),
  };
}

/** The parameters that one session's own texts set where only an audit sees it. */
export class OwnNames {
  readonly #names = new LazySet<string>();
  /** One was set whose name is not known: what the session has set cannot be found out. */
  madeUp = false;

  get list(): readonly string[] {
    return [...this.#names];
  }

  /** Code ran that has no name, and may have called any function. */
  #called = false;
  /** Code ran that may have left on the server connection what no audit sees. */
  #unseen = false;

  /** A text has run code that leaves something; `madeUp`: whether that makes up names of parameters, undefined where it has no name to look it up by. */
  take({ names, madeUp: inText }: NamedSettings, madeUp: boolean | undefined): void {
    this.#unseen = true;
    for (const name of names) this.#names.add(name);
    if (madeUp === undefined) this.#called = true;
    // What the text has besides the code's name is no code.
    if (madeUp ?? inText) this.madeUp = true;
  }

  /** Whether something may be on the server connection that nobody sees; true once. */
  takeUnseen(): boolean {
    const unseen = this.#unseen;
    this.#unseen = false;
    return unseen;
  }

  /** What the functions of the database do is known: whether it can be found out what this session has set. */
  areKnown({ dynamic, stored }: HiddenCode): boolean {
    if (stored || (dynamic && this.#called)) this.madeUp = true;
    this.#called = false;
    return !this.madeUp;
  }
}
