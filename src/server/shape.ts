/**
 * What is known of statements of one shape besides their Facts: may they share a server connection as far as the text tells, does the catalog
 * of a database agree, and are they quick and small? All that go by one text (or differ in numbers only) have one Shape.
 *
 * Time is what the server needed once it was their turn, so a queue in front of them does not make them slow; it is remembered with more weight
 * on what was lately, so that a shape which has become slow is no longer shared, and one that was slow by chance is again.
 */
import { type Facts, mayBePrepared, type SharingNeeds, sharingDependsOn, type Verb, whyExclusive } from '../../routing/index.ts';

/** Mean and spread up to which nobody minds to wait behind it, in milliseconds. */
const QUICK_MS = 10;
/** Answers up to this size leave the server connection without anyone noticing. */
const SMALL_BYTES = 32 * 1024;
/** Weight of the latest run. */
const WEIGHT = 1 / 16;
/** Runs on a connection of its own before it is shared. */
const RUNS_ALONE = 1;
/** Of so many runs on connections of their own the quickest counts: the others tell how busy the machine was. */
const BEST_OF = 8;
/** Functions that are told of a process, and may be told of a session by what BackendKeyData called it. */
const OF_A_PROCESS: ReadonlySet<string> = new Set(['pg_terminate_backend', 'pg_cancel_backend', 'pg_isolation_test_session_is_blocked']);
/** COMMIT may run triggers, but only those of statements before it. */
const QUIET: ReadonlySet<Verb> = new Set<Verb>([
  ...(['begin', 'commit', 'rollback', 'savepoint', 'release', 'rollback_to'] as const),
  ...(['set', 'reset', 'show', 'listen', 'unlisten', 'deallocate', 'discard'] as const),
]);
/** What the catalog said is believed for so long: others than us may change a definition. */
const BELIEVED_MS = 60_000;

/** What a database's catalog said of it. */
interface Clearance {
  readonly cleared: boolean;
  readonly generation: number;
  readonly untilMs: number;
}

export class Shape {
  /** Why it needs a connection of its own, whatever the catalog says; undefined when it may share. */
  readonly whyExclusive: string | undefined;
  /** An unnamed statement of this shape may be prepared under a name of ours, whatever transaction it runs in. */
  readonly preparable: boolean;
  /** Some statement of it has an effect on the session, or may have. */
  readonly hasEffects: boolean;
  /** It may call pg_terminate_backend(), pg_cancel_backend() or pg_isolation_test_session_is_blocked(). */
  readonly namesProcess: boolean;
  /** What it gives back is decided when it is prepared, by what the session has under a name: EXECUTE, FETCH. */
  readonly isOfSession: boolean;
  /** Statements that run no code of anybody's, and so cannot notify. */
  readonly isQuietTalk: boolean;
  /** It reads pg_prepared_statements. */
  readonly listsPrepared: boolean;
  readonly #facts: Facts;
  readonly #clearances = new Map<string, Clearance | 'asked'>();
  /** To prepare it gave a notice (a name too long): each Parse must, so it is not prepared for all. */
  noticed = false;
  runs = 0;
  #counted = 0;
  #meanMs = 0;
  #variance = 0;
  #meanBytes = 0;
  /** The quickest of the last runs alone, and how many they are. */
  #bestMs = Number.POSITIVE_INFINITY;
  #alone = 0;

  constructor(facts: Facts) {
    this.#facts = facts;
    this.whyExclusive = whyExclusive(facts);
    this.preparable = mayBePrepared(facts);
    this.namesProcess = facts.statements.length === 1 && facts.statements[0]!.functions.some(({ name }) => OF_A_PROCESS.has(name));
    this.isOfSession = facts.statements.some(({ verb }) => verb === 'execute' || verb === 'fetch');
    this.isQuietTalk = facts.understood && facts.statements.every(({ verb }) => QUIET.has(verb));
    this.listsPrepared = facts.statements.some(({ relations }) => relations.some(({ name }) => name === 'pg_prepared_statements'));
    this.hasEffects = !facts.understood || facts.statements.some(({ effects }) => effects.length > 0);
  }

  /** A run on a connection of its own is over: `ms` from its start to its end, with all that ran beside it. */
  ranAlone(ms: number, bytes: number): void {
    if (this.runs === 0) return this.ran(ms, bytes);
    this.runs += 1;
    this.#alone += 1;
    this.#bestMs = Math.min(this.#bestMs, ms);
    if (this.#alone < BEST_OF) return;
    this.#count(this.#bestMs, bytes);
    this.#alone = 0;
    this.#bestMs = Number.POSITIVE_INFINITY;
  }

  /** A run among others is over: `ms` that the server worked on it, `bytes` of its answer. */
  ran(ms: number, bytes: number): void {
    this.runs += 1;
    this.#count(ms, bytes);
  }

  #count(ms: number, bytes: number): void {
    this.#counted += 1;
    const weight = this.#counted < 16 ? 1 / this.#counted : WEIGHT;
    const difference = ms - this.#meanMs;
    this.#meanMs += weight * difference;
    this.#variance = (1 - weight) * (this.#variance + weight * difference * difference);
    this.#meanBytes += weight * (bytes - this.#meanBytes);
  }

  parseNoticed(): void {
    this.noticed = true;
  }

  /** Known to be quick and small. */
  get isQuick(): boolean {
    return (
      this.runs >= RUNS_ALONE && this.#meanMs <= QUICK_MS && this.#variance <= 4 * QUICK_MS * QUICK_MS && this.#meanBytes <= SMALL_BYTES
    );
  }

  /** What must be asked of the catalog. */
  get needs(): SharingNeeds {
    return sharingDependsOn(this.#facts);
  }

  /** Has the catalog of this database agreed, in this generation of definitions? */
  isCleared(database: string, generation: number, nowMs: number): boolean {
    const known = this.#clearances.get(database);
    return known !== undefined && known !== 'asked' && known.cleared && known.generation === generation && known.untilMs > nowMs;
  }

  /** Nobody knows, and nobody asks at this moment. */
  wantsClearance(database: string, generation: number, nowMs: number): boolean {
    if (this.whyExclusive !== undefined) return false;
    const known = this.#clearances.get(database);
    if (known === 'asked') return false;
    return known === undefined || known.generation !== generation || known.untilMs <= nowMs;
  }

  asked(database: string): void {
    this.#clearances.set(database, 'asked');
  }

  /** The answer; undefined when none came. `generation`: the one in which it was asked. */
  learn(database: string, cleared: boolean | undefined, generation: number, nowMs: number): void {
    if (cleared === undefined) this.#clearances.delete(database);
    else this.#clearances.set(database, { cleared, generation, untilMs: nowMs + BELIEVED_MS });
  }
}
