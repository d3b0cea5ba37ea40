/**
 * A request: the frames of one exchange that are not sent yet, copied out of the read buffer, with what was decoded of them. It is
 * complete with a Query, a Sync or a FunctionCall; Flush, a large frame or a full buffer send what is there so far and the exchange stays
 * open. Decides nothing.
 */
import type { BoundValue, Facts, Operands, Verb } from '../../routing/index.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Shape } from '../server/shape.ts';
import * as code from '../wire/codes.ts';
import { copyBytes } from '../wire/copy.ts';
import { bindNames, boundParameters, executeBody, latin1, namedTarget, parseBody, queryText } from '../wire/read.ts';
import { Given } from './given.ts';
import { keepable, LARGE, type Reading, type StatementNames, type Text, type Texts } from './statements.ts';

const NOTHING_MORE: Partial<Item> = {};

/** One frame of the request, at [start, end) of its bytes. All have the same fields, so that code which reads them stays quick. */
export class Item {
  readonly type: number;
  readonly start: number;
  readonly end: number;
  /** Statement or portal name as the client said it; for Bind the statement's. */
  readonly name: string | undefined;
  /** For Bind and Execute. */
  readonly portal: string | undefined;
  /** Where the part begins that does not change when a name does: after the name(s). */
  readonly rest: number | undefined;
  /** Parse, and Bind/Describe/Close of a known statement: which one. */
  readonly prepared: Prepared | undefined;
  /** Describe and Close: `S` or `P`. */
  readonly target: number | undefined;
  /** Execute with a row limit. */
  readonly limited: boolean;

  constructor(
    type: number,
    start: number,
    end: number,
    { name, portal, rest, prepared, target, limited = false }: Partial<Item> = NOTHING_MORE,
  ) {
    this.type = type;
    this.start = start;
    this.end = end;
    this.name = name;
    this.portal = portal;
    this.rest = rest;
    this.prepared = prepared;
    this.target = target;
    this.limited = limited;
  }
}

/** How the texts of a session are read. */
export interface TextReader {
  readonly output: { readonly reading: Reading };
  /** Its statements are routed by the values in them. */
  readonly isSharded: boolean;
}

/** Frames that were sent together. */
export interface Part {
  readonly items: readonly Item[];
  readonly bytes: Buffer;
  readonly length: number;
}

/** What routing is asked about: a statement's Facts with the values bound to it, if any were. */
export interface Asked {
  readonly facts: Facts;
  readonly operands?: Operands;
}

/** Bytes gathered before an exchange is sent although it is not complete. */
export const GATHER_LIMIT = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);
const NO_ITEMS: readonly Item[] = [];

/** Takes everything out of an array that will be filled again: setting its length costs more, and takes its memory away. */
function empty(array: unknown[]): void {
  while (array.length > 0) array.pop();
}

const SMALL = 1024;
/** Buffers of this size that no request uses at the moment: a client that says nothing needs none. */
const spare: Buffer[] = [];
const SPARE_LIMIT = 4096;

/** What was sent or prepared from large buffers is a view: they are used once. Small ones go from request to request. */
function release(bytes: Buffer): void {
  if (bytes.length === SMALL && spare.length < SPARE_LIMIT) spare.push(bytes);
}

const changesDefinition = ({ effects }: Facts['statements'][number]): boolean => effects.some(({ kind }) => kind === 'ddl');

export class Request {
  bytes: Buffer = NO_BYTES;
  length = 0;
  items: Item[] = [];
  /** What was sent first, where it names statements and is not large, as long as the exchange is under way; and whether there was more. */
  #sentItems: readonly Item[] = NO_ITEMS;
  #sentBytes: Buffer = NO_BYTES;
  #sentLength = 0;
  #sentMore = false;
  readonly #texts: Texts;
  readonly #names: StatementNames;
  /** Statement names given in this request: known to it before the server has confirmed them. */
  readonly #parsed = new Given();
  /** Portals bound in this request, over those that the session has open. */
  readonly #bound = new Given();
  /** Something that is executed in it changes definitions: what is parsed after that is analyzed after that. */
  #defines = false;
  /** The first statement: its text, or what was prepared. */
  about: string | Pick<Prepared, 'body'> | undefined;
  /** What the text of the next frame is, of that length, where it had to be read elsewhere. */
  foreknown: { readonly text: Text; readonly length: number } | undefined;
  /** The Facts of a Query. */
  simple: Facts | undefined;
  /** The Shape of a Query. */
  simpleShape: Shape | undefined;
  /** Facts of each Execute, in order; undefined where the portal is not known to us. */
  readonly executed: (Facts | undefined)[] = [];
  /** What each Execute runs. */
  readonly executedFrom: (Prepared | undefined)[] = [];
  /** The unnamed statement was parsed in this request. */
  get parsedUnnamed(): boolean {
    return this.#parsed.get('') !== undefined;
  }

  constructor(texts: Texts, names: StatementNames) {
    this.#texts = texts;
    this.#names = names;
  }

  clear(): void {
    empty(this.items);
    this.length = 0;
    this.simple = undefined;
    this.simpleShape = undefined;
    this.about = undefined;
    this.foreknown = undefined;
    this.#parsed.clear();
    this.#bound.clear();
    this.#defines = false;
    empty(this.executed);
    empty(this.executedFrom);
    release(this.bytes);
    this.bytes = NO_BYTES;
    this.#sentMore = false;
    if (this.#sentLength === 0) return;
    release(this.#sentBytes);
    this.#sentItems = NO_ITEMS;
    this.#sentBytes = NO_BYTES;
    this.#sentLength = 0;
  }

  /** After a part was sent: its frames are gone, but for the first part, and what was named stays known. */
  sent(): void {
    if (this.#sentLength > 0 || this.length > GATHER_LIMIT || !this.usesName) {
      this.#sentMore = true;
      release(this.bytes);
      empty(this.items);
    } else {
      this.#sentItems = this.items;
      this.#sentBytes = this.bytes;
      this.#sentLength = this.length;
      this.items = [];
    }
    this.length = 0;
    this.bytes = NO_BYTES;
    empty(this.executed);
    empty(this.executedFrom);
  }

  /** What was sent, where all of it went together; it may have to be sent once more. */
  get onlyPart(): Part | undefined {
    if (this.#sentMore || this.#sentLength === 0) return undefined;
    return { items: this.#sentItems, bytes: this.#sentBytes, length: this.#sentLength };
  }

  /** The text of the first statement, as latin1. */
  get text(): string | undefined {
    const { about } = this;
    return about === undefined || typeof about === 'string' ? about : latin1(about.body, 0, about.body.indexOf(0));
  }

  /** Whether a statement of this name is parsed here. */
  gives(name: string): boolean {
    return this.#parsed.get(name) !== undefined;
  }

  /** Facts of all that is executed here, or where nothing is, of what is parsed or described: EXECUTE must find what it names then, too. */
  facts(): readonly Facts[] {
    if (this.simple !== undefined) return [this.simple];
    const all = this.executed.length > 0 ? this.executed : this.items.map(({ prepared }) => prepared?.facts);
    return all.filter((facts) => facts !== undefined);
  }

  /** The command word of the only statement that is executed here; undefined where there are several or none. */
  get verb(): Verb | undefined {
    const facts = this.simple ?? (this.executed.length === 1 ? this.executed[0] : undefined);
    return facts?.statements.length === 1 ? facts.statements[0]!.verb : undefined;
  }

  /** Something that is executed here (or only parsed, where nothing is) may have an effect on the session. */
  get hasEffects(): boolean {
    if (this.simpleShape !== undefined) return this.simpleShape.hasEffects;
    for (const prepared of this.executedFrom) if (prepared === undefined || prepared.shape.hasEffects) return true;
    if (this.executed.length === 0 && this.items.some(({ prepared }) => prepared?.shape.hasEffects)) return true;
    return this.isFunctionCall || this.simple !== undefined;
  }

  /** It begins with a statement that the client has named. */
  get usesName(): boolean {
    const name = this.items[0]?.name;
    return name !== undefined && name !== '' && this.items[0]?.target !== code.TARGET_PORTAL;
  }

  get isFunctionCall(): boolean {
    return this.items[0]?.type === code.FUNCTION_CALL;
  }

  /** A Query or FunctionCall. */
  get isSimple(): boolean {
    return this.simple !== undefined || this.items[0]?.type === code.QUERY || this.items[0]?.type === code.FUNCTION_CALL;
  }

  /** Nothing is bound or run: statements are only parsed and described. */
  get describesOnly(): boolean {
    return !this.isSimple && !this.items.some((item) => item.type === code.BIND || item.type === code.EXECUTE);
  }

  /** How many items are of this type. */
  count(type: number): number {
    let count = 0;
    for (const item of this.items) if (item.type === type) count += 1;
    return count;
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  /** Adds a whole frame. */
  add(type: number, chunk: Buffer, start: number, end: number, reader: TextReader): void {
    const at = this.#copy(chunk, start, end);
    this.items.push(this.#decode(type, at, this.length, reader));
  }

  #copy(chunk: Buffer, start: number, end: number): number {
    const at = this.length;
    const needed = at + end - start;
    if (at === 0 && start === 0 && end === chunk.length && end > LARGE) {
      this.bytes = chunk;
      this.length = end;
      return 0;
    }
    if (needed > this.bytes.length) {
      const grown =
        needed <= SMALL ? (spare.pop() ?? Buffer.allocUnsafeSlow(SMALL)) : Buffer.allocUnsafe(Math.max(needed, 2 * this.bytes.length));
      copyBytes(this.bytes, 0, at, grown, 0);
      this.bytes = grown;
    }
    copyBytes(chunk, start, end, this.bytes, at);
    this.length = needed;
    return at;
  }

  #decode(type: number, start: number, end: number, reader: TextReader): Item {
    switch (type) {
      case code.QUERY: {
        const known = this.#foretold(end - start);
        const text = known === undefined ? queryText(this.bytes, start, end) : undefined;
        if (known !== undefined) this.#query(known);
        else if (text !== undefined) this.#query(this.#textOf(text, reader));
        this.about = known === undefined ? text : { body: keepable(this.bytes.subarray(start + 5, end)) };
        return new Item(type, start, end);
      }
      case code.PARSE:
        return this.#parse(start, end, reader.output.reading);
      case code.BIND:
        return this.#bind(start, end);
      case code.DESCRIBE:
      case code.CLOSE: {
        const body = namedTarget(this.bytes, start, end);
        if (body === undefined) return new Item(type, start, end);
        const prepared = body.target === code.TARGET_STATEMENT ? this.#statement(body.name) : undefined;
        if (type === code.CLOSE && body.target === code.TARGET_STATEMENT) this.#name(body.name, undefined);
        return new Item(type, start, end, { name: body.name, target: body.target, prepared });
      }
      case code.EXECUTE: {
        const body = executeBody(this.bytes, start, end);
        if (body === undefined) return new Item(type, start, end);
        const portal = this.#portal(body.portal);
        this.executed.push(portal?.facts);
        this.executedFrom.push(portal);
        if (portal?.shape.hasEffects && portal.facts.statements.some(changesDefinition)) this.#defines = true;
        return new Item(type, start, end, { portal: body.portal, limited: body.maxRows > 0 });
      }
      default:
        return new Item(type, start, end);
    }
  }

  #textOf(text: string, { output: { reading }, isSharded }: TextReader): Text {
    return isSharded ? this.#texts.textOf(text, reading) : this.#texts.shapedTextOf(text, reading);
  }

  #foretold(length: number): Text | undefined {
    const { foreknown } = this;
    this.foreknown = undefined;
    return foreknown?.length === length ? foreknown.text : undefined;
  }

  #query({ facts, shape }: Text): void {
    this.simple = facts;
    this.simpleShape = shape;
  }

  #parse(start: number, end: number, reading: Reading): Item {
    const known = this.#foretold(end - start);
    const body = parseBody(this.bytes, start, end, known === undefined);
    if (body === undefined) return new Item(code.PARSE, start, end);
    const text = known ?? this.#texts.textOf(body.text, reading);
    const rest = this.bytes.subarray(body.afterName, end);
    const apart = this.#defines || text.shape.isOfSession || this.#names.apart();
    const prepared = apart
      ? this.#texts.apart(text, body.types, rest)
      : this.#texts.prepared(text, body.types, rest, reading, this.#names.path());
    this.about ??= known === undefined ? body.text : prepared;
    // A name in use stays what it was: the server will refuse the second Parse.
    if (body.name === '' || this.#statement(body.name) === undefined) this.#name(body.name, prepared);
    return new Item(code.PARSE, start, end, { name: body.name, rest: body.afterName, prepared });
  }

  #bind(start: number, end: number): Item {
    const body = bindNames(this.bytes, start, end);
    if (body === undefined) return new Item(code.BIND, start, end);
    const prepared = this.#statement(body.statement);
    this.about ??= prepared;
    this.#opens(body.portal, prepared);
    return new Item(code.BIND, start, end, { name: body.statement, portal: body.portal, rest: body.afterNames, prepared });
  }

  /** The Bind of a statement whose parameters stream: only its head is here. */
  bindHead(chunk: Buffer, start: number, end: number): Item | undefined {
    const body = bindNames(chunk, start, end);
    if (body === undefined) return undefined;
    const prepared = this.#statement(body.statement);
    this.#opens(body.portal, prepared);
    return new Item(code.BIND, start, end, { name: body.statement, portal: body.portal, rest: body.afterNames, prepared });
  }

  #name(name: string, prepared: Prepared | undefined): void {
    this.#parsed.set(name, prepared);
  }

  #opens(portal: string, prepared: Prepared | undefined): void {
    this.#bound.set(portal, prepared);
  }

  #statement(name: string): Prepared | undefined {
    if (this.#parsed.has(name)) return this.#parsed.get(name);
    return name === '' ? this.#names.unnamed : this.#names.named.get(name);
  }

  #portal(name: string): Prepared | undefined {
    return this.#bound.has(name) ? this.#bound.get(name) : this.#names.portals.get(name);
  }

  /** Every statement that this request parses, binds or describes, with the values it binds: what routing must agree on. */
  asked(): Asked[] {
    if (this.simple !== undefined) return [{ facts: this.simple }];
    const asked: Asked[] = [];
    const boundHere = new Set(this.items.filter((item) => item.type === code.BIND).map((item) => item.prepared));
    for (const item of this.items) {
      if (item.prepared === undefined) continue;
      if (item.type === code.BIND) asked.push({ facts: item.prepared.facts, operands: this.#operands(item) });
      else if (item.type !== code.CLOSE && !boundHere.has(item.prepared)) asked.push({ facts: item.prepared.facts });
    }
    return asked;
  }

  #operands(item: Item): Operands {
    let values: (BoundValue | undefined)[] | undefined;
    const types = item.prepared!.types;
    return (index) => {
      values ??= (boundParameters(this.bytes, item.rest!, item.end) ?? []).map(({ format, bytes }, i) =>
        format > 1 ? undefined : { format: format === 0 ? 'text' : 'binary', bytes, type: types[i] ?? 0 },
      );
      return values[index - 1];
    };
  }

  /** Portals that this request opened, for the session to know them while the transaction lasts. */
  get bound(): Given {
    return this.#bound;
  }
}
