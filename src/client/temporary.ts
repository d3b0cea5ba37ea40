/**
 * Which changes of definitions concern nobody but the session: making temporary tables, views and sequences, and taking those away, or giving
 * an index to those, that it is known to have. What is said here is certain: a name counts only while nothing may have taken it away or have put
 * another relation before it. DROP of a table that is not known here may be anybody's.
 */

import type { Effect } from '../../routing/index.ts';
import { LazySet } from '../lazy.ts';
import type { Server } from '../server/server.ts';
import { type Ran, textOf } from './ran.ts';
import type { Request } from './request.ts';
import { PG_TEMP, type TextLook } from './text-look.ts';

/** May take a temporary relation away, or show another one under its name. */
const FORGETS: ReadonlySet<Effect['kind']> = new Set(['discard_all', 'discard_temp', 'opaque']);
const SETS: ReadonlySet<Effect['kind']> = new Set(['set', 'set_local', 'set_config']);

/** What names the temporary schema, or tells of it. */
const TEMP_SCHEMA = /pg_temp|temp_schema|current_schemas/i;

export class Temporary {
  /** Those that were made outside of a transaction, or in one that is open. */
  readonly #here = new LazySet<string>();
  readonly #open = new LazySet<string>();
  /** A search_path may have put others before them. */
  #misled = false;
  /** It has had something temporary: its schema for that stays, as Postgres has it. */
  #hasSchema = false;

  /** An audit has found out whether there is a temporary schema: one that was not there before is the session's. */
  audited(found: boolean, server: Pick<Server, 'tempSchema'>): void {
    this.#hasSchema ||= found && !server.tempSchema;
    server.tempSchema = found;
  }

  /** The request asks for the temporary schema where there is one of somebody else, who has left. */
  seesOthers({ text, items }: Request, { tempSchema }: Pick<Server, 'tempSchema'>): boolean {
    if (!tempSchema || this.#hasSchema) return false;
    return TEMP_SCHEMA.test(text ?? '') || items.some(({ prepared }) => prepared !== undefined && TEMP_SCHEMA.test(textOf(prepared)));
  }

  /** A statement is done that changed a definition; `open`: a transaction is. */
  isOwn(statement: Ran, look: TextLook, open: boolean): boolean {
    const { effects } = statement;
    const made = effects.find(({ kind }) => kind === 'temp');
    if (made !== undefined) {
      if (made.name === undefined) return false;
      if (open) this.#open.add(made.name);
      else if (!look.cutsShort) this.#here.add(made.name);
      return true;
    }
    return (this.#drops(statement, look) || this.#indexes(statement, look)) && !this.#misled;
  }

  #drops({ effects, relations }: Ran, look: TextLook): boolean {
    const drops = effects.filter(({ kind }) => kind === 'drop');
    const known = relations.every(({ schema, name }) => schema === undefined && this.#has(name));
    for (const { name } of drops) if (name !== undefined) this.#delete(name);
    if (drops.some(({ name }) => name === undefined)) this.forget();
    return known && drops.length > 0 && drops.length === relations.length && effects.length === drops.length + 1 && !look.cutsShort;
  }

  #indexes({ effects, relations }: Ran, look: TextLook): boolean {
    const [relation] = relations;
    return effects.length === 1 && relations.length === 1 && relation!.schema === undefined && this.#has(relation!.name) && look.makesIndex;
  }

  #has(name: string): boolean {
    return this.#here.has(name) || this.#open.has(name);
  }

  #delete(name: string): void {
    this.#here.delete(name);
    this.#open.delete(name);
  }

  /** Any statement is done. */
  ran({ verb, effects }: Ran): void {
    if (verb.startsWith('rollback')) this.forget();
    for (const { kind, name, value } of effects) {
      if (FORGETS.has(kind)) this.forget();
      if (SETS.has(kind) && (name === undefined || name === 'search_path') && (value === undefined || PG_TEMP.test(value)))
        this.#misled = true;
    }
  }

  /** The transaction is over. */
  transactionEnded(): void {
    this.#open.clear();
  }

  /** None of them may be there any more: something failed, or code ran that may do anything. */
  forget(): void {
    this.#here.clear();
    this.#open.clear();
  }
}
