/**
 * Reads the body of a function in SQL or PL/pgSQL, word by word, for what it could do to a session. Nothing is parsed: whatever a body can
 * name without SQL made at run time stands in it as a word, so a body is harmless when none of its words does anything to a session, and all
 * that its words may name (functions, relations, types) is harmless too. Too many words cost an audit; one too few would cost exactness.
 */

export interface BodyRead {
  /** It says something that changes the session, or that nobody can follow. */
  readonly harmful: boolean;
  /** It can draw from sequences. */
  readonly draws: boolean;
  /** It names currval() or lastval(). Where it is harmful it may also read them without that. */
  readonly reads: boolean;
  /** Folded, and short enough to be names; what they name decides the rest. */
  readonly words: readonly string[];
}

const list = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Words with which a body changes its session, runs what it has put together, or defines something. */
const HARMFUL = list(`
  execute set_config setseed seed reset discard listen unlisten prepare deallocate load temp temporary pg_temp hold
  pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared
  pg_advisory_unlock_all pg_export_snapshot pg_stat_clear_snapshot pg_stat_force_next_flush pg_replication_origin_session_setup
  pg_replication_origin_session_reset pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup ts_stat ts_rewrite set_limit
  pg_create_logical_replication_slot pg_create_physical_replication_slot pg_copy_logical_replication_slot pg_copy_physical_replication_slot
  query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema
  table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
  database_to_xml database_to_xmlschema database_to_xml_and_xmlschema
  create alter drop refresh import reindex cluster vacuum analyze security reassign
`);

const DRAWING = list('nextval setval insert merge copy update');
const READING = list('currval lastval');

/** What may stand between UPDATE and its SET: the table and its alias. */
const NOT_BETWEEN = list('then else loop begin do if case when select from where');

const TOKEN = /"(?:[^"]|"")*"|[a-z_][\w$]*|;|\S/gi;
/** Without names in quotes: where it is not certain what is a string, a quote means nothing. */
const LOOSE_TOKEN = /[a-z_][\w$]*|;|\S/gi;
/** What makes strings and comments hard to tell from words. */
const HARD_TO_READ = /\\|\$\w*\$|\/\*(?:(?!\*\/)[\s\S])*\/\*/;
const STRINGS_AND_COMMENTS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g;
const ODD_NAME = /"[^"]*[^\w$"][^"]*"/;

/** Names in letters that are not ASCII's, or written in codes. */
const NOT_READ = /[^\t\n\r -~]|\bu&/i;

/** Longer names are cut by Postgres. */
const NAME_LIMIT = 63;
/** Longer bodies are not read. */
const BODY_LIMIT = 100_000;

/** The words and marks of a text as they stand; where it is not certain what is a string, its words count like all others. */
function tokensOf(text: string): string[] {
  if (HARD_TO_READ.test(text)) return text.match(LOOSE_TOKEN) ?? [];
  return text.replace(STRINGS_AND_COMMENTS, (part) => (part.startsWith('"') ? part : ' ')).match(TOKEN) ?? [];
}

/** Every word that may be a name, folded as Postgres does, and as it stands; undefined: not all can be read. */
export function namesIn(text: string): string[] | undefined {
  if (text.length > BODY_LIMIT || NOT_READ.test(text) || (HARD_TO_READ.test(text) && ODD_NAME.test(text))) return undefined;
  const names = new Set<string>();
  const hard = HARD_TO_READ.test(text);
  for (const token of tokensOf(text)) {
    if (/^[a-z_]/i.test(token)) names.add(token.toLowerCase());
    if (hard && /^[a-z_]/i.test(token)) names.add(token);
    if (token.startsWith('"') && token.length > 2) names.add(token.slice(1, -1).replaceAll('""', '"'));
  }
  return [...names].some((name) => name.length > NAME_LIMIT) ? undefined : [...names];
}

/** SET is harmless only as a part of UPDATE. */
function isPartOfUpdate(tokens: readonly string[], at: number): boolean {
  for (let i = at - 1; i >= 0 && at - i <= 8; i--) {
    const token = tokens[i]!;
    if (token === 'update') return true;
    if (NOT_BETWEEN.has(token) || !/^["a-z_.*]/.test(token)) return false;
  }
  return false;
}

function isHarmful(tokens: readonly string[]): boolean {
  return tokens.some((token, at) => {
    if (token === 'set') return !isPartOfUpdate(tokens, at);
    if (token === 'do') return tokens[at + 1] !== 'nothing' && tokens[at + 1] !== 'update';
    const name = token.startsWith('"') ? token.slice(1, -1) : token;
    return HARMFUL.has(name) || name.startsWith('dblink') || name.startsWith('binary_upgrade_') || name.startsWith('pg_temp_');
  });
}

/** Reads a body; `text` may also have the function's arguments and result in front. */
export function readBody(text: string): BodyRead {
  const words = namesIn(text);
  if (words === undefined) return UNREADABLE;
  const tokens = tokensOf(text).map((token) => (token.startsWith('"') ? token : token.toLowerCase()));
  const reads = words.some((word) => READING.has(word));
  if (isHarmful(tokens)) return { ...UNREADABLE, reads, words };
  return { harmful: false, draws: tokens.some((token) => DRAWING.has(token)), reads, words };
}

const UNREADABLE: BodyRead = { harmful: true, draws: true, reads: false, words: [] };
