/**
 * Texts and names. `Texts` is the process-wide cache: statement text → Facts, and text with parameter types → the Prepared that all
 * sessions share. `StatementNames` is one session's own names for them, as the client knows them.
 *
 * Texts arrive as latin1 strings (one character for each byte). Short ones are read here and now (`read-text.ts`), long ones by the reader
 * before they get here (`long-text.ts`).
 */

import type { Facts, ParserName } from '../../routing/index.ts';
import { LazyMap } from '../lazy.ts';
import { NAME_PREFIX, type Prepared } from '../server/prepared.ts';
import type { Reported } from '../server/reported.ts';
import type { Label } from '../server/settings.ts';
import { Shape } from '../server/shape.ts';
import { latin1 } from '../wire/read.ts';
import { KnownResults } from './known-results.ts';
import { isAscii, readText, type TextReading } from './read-text.ts';
import { Reader } from './reader.ts';
import type { TrackedStatement } from './sql-prepared.ts';

/** What one text is. */
export interface Text {
  readonly facts: Facts;
  readonly shape: Shape;
  /** It may have literals whose meaning is settled when it is prepared, by parameters of the session ('2020-01-01'::timestamptz). */
  readonly quoted: boolean;
  /** The statement with no declared parameter types and no such literals, the common case. */
  untyped: Prepared | undefined;
  typed: Map<string, Prepared> | undefined;
  /** The generation of definitions in which they were prepared, and when. */
  generation: number;
  preparedAtMs: number;
  /** It stands for all texts that differ from it in numbers only, and only for what does not depend on them. */
  readonly shaped?: boolean;
}

/** How the text of a session must be read. */
export interface Reading extends TextReading {
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
/** A string constant of any form. */
const QUOTED = /'|\$(?!\d)/;

function isCacheable(text: string, { standardConformingStrings, encoding }: Reading): boolean {
  return text.length <= CACHED_TEXT_LIMIT && standardConformingStrings && (encoding === 'UTF8' || isAscii(text));
}

const SHAPED_TEXT_LIMIT = 4096;
const NOT_SHAPED = /['"$\\]|--|\/\*/;
const NUMBER = /\b\d+(?:\.\d+)?\b/g;
const SHAPED_VERBS: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete']);

function isShaped({ verb, effects, opaque }: Facts['statements'][number]): boolean {
  return SHAPED_VERBS.has(verb) && effects.length === 0 && opaque === undefined;
}

/** Requests with more bytes lie in a buffer that nobody writes to again. */
export const LARGE = 256 * 1024;

/** Bytes of a request, to be kept. */
export function keepable(bytes: Buffer): Buffer {
  return bytes.length > LARGE ? bytes : Buffer.from(bytes);
}

let nextName = 1;
/** After so long a text is prepared anew: a definition may have been changed by others than us, and with it the types of parameters. */
const PREPARED_MS = 60_000;

/** The cache. Bounded by two generations: what was used since the last turn-over survives it. */
export class Texts {
  #young = new Map<string, Text>();
  #old = new Map<string, Text>();
  readonly #limit: () => number;
  readonly #parser: () => ParserName;
  readonly #nowMs: () => number;
  /** Reads texts that are too long for the event loop. */
  readonly reader: Reader;
  /** Databases whose catalog is being asked about a text. */
  readonly asking = new Set<string>();
  hits = 0;
  misses = 0;

  constructor(limit: () => number, parser: () => ParserName, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#limit = limit;
    this.#parser = parser;
    this.reader = new Reader(parser);
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
   * The shared statement for a text with these parameter types, for sessions that read literals alike and find names along the same path; `body` is
   * what follows the name in its Parse message (copied when new).
   */
  prepared(text: Text, types: readonly number[], body: Buffer, { literals }: Reading, path: string): Prepared {
    const now = this.#nowMs();
    if (text.generation !== this.#generation || now - text.preparedAtMs > PREPARED_MS) {
      text.generation = this.#generation;
      text.preparedAtMs = now;
      text.untyped = undefined;
      text.typed = undefined;
    }
    return preparedOf(text, types, body, `${path}${text.quoted ? literals : ''}`);
  }

  /**
   * What stands in for a statement whose result has changed: what is prepared for its text now or, when that is what failed, a new one, after
   * `changed` was told that there are new definitions.
   */
  renewed(old: Prepared, reading: Reading, path: string, changed: () => void): Prepared {
    const text = latin1(old.body, 0, old.body.indexOf(0));
    const found = isCacheable(text, reading) ? (this.#young.get(text) ?? this.#old.get(text)) : undefined;
    const present = found === undefined || found.shaped === true ? undefined : found;
    const now = present === undefined ? old : this.prepared(present, old.types, old.body, reading, path);
    if (now !== old) return now;
    changed();
    return present === undefined ? newPrepared(old, old.types, old.body) : this.prepared(present, old.types, old.body, reading, path);
  }

  /** The same for a session in which names may mean something else than for others: a statement that it has for itself. */
  apart(text: Pick<Text, 'facts' | 'shape'>, types: readonly number[], body: Buffer): Prepared {
    return newPrepared(text, types, body);
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

  /** Length up to which texts are kept. */
  get cachedLimit(): number {
    return CACHED_TEXT_LIMIT;
  }

  /** Whether the text at [start, end) is kept. */
  knows(bytes: Buffer, start: number, end: number, reading: Reading): boolean {
    if (end - start > CACHED_TEXT_LIMIT) return false;
    const text = latin1(bytes, start, end);
    const kept = isCacheable(text, reading) ? (this.#young.get(text) ?? this.#old.get(text)) : undefined;
    return kept !== undefined && kept.shaped !== true;
  }

  /** What a text is that the reader has read; `text` undefined: too long to be kept. */
  learn(text: string | undefined, reading: Reading, facts: Facts): Text {
    const found = this.#newText(text, facts);
    this.misses += 1;
    if (text !== undefined && isCacheable(text, reading)) this.#keep(text, found);
    return found;
  }

  #older(text: string, reading: Reading): Text {
    const cacheable = isCacheable(text, reading);
    const kept = cacheable ? this.#old.get(text) : undefined;
    const old = kept?.shaped === true ? undefined : kept;
    if (old !== undefined) this.hits += 1;
    else this.misses += 1;
    const found = old ?? this.#newText(text, readText(text, reading, this.#parser()));
    if (cacheable) this.#keep(text, found);
    return found;
  }

  #newText(text: string | undefined, facts: Facts): Text {
    const quoted = text === undefined || QUOTED.test(text);
    return { facts, shape: new Shape(facts), quoted, untyped: undefined, typed: undefined, generation: this.#generation, preparedAtMs: 0 };
  }

  #keep(text: string, found: Text): void {
    if (this.#young.size * 2 >= this.#limit()) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, found);
  }
}

function preparedOf(text: Text, types: readonly number[], body: Buffer, meaning: string): Prepared {
  if (types.length === 0 && meaning === '') {
    text.untyped ??= newPrepared(text, types, body);
    return text.untyped;
  }
  text.typed ??= new Map();
  const key = `${types.join()}\n${meaning}`;
  let found = text.typed.get(key);
  if (found === undefined) {
    found = newPrepared(text, types, body);
    text.typed.set(key, found);
  }
  return found;
}

function newPrepared({ facts, shape }: Pick<Text, 'facts' | 'shape'>, types: readonly number[], body: Buffer): Prepared {
  const name = Buffer.from(`${NAME_PREFIX}${nextName}\0`, 'latin1');
  nextName += 1;
  return { name, body: keepable(body), facts, shape, types, uses: 0 };
}

/** What a session's settings say of the names in its statements. */
interface NamingSettings {
  readonly pathTouched: boolean;
  readonly label: Label;
}

/** One session's statement names, its unnamed statement, and which statement each open portal came from. */
export class StatementNames {
  readonly named = new LazyMap<string, Prepared>();
  readonly results = new KnownResults();
  readonly portals = new LazyMap<string, Prepared | undefined>();
  unnamed: Prepared | undefined;
  #settings: NamingSettings | undefined;
  #hasOwn: () => boolean = () => false;

  /** The session's settings, and whether it has tables and the like of its own. */
  follow(settings: NamingSettings, hasOwn: () => boolean): void {
    this.#settings = settings;
    this.#hasOwn = hasOwn;
  }

  /** Names of tables may mean something else here than for others: what is prepared now is not shared. */
  apart(): boolean {
    return this.#settings?.pathTouched === true || this.#hasOwn();
  }

  /** Where names are looked for, as the session has set it; empty: as for every new session. */
  path(): string {
    return this.#settings?.label.values.get('search_path') ?? '';
  }

  /**
   * Names that are on servers as the client gave them: by SQL's PREPARE, of statements that follow the session and of those on the server that it is
   * pinned to, and of statements of the protocol there, with what they are.
   */
  readonly inSql = new LazyMap<string, Prepared | undefined>();
  /** Those that follow the session. */
  readonly sql = new LazyMap<string, TrackedStatement>();

  /** A name of the protocol becomes one that is on the server as it is; what undoes that. */
  keep(name: string): () => void {
    const prepared = this.named.get(name);
    this.inSql.set(name, prepared ?? this.inSql.get(name));
    this.named.delete(name);
    return () => {
      if (prepared === undefined) return;
      this.inSql.delete(name);
      this.named.set(name, prepared);
    };
  }

  /** The transaction is over: Postgres has closed every portal. */
  transactionEnded(): void {
    if (this.portals.size > 0) this.portals.clear();
  }

  /** DEALLOCATE ALL, DISCARD ALL: the unnamed statement stays. */
  forgetAll(): void {
    this.named.clear();
    this.inSql.clear();
    this.sql.clear();
  }
}
