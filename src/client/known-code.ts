/**
 * What is known of the code behind the names of one database: whether using a function, a relation, an operator or a type can change anything
 * in a session. Asked name by name, when one is used for the first time, and followed from body to body: a function is harmless when nothing in
 * its body is harmful and all that the body names is harmless too. What is not known is said; whoever asks must then find out, or audit.
 * In the same way it is known whether it draws from sequences, or reads what was drawn.
 *
 * A definition that changes takes away what was known of all names in its text, and of those that are reached through them.
 */
import { namesIn, readBody } from './function-body.ts';
import { keepsData } from './interpreters.ts';
import { namedSettings, setsInOtherLanguage } from './named-settings.ts';

/** How a name is used. A word of a body may be used in every way; `event` stands for all triggers of DDL, whatever the name. */
export type UseKind = 'function' | 'field' | 'read' | 'write' | 'operator' | 'type' | 'word' | 'event';

export interface Use {
  readonly kind: UseKind;
  readonly name: string;
}

/** `draws`: harmless, but it may draw from sequences. */
export type Verdict = 'quiet' | 'draws' | 'harmful' | 'unknown';

/** Whether it reads currval() or lastval(). */
export type ReadsSequences = 'never' | 'perhaps' | 'surely';

/** A kind of object, in which names are looked for. */
export type Kind = 'function' | 'relation' | 'type' | 'operator';

/** Names of each kind. */
export type Names = Readonly<Record<Kind, ReadonlySet<string>>>;

export interface Judgement {
  readonly verdict: Verdict;
  /** `never` and `surely` where the code is known; `surely` may be a branch that is never taken. */
  readonly reads: ReadsSequences;
  /** It is harmful, and may set parameters of which nobody knows the names, or leave what nobody can find. */
  readonly madeUp: boolean;
  /** Names that must be asked for where it is `unknown`. */
  readonly wanted: Names;
}

/** What runs when a name is used in one way. */
interface Code {
  readonly harmful: boolean;
  readonly madeUp: boolean;
  readonly draws: boolean;
  readonly reads: boolean;
  readonly uses: readonly Use[];
}

/** What is known of a name as one kind of object: what runs when it is used, and when it is written. Undefined: there is none. */
interface Known {
  readonly used: Code | undefined;
  readonly written: Code | undefined;
}

type Row = readonly (string | null)[];

/** What a database answered: to the quick question about these names, and to the deep one about some of them. */
export interface Answers {
  readonly names: Names;
  readonly quick: readonly Row[];
  readonly deep: readonly Row[];
  /** `changes` of when it was asked. */
  readonly changes: number;
}

const NOTHING: Code = { harmful: false, madeUp: false, draws: false, reads: false, uses: [] };
const HARMFUL: Code = { harmful: true, madeUp: false, draws: true, reads: false, uses: [] };
const DRAWING: Code = { ...NOTHING, draws: true };
const READING: Code = { ...NOTHING, reads: true };
const NO_NAMES: Names = { function: new Set(), relation: new Set(), type: new Set(), operator: new Set() };
const settled = (verdict: Verdict, madeUp = false): Readonly<Record<ReadsSequences, Judgement>> => ({
  never: { verdict, madeUp, reads: 'never', wanted: NO_NAMES },
  perhaps: { verdict, madeUp, reads: 'perhaps', wanted: NO_NAMES },
  surely: { verdict, madeUp, reads: 'surely', wanted: NO_NAMES },
});
const QUIET = settled('quiet');
const DRAWS = settled('draws');
const HARM = settled('harmful');
const HARM_BY_ANY_NAME = settled('harmful', true);
const KINDS = ['function', 'relation', 'type', 'operator'] as const satisfies readonly Kind[];
/** As what a name is looked for that is used so. */
const KINDS_OF: Readonly<Record<UseKind, readonly Kind[]>> = {
  function: ['function'],
  field: ['function'],
  read: ['relation'],
  write: ['relation'],
  operator: ['operator'],
  type: ['type'],
  word: ['function', 'type', 'relation'],
  event: [],
};

/** All of several sets of names. */
export function allNames(of: readonly Names[]): Names {
  const union = (kind: Kind) => new Set(of.flatMap((names) => [...names[kind]]));
  return { function: union('function'), relation: union('relation'), type: union('type'), operator: union('operator') };
}

export function countNames(names: Names): number {
  return KINDS.reduce((sum, kind) => sum + names[kind].size, 0);
}

/** Built-in functions that are volatile, and yet leave nothing in a session. */
const HARMLESS_VOLATILE: ReadonlySet<string> = new Set(
  `random random_normal clock_timestamp timeofday gen_random_uuid uuidv4 uuidv7 pg_sleep pg_sleep_for pg_sleep_until pg_notify
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
  pg_current_xact_id txid_current pg_cancel_backend pg_terminate_backend pg_database_size pg_relation_size pg_total_relation_size pg_table_size
  pg_indexes_size pg_is_in_recovery tsvector_update_trigger tsvector_update_trigger_column suppress_redundant_updates_trigger
  lo_create lo_creat lo_from_bytea lo_get lo_put lo_unlink lo_import lo_export`.split(/\s+/),
);
/** What is known of the built-in functions that use sequences. */
const OF_SEQUENCES: ReadonlyMap<string, Code> = new Map([
  ['nextval', DRAWING],
  ['setval', DRAWING],
  ['currval', READING],
  ['lastval', READING],
]);

/** Names that are kept; past that all are asked for again. */
const KEPT_LIMIT = 50_000;
/** Names that one use may lead to. */
const REACH_LIMIT = 4000;
/** What DDL with these words changes is not told by the names in its text. */
const FAR_REACHING =
  /\b(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:trusted\s+|procedural\s+|default\s+)*(?:extension|language|cast|operator|event|transform|conversion|access)\b|\bimport\s+foreign\b/i;
/** A comment may stand between any two words. */
const HAS_COMMENT = /--|\/\*/;
const DROPS = /^\s*drop\s[^;]*;?\s*$/i;
const IN_LANGUAGES: ReadonlySet<string> = new Set(['sql', 'plpgsql']);

export class KnownCode {
  readonly #known: Readonly<Record<Kind, Map<string, Known>>> = {
    function: new Map(),
    relation: new Map(),
    type: new Map(),
    operator: new Map(),
  };
  /** Name → names whose code reaches it. */
  readonly #through = new Map<string, Set<string>>();
  readonly #judged = new Map<UseKind, Map<string, Judgement>>();
  /** Functions that run wherever they fit. */
  #casts: readonly Use[] | undefined;
  #events: readonly Use[] = [];
  /** Counts the changes of definitions. */
  changes = 0;

  /** Casts and triggers of DDL have been asked for. */
  get knowsAnywhere(): boolean {
    return this.#casts !== undefined;
  }

  /** What using all of these does. */
  judge(uses: readonly Use[]): Judgement {
    let [draws, harmful, madeUp] = [false, false, false];
    let reads: ReadsSequences = 'never';
    let wanted: Names[] | undefined;
    for (const use of uses) {
      const one = this.#judge(use);
      if (one.reads === 'surely' || reads === 'never') reads = one.reads;
      madeUp ||= one.madeUp;
      if (one.verdict === 'harmful') harmful = true;
      else if (one.verdict === 'draws') draws = true;
      else if (one.verdict === 'unknown') wanted = [...(wanted ?? []), one.wanted];
    }
    if (madeUp) return HARM_BY_ANY_NAME[reads];
    if (wanted !== undefined) return { verdict: 'unknown', madeUp: false, reads, wanted: allNames(wanted) };
    if (harmful) return HARM[reads];
    return (draws ? DRAWS : QUIET)[reads];
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
    const wanted = { function: new Set<string>(), relation: new Set<string>(), type: new Set<string>(), operator: new Set<string>() };
    const seen = new Set<string>();
    const open: Use[] = [first, ...(this.#casts ?? [])];
    let [draws, reads, harmful, unknown] = [false, false, false, this.#casts === undefined];
    const readsThen = (): ReadsSequences => (reads ? 'surely' : 'perhaps');
    for (let use = open.pop(); use !== undefined; use = open.pop()) {
      const key = `${use.kind} ${use.name}`;
      if (seen.has(key)) continue;
      if (seen.add(key).size > REACH_LIMIT || !isName(use)) return HARM_BY_ANY_NAME[readsThen()];
      if (use.kind === 'event') open.push(...this.#events);
      for (const kind of KINDS_OF[use.kind]) {
        const known = this.#known[kind].get(use.name);
        if (known === undefined) {
          wanted[kind].add(use.name);
          unknown = true;
          continue;
        }
        const code = codeOf(use.kind, kind, known);
        reads ||= code.reads;
        if (code.madeUp) return HARM_BY_ANY_NAME[readsThen()];
        harmful ||= code.harmful;
        draws ||= code.draws;
        open.push(...code.uses);
      }
    }
    if (unknown) return { verdict: 'unknown', madeUp: false, reads: readsThen(), wanted };
    if (harmful) return HARM[readsThen()];
    return (draws ? DRAWS : QUIET)[reads ? 'surely' : 'never'];
  }

  /** Takes in what a database has answered, unless a definition has changed since it was asked. */
  learn({ names, quick, deep, changes }: Answers): void {
    if (changes !== this.changes) return;
    if (KINDS.some((kind) => this.#known[kind].size > KEPT_LIMIT)) return this.forget();
    this.#judged.clear();
    if (!this.knowsAnywhere) {
      this.#casts = quick.filter(([what]) => what === 'cast').map(([, name]) => ({ kind: 'function', name: name! }));
      this.#events = quick.filter(([what]) => what === 'event').map(([, name]) => ({ kind: 'function', name: name! }));
    }
    const found: Record<Kind, Map<string, Finding>> = { function: new Map(), relation: new Map(), type: new Map(), operator: new Map() };
    for (const kind of KINDS) for (const name of names[kind]) found[kind].set(name, new Finding());
    for (const row of quick) found[row[0] === 'volatile' ? 'function' : (row[0] as Kind)]?.get(row[1] ?? '')?.quick(row);
    // A rule of its own: UPDATE of it is SET.
    found.relation.get('pg_settings')?.deep(['harm', 'pg_settings', 'w', '']);
    for (const row of deep) {
      found[row[2] === 't' ? 'type' : 'relation'].get(row[1] ?? '')?.deep(row);
      if (row[0] === 'through') this.#reached(row[3]!, row[1]!);
    }
    for (const kind of KINDS) for (const [name, finding] of found[kind]) this.#known[kind].set(name, finding);
  }

  #reached(through: string, name: string): void {
    const names = this.#through.get(through) ?? new Set();
    this.#through.set(through, names.add(name));
  }

  /** A definition has changed by this text; undefined: by who knows what. */
  changed(text: string | undefined): void {
    if (text !== undefined && DROPS.test(text) && !FAR_REACHING.test(text)) return;
    const names = text === undefined || HAS_COMMENT.test(text) || FAR_REACHING.test(text) ? undefined : namesIn(text);
    if (names === undefined) return this.forget();
    this.changes += 1;
    this.#judged.clear();
    for (const name of names) {
      this.#delete(name);
      for (const reached of this.#through.get(name) ?? []) this.#delete(reached);
    }
  }

  #delete(name: string): void {
    for (const kind of KINDS) this.#known[kind].delete(name);
  }

  /** Everything is unknown again; answers to what was asked before count no more. */
  forget(): void {
    this.changes += 1;
    for (const kind of KINDS) this.#known[kind].clear();
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

function codeOf(use: UseKind, kind: Kind, { used, written }: Known): Code {
  if (use === 'write') return written ?? NOTHING;
  if (use === 'word' && kind === 'relation') return worse(used, written ?? NOTHING);
  // Nobody knows what it is: of a later Postgres, perhaps.
  return used ?? (use === 'function' || use === 'type' ? HARMFUL : NOTHING);
}

/** Puts together what the rows say of one name; of several objects of that name, the worst. */
class Finding implements Known {
  used: Code | undefined;
  written: Code | undefined;

  /** The fourth of a relation's row: whether columns of it draw from sequences on their own. */
  quick([what, name, detail, trusted, body]: Row): void {
    if (what === 'function') this.used = worse(this.used, functionCode(detail ?? '', trusted === 't', body ?? ''));
    else if (what === 'volatile') this.used = worse(this.used, volatileCode(name!));
    else if (what === 'operator') this.used = worse(this.used, running(detail!));
    else this.used ??= NOTHING;
    if (what === 'relation' && trusted === 't') this.written = worse(this.written, DRAWING);
  }

  deep([what, , how, name]: Row): void {
    if (what === 'through') return;
    const code = what === 'harm' ? HARMFUL : running(name!);
    if (how === 'w') this.written = worse(this.written, code);
    else this.used = worse(this.used, code);
  }
}

const running = (name: string): Code => ({ ...NOTHING, uses: [{ kind: 'function', name }] });

function worse(one: Code | undefined, other: Code): Code {
  if (one === undefined) return other;
  const { harmful, madeUp, draws, reads, uses } = other;
  return {
    harmful: one.harmful || harmful,
    madeUp: one.madeUp || madeUp,
    draws: one.draws || draws,
    reads: one.reads || reads,
    uses: [...one.uses, ...uses],
  };
}

function volatileCode(name: string): Code {
  return OF_SEQUENCES.get(name) ?? (HARMLESS_VOLATILE.has(name) ? NOTHING : HARMFUL);
}

function functionCode(language: string, trusted: boolean, body: string): Code {
  if (language === 'c') return trusted ? NOTHING : HARMFUL;
  if (language === 'internal') return trusted ? NOTHING : { ...HARMFUL, madeUp: body.includes('set_config') };
  if (!IN_LANGUAGES.has(language)) return { ...HARMFUL, madeUp: setsInOtherLanguage(body) || keepsData(language, body) };
  const { harmful, draws, reads, words } = readBody(body);
  return { harmful, madeUp: harmful && namedSettings(body).madeUp, draws, reads, uses: words.map((name) => ({ kind: 'word', name })) };
}
