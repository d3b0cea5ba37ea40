/**
 * Texts and names. `Texts` is the process-wide cache: statement text → Facts, and text with parameter types → the Prepared that all
 * sessions share. `StatementNames` is one session's own names for them, as the client knows them.
 *
 * Texts arrive as latin1 strings (one character for each byte). They are analyzed as UTF-8; a text that is not plain ASCII from a client
 * with an encoding in which a byte of a character can look like a quote or a backslash is not analyzed at all.
 */
import { analyze, type Facts, type ParserName } from '../../routing/index.ts';
import { NAME_PREFIX, type Prepared } from '../server/prepared.ts';
import type { Reported } from '../server/reported.ts';
import { Shape } from '../server/shape.ts';

/** What one text is. */
export interface Text {
  readonly facts: Facts;
  readonly shape: Shape;
  /** It may have literals whose meaning is settled when it is prepared, by parameters of the session ('2020-01-01'::timestamptz). */
  readonly quoted: boolean;
  /** The statement with no declared parameter types and no such literals, the common case. */
  untyped: Prepared | undefined;
  typed: Map<string, Prepared> | undefined;
  /** The generation of definitions in which they were prepared. */
  generation: number;
  /** It stands for all texts that differ from it in numbers only, and only for what does not depend on them. */
  readonly shaped?: boolean;
}

/** How the text of a session must be read. */
export interface Reading {
  /** client_encoding, upper-case. */
  readonly encoding: string;
  readonly standardConformingStrings: boolean;
  /** The parameters by which literals are read, in one string: what was prepared under others means something else. */
  readonly literals: string;
}

/** All of them are reported; money and xml, whose parameters are not, are left aside. */
const LITERALS_BY = ['TimeZone', 'DateStyle', 'IntervalStyle'];

const readings = new WeakMap<Reported, Reading>();

/** How a session reads texts, from what the server reports to it. */
export function readingOf(reported: Reported): Reading {
  let reading = readings.get(reported);
  if (reading === undefined) {
    reading = {
      encoding: (reported.values.get('client_encoding') ?? 'UTF8').toUpperCase(),
      standardConformingStrings: reported.values.get('standard_conforming_strings') !== 'off',
      literals: LITERALS_BY.map((name) => reported.values.get(name) ?? '').join('\n'),
    };
    readings.set(reported, reading);
  }
  return reading;
}

/** Longer texts are analyzed each time: keeping them would cost more than it saves. */
const CACHED_TEXT_LIMIT = 64 * 1024;
/** Encodings in which the second byte of a character may be an ASCII one. */
const UNSAFE_ENCODINGS = new Set(['SJIS', 'SHIFT_JIS_2004', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB']);
// biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII is exactly this range
const ASCII = /^[\x00-\x7f]*$/;

const NOT_READABLE: Facts = Object.freeze({
  understood: false,
  params: 0,
  statements: Object.freeze([
    Object.freeze({
      verb: 'other' as const,
      start: 0,
      end: 0,
      readOnly: false,
      relations: Object.freeze([]),
      functions: Object.freeze([]),
      operators: Object.freeze([]),
      effects: Object.freeze([{ kind: 'opaque' as const }]),
      opaque: "the client's encoding hides the text",
    }),
  ]),
});

/** Facts of a text that was never held whole. */
export const TOO_LARGE: Facts = Object.freeze({
  ...NOT_READABLE,
  statements: Object.freeze([Object.freeze({ ...NOT_READABLE.statements[0]!, opaque: 'the statement is too large to be read' })]),
});

/** A string constant of any form. */
const QUOTED = /'|\$(?!\d)/;

const SHAPED_TEXT_LIMIT = 4096;
const NOT_SHAPED = /['"$\\]|--|\/\*/;
const NUMBER = /\b\d+(?:\.\d+)?\b/g;
const SHAPED_VERBS: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete']);

function isShaped({ verb, effects, opaque }: Facts['statements'][number]): boolean {
  return SHAPED_VERBS.has(verb) && effects.length === 0 && opaque === undefined;
}

let nextName = 1;

/** The cache. Bounded by two generations: what was used since the last turn-over survives it. */
export class Texts {
  #young = new Map<string, Text>();
  #old = new Map<string, Text>();
  readonly #limit: () => number;
  readonly #parser: () => ParserName;
  hits = 0;
  misses = 0;

  constructor(limit: () => number, parser: () => ParserName) {
    this.#limit = limit;
    this.#parser = parser;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /**
   * A definition has changed: who prepares a text from now on gets a statement of its own, analyzed anew, not one whose result or parameter
   * types are of before. Who prepared it before keeps that, with Postgres's error when its result has changed.
   */
  definitionsChanged(): void {
    this.#generation += 1;
  }
  #generation = 0;
  get generation(): number {
    return this.#generation;
  }

  /**
   * The shared statement for a text with these parameter types, for sessions that read literals alike; `body` is what follows the name in its
   * Parse message (copied when new).
   */
  prepared(text: Text, types: readonly number[], body: Buffer, { literals }: Reading): Prepared {
    if (text.generation !== this.#generation) {
      text.generation = this.#generation;
      text.untyped = undefined;
      text.typed = undefined;
    }
    return preparedOf(text, types, body, text.quoted ? literals : '');
  }

  textOf(text: string, reading: Reading): Text {
    const young = reading.standardConformingStrings ? this.#young.get(text) : undefined;
    if (young !== undefined && young.shaped !== true) {
      this.hits += 1;
      return young;
    }
    return this.#older(text, reading);
  }

  /**
   * What a Query is that is not routed by its values: numbers in it are all the same then. Only where numbers can change nothing else
   * either: plain reads and writes, without any effect, in a text with no quotes and no comments.
   */
  shapedTextOf(text: string, reading: Reading): Text {
    if (!reading.standardConformingStrings || text.length > SHAPED_TEXT_LIMIT || NOT_SHAPED.test(text)) return this.textOf(text, reading);
    const shape = text.replace(NUMBER, '0');
    const known = this.#young.get(shape) ?? this.#old.get(shape);
    if (known?.shaped === true) {
      this.hits += 1;
      return known;
    }
    const found = this.textOf(text, reading);
    if (found.facts.understood && found.facts.statements.every(isShaped)) this.#keep(shape, { ...found, shaped: true });
    return found;
  }

  #older(text: string, reading: Reading): Text {
    const cacheable =
      text.length <= CACHED_TEXT_LIMIT && reading.standardConformingStrings && (reading.encoding === 'UTF8' || ASCII.test(text));
    const kept = cacheable ? this.#old.get(text) : undefined;
    const old = kept?.shaped === true ? undefined : kept;
    if (old !== undefined) this.hits += 1;
    else this.misses += 1;
    const found = old ?? this.#newText(text, reading);
    if (cacheable) this.#keep(text, found);
    return found;
  }

  #newText(text: string, reading: Reading): Text {
    const facts = this.#analyze(text, reading);
    return { facts, shape: new Shape(facts), quoted: QUOTED.test(text), untyped: undefined, typed: undefined, generation: this.#generation };
  }

  #keep(text: string, found: Text): void {
    if (this.#young.size * 2 >= this.#limit()) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, found);
  }

  #analyze(text: string, reading: Reading): Facts {
    const options = { standardConformingStrings: reading.standardConformingStrings };
    if (ASCII.test(text)) return analyze(text, this.#parser(), options);
    if (UNSAFE_ENCODINGS.has(reading.encoding)) return NOT_READABLE;
    const decoded = reading.encoding === 'UTF8' ? Buffer.from(text, 'latin1').toString('utf8') : text;
    return analyze(decoded, this.#parser(), options);
  }
}

function preparedOf(text: Text, types: readonly number[], body: Buffer, literals: string): Prepared {
  if (types.length === 0 && literals === '') {
    text.untyped ??= newPrepared(text, types, body);
    return text.untyped;
  }
  text.typed ??= new Map();
  const key = `${types.join()}\n${literals}`;
  let found = text.typed.get(key);
  if (found === undefined) {
    found = newPrepared(text, types, body);
    text.typed.set(key, found);
  }
  return found;
}

function newPrepared({ facts, shape }: Text, types: readonly number[], body: Buffer): Prepared {
  const name = Buffer.from(`${NAME_PREFIX}${nextName}\0`, 'latin1');
  nextName += 1;
  return { name, body: Buffer.from(body), facts, shape, types };
}

/** One session's statement names, its unnamed statement, and which statement each open portal came from. */
export class StatementNames {
  readonly named = new Map<string, Prepared>();
  readonly portals = new Map<string, Prepared | undefined>();
  unnamed: Prepared | undefined;
  /** Names given by SQL's PREPARE, on the server that the session is pinned to. */
  readonly inSql = new Set<string>();

  /** The transaction is over: Postgres has closed every portal. */
  transactionEnded(): void {
    if (this.portals.size > 0) this.portals.clear();
  }

  /** DEALLOCATE ALL, DISCARD ALL: the unnamed statement stays. */
  forgetAll(): void {
    this.named.clear();
    this.inSql.clear();
  }
}
