/**
 * Statements of SQL's PREPARE that follow their session: which of them can (`tracked`), what the server says of one that was made (`Described`),
 * and what an audit's list of names means for them (`strangers`). They are brought along by `sql-bring.ts`; what cannot follow pins.
 *
 * A statement follows when preparing its text again, under the settings of then, gives the same statement: its text is known, short and ASCII, it
 * stands alone in its Query, and nothing in it is settled for good by the moment at which it was prepared.
 */
import { createHash } from 'node:crypto';
import type { Effect, EffectKind } from '../../routing/index.ts';
import { InternalExchange } from '../server/exchange.ts';
import type { SqlStatement } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import type { Label } from '../server/settings.ts';
import { PARAMETER_DESCRIPTION, ROW_DESCRIPTION, STATUS_IDLE, TARGET_STATEMENT } from '../wire/codes.ts';
import { latin1 } from '../wire/read.ts';
import { describe, sync } from '../wire/write.ts';
import type { Ran } from './ran.ts';
import { isAscii } from './read-text.ts';
import type { StatementNames } from './statements.ts';

/** A statement as the session that made it knows it. */
export interface TrackedStatement extends SqlStatement {
  types: string | undefined;
  result: string | undefined;
  /** What EXECUTE runs. */
  readonly ran: Ran;
  /** The settings under which it was prepared. */
  readonly label: Label;
}

/** Longer texts pin, and so do more names. */
const TEXT_LIMIT = 8192;
const NAMES_LIMIT = 100;
/** Postgres cuts longer names. */
const NAME_LIMIT = 63;

/** A string constant: what it means is settled when the statement is prepared, by any parameter. */
const QUOTED = /'|\$(?!\d)/;
/** Words that mean the moment, where they stand in a string constant. */
const MOMENT = /\b(?:now|today|tomorrow|yesterday)\b/i;
/** It looks at what it is itself. */
const INWARD = /pg_prepared_statement/i;
/** By these every text is understood. */
const FOR_ALL: ReadonlySet<string> = new Set(['search_path', 'role', 'session_authorization', 'transform_null_equals']);

/** Effects that executing the statement has which are known by looking into it, as for any statement. */
const follows = ({ kind, name }: Effect): boolean => kind === 'nextval' || (kind === 'opaque' && name !== undefined);

/** The parameters by which a text is understood under these settings; texts with the same mean the same. */
export function meaningOf(text: string, { values }: Label): string {
  const all = QUOTED.test(text);
  const counts = (name: string): boolean => (all ? name !== 'application_name' && !name.includes('.') : FOR_ALL.has(name));
  return JSON.stringify([...values].filter(([name]) => counts(name)));
}

/** The statement that PREPARE has made, by the text of its Query (latin1), when it can follow the session; `label`: that it was made under. */
export function tracked(name: string, text: string, statement: Ran, label: Label): TrackedStatement | undefined {
  const [first, ...effects] = statement.effects;
  if (first?.kind !== 'prepare' || first.name !== name || !effects.every(follows)) return undefined;
  if (name.length > NAME_LIMIT || text.length > TEXT_LIMIT || !isAscii(text) || !isAscii(name) || statement.words !== undefined)
    return undefined;
  if (INWARD.test(text) || (QUOTED.test(text) && MOMENT.test(text))) return undefined;
  const readOnly = effects.length === 0 && statement.relations.every(({ access }) => access === 'read');
  const ran: Ran = { ...statement, effects, verb: 'execute', readOnly };
  return { name, text, meaning: meaningOf(text, label), types: undefined, result: undefined, ran, label };
}

/** Would either do for the other? */
export function isSame(one: SqlStatement, other: SqlStatement): boolean {
  if (one === other) return true;
  if (one.error !== undefined || other.error !== undefined || one.result === undefined) return false;
  return one.text === other.text && one.meaning === other.meaning && one.result === other.result && one.types === other.types;
}

/** Gathers what a server says of a statement: types of its parameters as numbers, names and types of its columns. */
export class Described {
  types: readonly number[] = [];
  result = '[]';

  readonly see = (chunk: Buffer, start: number, end: number): void => {
    if (chunk[start] === PARAMETER_DESCRIPTION) {
      const count = chunk.readUInt16BE(start + 5);
      this.types = Array.from({ length: count }, (_, i) => chunk.readUInt32BE(start + 7 + 4 * i));
    } else if (chunk[start] === ROW_DESCRIPTION) this.result = columnsOf(chunk, start, end);
  };
}

/** Name, type and modifier of each column. Which table it is from does not matter: that may be another of the same shape. */
function columnsOf(chunk: Buffer, start: number, end: number): string {
  const columns: (string | number)[] = [];
  let at = start + 7;
  while (at < end) {
    const stop = chunk.indexOf(0, at);
    columns.push(latin1(chunk, at, stop), chunk.readUInt32BE(stop + 7), chunk.readInt32BE(stop + 13));
    at = stop + 19;
  }
  return JSON.stringify(columns);
}

/** A text as an audit tells of it. */
function digestOf(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/** What the server was found to have that nobody is known to have put there; of what has gone, the session forgets the names. */
export function strangers(
  found: ReadonlyMap<string, string>,
  there: Map<string, SqlStatement>,
  own: { delete(name: string): boolean } | undefined,
): readonly string[] {
  for (const [name, { text }] of [...there]) {
    if (found.get(name) === digestOf(text)) continue;
    there.delete(name);
    own?.delete(name);
  }
  return [...found.keys()].filter((name) => !there.has(name));
}

/** Effects that change, for the open transaction at least, how a text is understood. */
const SETS: ReadonlySet<EffectKind> = new Set<EffectKind>([
  'set',
  'set_local',
  'set_config',
  'set_role',
  'set_session_authorization',
  'reset',
  'reset_all',
  'opaque',
]);

/** The statements of one session, as they come and go. */
export class SqlPrepared {
  readonly #names: Pick<StatementNames, 'sql' | 'inSql'>;
  /** Made, and not described yet: in a transaction that waits, for what the client asks there must not fail by what we ask. */
  #new: readonly TrackedStatement[] = [];
  /** The request that is looked at is a Query of one statement. */
  alone = false;
  /** The open transaction has changed settings. */
  setsOpen = false;
  /** The client has looked at what became of its statements on the server that it holds. */
  watched = false;

  constructor(names: Pick<StatementNames, 'sql' | 'inSql'>) {
    this.#names = names;
  }

  /** A statement of an open transaction had this effect. */
  noteOpen(kind: EffectKind): void {
    if (SETS.has(kind)) this.setsOpen = true;
  }

  /** PREPARE has made a statement on a server that has the session's settings (`label`); false when it cannot follow the session. */
  take(name: string, text: string, statement: Ran, label: Label, server: Server): boolean {
    if (!this.alone || this.setsOpen || this.watched || this.#names.sql.size >= NAMES_LIMIT) return false;
    const made = tracked(name, text, statement, label);
    if (made === undefined) return false;
    this.#names.sql.set(name, made);
    server.prepared.sql.set(name, made);
    this.#new = [...this.#new, made];
    return true;
  }

  /** DEALLOCATE. `audited`: what is left of a name that the protocol gave, perhaps again behind it, an audit will tell. */
  remove(name: string, server: Server, audited: boolean): void {
    if (!audited || this.#names.inSql.get(name) === undefined) this.#names.inSql.delete(name);
    this.#new = this.#new.filter((made) => made.name !== name);
    this.#names.sql.delete(name);
    server.prepared.sql.delete(name);
  }

  /** Statements of the session that a statement runs. */
  runBy({ effects }: Ran): readonly TrackedStatement[] {
    if (this.#names.sql.size === 0) return [];
    return effects.flatMap(({ kind, name }) => (kind === 'execute' ? (this.#names.sql.get(name ?? '') ?? []) : []));
  }

  get isWatched(): boolean {
    this.watched &&= this.#names.sql.size > 0;
    return this.watched;
  }

  /** The session has no other names than those that follow it. */
  onlyTracked(): void {
    this.#names.inSql.clear();
    for (const name of this.#names.sql.keys()) this.#names.inSql.set(name, undefined);
  }

  /** Statements were made, and the server is to say what their results are, once no transaction is open. */
  undescribed(status: number): boolean {
    return status === STATUS_IDLE && this.#new.length > 0;
  }

  /** Asks that; a statement of which the server says nothing (its table is gone again) does not follow. `done` is told the last of these. */
  describe(server: Server, done: (status: number, unfit: string | undefined) => void): void {
    const all = this.#new;
    this.#new = [];
    let unfit: string | undefined;
    all.forEach((made, at) => {
      const described = new Described();
      server.enqueue(
        new InternalExchange((_, { ok, status }) => {
          made.types = JSON.stringify(described.types);
          made.result = described.result;
          if (!ok && this.#names.sql.get(made.name) === made) {
            unfit = made.name;
            this.#names.sql.delete(unfit);
            server.prepared.sql.delete(unfit);
          }
          if (at === all.length - 1) done(status, unfit);
        }, described.see),
      );
      server.send(Buffer.concat([describe(TARGET_STATEMENT, made.name), sync]));
    });
  }
}
