/**
 * Prepared statements as servers know them. A statement is shared by all sessions that prepare the same text with the same parameter
 * types, under one name on each server that has it; every server keeps a bounded set, least recently used first out.
 */
import type { Facts } from '../../routing/index.ts';
import type { Shape } from './shape.ts';

/** One text with its declared parameter types. Sessions give it names of their own; on servers it is `name`. */
export interface Prepared {
  /** Name on servers, unique in this process. */
  readonly name: Buffer;
  /** What follows the name in a Parse message: text, NUL, count of types, type oids. */
  readonly body: Buffer;
  readonly facts: Facts;
  readonly shape: Shape;
  /** Declared type of each parameter, 0 where the server is to find it out. */
  readonly types: readonly number[];
  /** How often it was parsed without a name. */
  uses: number;
}

/** Names that we give on servers. A client's own name that begins so is never sent as it is. */
export const NAME_PREFIX = 'shardyard_';

/** A statement that SQL's PREPARE has made, under the client's own name. */
export interface SqlStatement {
  readonly name: string;
  /** The whole Query that made it, in ASCII; of a stand-in the statement itself. */
  readonly text: string;
  /** The parameters of the session by which the text was understood. */
  readonly meaning: string;
  /** The types of its parameters and of its result as the server described them; undefined: not known (yet). */
  readonly types: string | undefined;
  readonly result: string | undefined;
  /** It is a stand-in for one that could not be made here: the error that whoever executes it is to get. */
  readonly error?: Buffer;
}

/** The statements that one server connection has, least recently used first. */
export class PreparedSet {
  readonly #set = new Set<Prepared>();
  /** Those of SQL's PREPARE, of whatever session, by name; but for names of a session that is pinned for them. */
  readonly sql = new Map<string, SqlStatement>();

  get size(): number {
    return this.#set.size;
  }

  /** Whether the server has it; it then counts as just used. */
  use(statement: Prepared): boolean {
    if (!this.#set.delete(statement)) return false;
    this.#set.add(statement);
    return true;
  }

  has(statement: Prepared): boolean {
    return this.#set.has(statement);
  }

  /** It is being prepared. */
  add(statement: Prepared): void {
    this.#set.add(statement);
    this.#made += 1;
  }
  #made = 0;

  /** It is there after all. */
  putBack(statement: Prepared): void {
    this.#set.add(statement);
  }

  /** How many were prepared since this was asked last. */
  takeCount(): number {
    const made = this.#made;
    this.#made = 0;
    return made;
  }

  delete(statement: Prepared): void {
    this.#set.delete(statement);
  }

  /** Forgets those of the protocol, and tells which they were. */
  takeAll(): readonly Prepared[] {
    const all = [...this.#set];
    this.#set.clear();
    return all;
  }

  clear(): void {
    this.#set.clear();
    this.sql.clear();
  }

  all(): readonly Prepared[] {
    return [...this.#set];
  }

  /** Some statement that the server has. */
  any(): Prepared | undefined {
    return this.#set.values().next().value;
  }

  /** The least recently used one, if there are more than `limit`. */
  excess(limit: number): Prepared | undefined {
    if (this.#set.size <= limit) return undefined;
    return this.#set.values().next().value;
  }
}
