/**
 * What is known of the code behind the names of one database: whether using a function, a relation, an operator or a type can change anything
 * in a session. Asked name by name, when one is used for the first time, and followed from body to body: a function is harmless when nothing in
 * its body is harmful and all that the body names is harmless too. What is not known is said; whoever asks must then find out, or audit.
 *
 * A definition that changes takes away what was known of all names in its text, and of those that are reached through them.
 */
import { namesIn, readBody } from './function-body.ts';

/** How a name is used. A word of a body may be used in every way; `event` stands for all triggers of DDL, whatever the name. */
export type UseKind = 'function' | 'read' | 'write' | 'operator' | 'type' | 'word' | 'event';

export interface Use {
  readonly kind: UseKind;
  readonly name: string;
}

/** `draws`: harmless, but it may draw from sequences. */
export type Verdict = 'quiet' | 'draws' | 'harmful' | 'unknown';

export interface Judgement {
  readonly verdict: Verdict;
  /** Names that must be asked for where it is `unknown`. */
  readonly wanted: readonly string[];
}

/** What runs when a name is used in one way. */
interface Code {
  readonly harmful: boolean;
  readonly draws: boolean;
  readonly uses: readonly Use[];
}

interface Known {
  readonly function: Code | undefined;
  readonly type: Code | undefined;
  readonly read: Code;
  readonly write: Code;
  readonly operator: Code;
}

type Row = readonly (string | null)[];

/** What a database answered: to the quick question about these names, and to the deep one about some of them. */
export interface Answers {
  readonly names: readonly string[];
  readonly quick: readonly Row[];
  readonly deep: readonly Row[];
  /** `changes` of when it was asked. */
  readonly changes: number;
}

const NOTHING: Code = { harmful: false, draws: false, uses: [] };
const HARMFUL: Code = { harmful: true, draws: true, uses: [] };
const QUIET: Judgement = { verdict: 'quiet', wanted: [] };
const HARM: Judgement = { verdict: 'harmful', wanted: [] };

/** Built-in functions that are volatile, and yet leave nothing in a session. */
const HARMLESS_VOLATILE: ReadonlySet<string> = new Set(
  `random random_normal clock_timestamp timeofday gen_random_uuid uuidv4 uuidv7 pg_sleep pg_sleep_for pg_sleep_until pg_notify nextval setval
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
  pg_current_xact_id txid_current pg_cancel_backend pg_terminate_backend pg_database_size pg_relation_size pg_total_relation_size pg_table_size
  pg_indexes_size pg_is_in_recovery tsvector_update_trigger tsvector_update_trigger_column suppress_redundant_updates_trigger
  lo_create lo_creat lo_from_bytea lo_get lo_put lo_unlink lo_import lo_export`.split(/\s+/),
);

/** Names that are kept; past that all are asked for again. */
const KEPT_LIMIT = 50_000;
/** Names that one use may lead to. */
const REACH_LIMIT = 4000;
/** What DDL with these words changes is not told by the names in its text. */
const FAR_REACHING =
  /\b(?:create|alter)\s+(?:or\s+replace\s+)?(?:trusted\s+|procedural\s+|default\s+)*(?:extension|language|cast|operator|event|transform|conversion|access)\b|\bimport\s+foreign\b/i;
/** A comment may stand between any two words. */
const HAS_COMMENT = /--|\/\*/;
const DROPS = /^\s*drop\s[^;]*;?\s*$/i;
const IN_LANGUAGES: ReadonlySet<string> = new Set(['sql', 'plpgsql']);

export class KnownCode {
  readonly #names = new Map<string, Known>();
  /** Name → names whose code reaches it. */
  readonly #through = new Map<string, Set<string>>();
  readonly #judged = new Map<UseKind, Map<string, Judgement>>();
  /** Functions that run wherever they fit. */
  #casts: readonly Use[] | undefined;
  #events: readonly Use[] = [];
  /** Counts the changes of definitions. */
  changes = 0;

  /** What using all of these does. */
  judge(uses: readonly Use[]): Judgement {
    let draws = false;
    let wanted: string[] | undefined;
    for (const use of uses) {
      const one = this.#judge(use);
      if (one.verdict === 'harmful') return HARM;
      if (one.verdict === 'draws') draws = true;
      if (one.verdict === 'unknown') wanted = [...(wanted ?? []), ...one.wanted];
    }
    if (wanted !== undefined) return { verdict: 'unknown', wanted: [...new Set(wanted)] };
    return draws ? { verdict: 'draws', wanted: [] } : QUIET;
  }

  #judge(use: Use): Judgement {
    let judged = this.#judged.get(use.kind);
    if (judged === undefined) {
      judged = new Map();
      this.#judged.set(use.kind, judged);
    }
    let judgement = judged.get(use.name);
    if (judgement === undefined) {
      judgement = this.#follow(use);
      judged.set(use.name, judgement);
    }
    return judgement;
  }

  #follow(first: Use): Judgement {
    if (this.#casts === undefined) return { verdict: 'unknown', wanted: isName(first) ? [first.name] : [] };
    const wanted = new Set<string>();
    const seen = new Set<string>();
    const open: Use[] = [first, ...this.#casts];
    let draws = false;
    for (let use = open.pop(); use !== undefined; use = open.pop()) {
      const key = `${use.kind} ${use.name}`;
      if (seen.has(key)) continue;
      if (seen.add(key).size > REACH_LIMIT || !isName(use)) return HARM;
      const known = this.#names.get(use.name);
      if (known === undefined && use.kind !== 'event') {
        wanted.add(use.name);
        continue;
      }
      for (const code of this.#codeOf(use.kind, known)) {
        if (code.harmful) return HARM;
        draws ||= code.draws;
        open.push(...code.uses);
      }
    }
    if (wanted.size > 0) return { verdict: 'unknown', wanted: [...wanted] };
    return { verdict: draws ? 'draws' : 'quiet', wanted: [] };
  }

  #codeOf(kind: UseKind, known: Known | undefined): readonly Code[] {
    if (known === undefined) return [{ ...NOTHING, uses: this.#events }];
    switch (kind) {
      case 'word':
        return [known.function ?? NOTHING, known.type ?? NOTHING, known.read, known.write];
      case 'function':
      case 'type':
        // Nobody knows what it is: of a later Postgres, perhaps.
        return [known[kind] ?? HARMFUL];
      case 'event':
        return [{ ...NOTHING, uses: this.#events }];
      default:
        return [known[kind]];
    }
  }

  /** Takes in what a database has answered, unless a definition has changed since it was asked. */
  learn({ names, quick, deep, changes }: Answers): void {
    if (changes !== this.changes) return;
    if (this.#names.size + names.length > KEPT_LIMIT) this.forget();
    this.#judged.clear();
    const found = new Map(names.map((name) => [name, new Finding()]));
    this.#casts = quick.filter(([what]) => what === 'cast').map(([, name]) => ({ kind: 'function', name: name! }));
    this.#events = quick.filter(([what]) => what === 'event').map(([, name]) => ({ kind: 'function', name: name! }));
    for (const row of quick) found.get(row[1] ?? '')?.quick(row);
    for (const row of deep) {
      found.get(row[1] ?? '')?.deep(row);
      if (row[0] === 'through') this.#reached(row[3]!, row[1]!);
    }
    for (const [name, finding] of found) this.#names.set(name, finding.known());
  }

  #reached(through: string, name: string): void {
    const names = this.#through.get(through) ?? new Set();
    this.#through.set(through, names.add(name));
  }

  /** A definition has changed by this text; undefined: by who knows what. */
  changed(text: string | undefined): void {
    if (text !== undefined && DROPS.test(text)) return;
    this.changes += 1;
    this.#judged.clear();
    const names = text === undefined || HAS_COMMENT.test(text) || FAR_REACHING.test(text) ? undefined : namesIn(text);
    if (names === undefined) return this.forget();
    for (const name of names) {
      this.#names.delete(name);
      for (const reached of this.#through.get(name) ?? []) this.#names.delete(reached);
    }
  }

  forget(): void {
    this.#names.clear();
    this.#through.clear();
    this.#judged.clear();
    this.#casts = undefined;
  }
}

/** Other names are never asked for: their bytes depend on the client's encoding, or they are cut. */
function isName({ kind, name }: Use): boolean {
  return kind === 'event' || /^[\x20-\x7e]{1,63}$/.test(name);
}

/** Names for which the quick answer says that the deep question must be asked. */
export function deepNames(quick: readonly Row[]): string[] {
  return [...new Set(quick.filter(([what, , deep]) => (what === 'relation' || what === 'type') && deep === 't').map(([, name]) => name!))];
}

/** Puts together what the rows say of one name; of several objects of that name, the worst. */
class Finding {
  #function: Code | undefined;
  #type: Code | undefined;
  #read = NOTHING;
  #write = NOTHING;
  #operator = NOTHING;

  quick([what, name, detail, trusted, body]: Row): void {
    if (what === 'function') this.#function = worse(this.#function, functionCode(detail ?? '', trusted === 't', body ?? ''));
    else if (what === 'volatile') this.#function = worse(this.#function, HARMLESS_VOLATILE.has(name!) ? NOTHING : HARMFUL);
    else if (what === 'type') this.#type ??= NOTHING;
    else if (what === 'operator') this.#operator = worse(this.#operator, running(detail!));
  }

  deep([what, , how, name]: Row): void {
    if (what === 'through') return;
    const code = what === 'harm' ? HARMFUL : running(name!);
    if (how === 'r') this.#read = worse(this.#read, code);
    else if (how === 'w') this.#write = worse(this.#write, code);
    else this.#type = worse(this.#type, code);
  }

  known(): Known {
    return { function: this.#function, type: this.#type, read: this.#read, write: this.#write, operator: this.#operator };
  }
}

const running = (name: string): Code => ({ ...NOTHING, uses: [{ kind: 'function', name }] });

function worse(one: Code | undefined, other: Code): Code {
  if (one === undefined) return other;
  return { harmful: one.harmful || other.harmful, draws: one.draws || other.draws, uses: [...one.uses, ...other.uses] };
}

function functionCode(language: string, trusted: boolean, body: string): Code {
  if (language === 'c' || language === 'internal') return trusted ? NOTHING : HARMFUL;
  if (!IN_LANGUAGES.has(language)) return HARMFUL;
  const { harmful, draws, words } = readBody(body);
  return { harmful, draws, uses: words.map((name) => ({ kind: 'word', name })) };
}
