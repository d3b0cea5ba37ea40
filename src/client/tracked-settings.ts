/**
 * The parameters that a session has set, so that they can be replayed on whichever server comes next. What a statement set is known from the
 * server, not from the text: after the transaction that touched a parameter has ended, in whatever way, its value is read back. Values are
 * then canonical, and rollbacks and savepoints need no bookkeeping.
 *
 * RESET and DISCARD ALL lead back to what the client asked for at start-up, as on a connection of its own: where the server would go back to
 * its own default instead, the client's value is put in place before the client hears that the statement is done.
 */

import type { Effect } from '../../routing/index.ts';
import { LazyMap, LazySet } from '../lazy.ts';
import { InternalExchange, type Outcome } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { CLEAN, intern, type Label, quoteSetting, restoreFrames } from '../server/settings.ts';
import { STATUS_FAILED, STATUS_IDLE } from '../wire/codes.ts';
import { bind, execute, parse, query, sync } from '../wire/write.ts';
import { lastRow, OF_TRANSACTIONS } from './audit.ts';
import { OwnNames } from './hidden-code.ts';
import { isPlainName } from './named-settings.ts';

/** Not reset by RESET ALL, and their default is who logged in. */
const IDENTITY = ['session_authorization', 'role'] as const;
const CHARACTERISTICS = ['default_transaction_isolation', 'default_transaction_read_only', 'default_transaction_deferrable'] as const;

const BY_NAME: ReadonlySet<string> = new Set(['set', 'set_config', 'reset']);

export class TrackedSettings {
  readonly #start: Label;
  readonly #user: string;
  /** Parameters that only an audit sees set. */
  readonly own = new OwnNames();
  #label: Label;
  /** Touched since the last read-back: the literal value where the text had one, null where it was a reset. */
  readonly #touched = new LazyMap<string, string | null | undefined>();
  /** Reset by the server to another value than the client's own: to be put right at once. */
  readonly #restore = new LazySet<string>();
  /** Reset, perhaps, and the reset undone again: the server knows. */
  readonly #unsure = new LazySet<string>();
  /** All of them were, also those that only a connect_query has set. */
  #allReset = false;
  /** Some of what was touched is of a transaction that was committed, by COMMIT AND CHAIN say. */
  #committed = false;

  /** `user`: who servers log in as. */
  constructor(start: Label, user: string) {
    this.#start = start;
    this.#user = user;
    this.#label = start;
  }

  /** What a server must carry before the session's next transaction. */
  get label(): Label {
    return this.#label;
  }

  /** In the transaction that is open names may be looked for elsewhere than before. */
  get pathTouched(): boolean {
    return this.#touched.has('search_path') || this.#allReset;
  }

  /** Something was set, or may have been, that was not read back yet. */
  get isTouched(): boolean {
    return this.#touched.size > 0 || this.#allReset;
  }

  /** The client asked for something at start-up. */
  get hasStart(): boolean {
    return this.#start.values.size > 0;
  }

  /** The session is, or was at its start, somebody else than who logged in. */
  get hasIdentity(): boolean {
    return IDENTITY.some((name) => this.#label.values.has(name) || this.#start.values.has(name));
  }

  /** The value is the one of the client's start, perhaps in its own words still. */
  isFromStart(name: string): boolean {
    const value = this.#start.values.get(name);
    return value !== undefined && value === this.#label.values.get(name);
  }

  /** Something is set that the client did not ask for at its start; `identity`: its role, else any other parameter. */
  differs(identity: boolean): boolean {
    const [now, then] = [this.#label.values, this.#start.values];
    const names = new Set([...now.keys(), ...then.keys()]);
    return [...names].some((name) => (IDENTITY as readonly string[]).includes(name) === identity && now.get(name) !== then.get(name));
  }

  /** What is set is forgotten: RESET ALL and DISCARD ALL, where no server has anything of it. */
  backToStart(): void {
    this.#forget();
    this.#label = this.#start;
  }

  /** There are values with other bytes in another encoding, or none. */
  get #hasLetters(): boolean {
    for (const value of this.#label.values.values()) if (/[^\t\n\r -~]/.test(value)) return true;
    return false;
  }

  /** Takes in an effect that the server has confirmed; false when it cannot be known which parameter was set. */
  note({ kind, name, value }: Effect): boolean {
    if (name !== undefined && OF_TRANSACTIONS.has(name.toLowerCase())) return true;
    // Which one it may be is seen by its text.
    if (BY_NAME.has(kind) && name === undefined) return false;
    if (BY_NAME.has(kind) && (!isPlainName(name!) || (name === 'client_encoding' && this.#hasLetters))) {
      this.own.madeUp = true;
      return false;
    }
    switch (kind) {
      case 'set':
      case 'set_config':
        this.#touched.set(name!.toLowerCase(), kind === 'set' ? value : undefined);
        // It may have been reset in the same request, before.
        this.#restore.delete(name!.toLowerCase());
        this.#unsure.delete(name!.toLowerCase());
        return true;
      case 'set_role':
        this.#touched.set('role', undefined);
        return true;
      case 'set_session_authorization':
        for (const identity of IDENTITY) this.#touched.set(identity, undefined);
        return true;
      case 'set_characteristics':
        for (const characteristic of CHARACTERISTICS) this.#touched.set(characteristic, undefined);
        return true;
      case 'reset':
        this.#reset(name!.toLowerCase());
        return true;
      case 'reset_all':
      case 'discard_all':
        this.#resetAll(kind === 'discard_all');
        return true;
      default:
        return true;
    }
  }

  #reset(name: string): void {
    this.#touched.set(name, null);
    if (this.#start.values.has(name)) this.#restore.add(name);
  }

  #resetAll(identityToo: boolean): void {
    this.#allReset = true;
    const names = new Set([...this.#label.values.keys(), ...this.#touched.keys(), ...this.#start.values.keys()]);
    for (const name of names) if (identityToo || !(IDENTITY as readonly string[]).includes(name)) this.#reset(name);
  }

  /** COMMIT is done: a ROLLBACK that comes before anything is read back does not undo what was set until now. */
  committed(): void {
    this.#committed = this.isTouched;
  }

  /** The transaction was rolled back, and with it all that was set since the last read-back, or some of it. */
  rolledBack(): void {
    if (this.#committed) this.undone();
    else this.#forget();
  }

  /** An error, or ROLLBACK TO, has undone some of what was done since the last read-back, or all of it: what holds now is the server's to say. */
  undone(): void {
    for (const [name, value] of this.#touched) {
      if (value === null) this.#unsure.add(name);
      this.#touched.set(name, undefined);
    }
    this.#restore.clear();
  }

  #forget(): void {
    this.#touched.clear();
    this.#restore.clear();
    this.#unsure.clear();
    this.#allReset = false;
    this.#committed = false;
  }

  /** Is there anything to do before the client is told that its statement is done? */
  unsettled(status: number): boolean {
    if (status === STATUS_FAILED) return false;
    return this.#restore.size > 0 || (status === STATUS_IDLE && this.isTouched);
  }

  /** Puts resets right and reads back; `done` is told whether the session's settings are known and in place. */
  settle(server: Server, status: number, done: (ok: boolean) => void): void {
    server.unnamed = undefined;
    for (const name of server.base.keys()) {
      if (this.#touched.has(name) ? this.#touched.get(name) === null : this.#allReset) this.#restore.add(name);
    }
    this.#allReset = false;
    const own = (names: Iterable<string>): (readonly [string, string])[] =>
      [...names].flatMap((name) => {
        const value = this.#start.values.get(name) ?? server.base.get(name);
        return value === undefined ? [] : [[name, value] as const];
      });
    const [certain, unsure] = [own(this.#restore), status === STATUS_IDLE ? own(this.#unsure) : []];
    this.#restore.clear();
    if (status === STATUS_IDLE) this.#unsure.clear();
    if (certain.length + unsure.length === 0) return status === STATUS_IDLE ? this.#readBack(server, done) : done(true);
    // In a transaction a SELECT would take its snapshot, and SET TRANSACTION would come too late; SET does not.
    const frames =
      status === STATUS_IDLE ? restoreFrames(certain, unsure) : query(certain.map(([name, value]) => quoteSetting(name, value)).join(';'));
    this.#ask(server, frames, (outcome) => {
      if (!outcome.ok) return done(false);
      if (status === STATUS_IDLE) this.#readBack(server, done);
      else done(true);
    });
  }

  #ask(server: Server, frames: Buffer, done: (outcome: Outcome) => void, row?: (chunk: Buffer, start: number, end: number) => void): void {
    server.enqueue(new InternalExchange((_, outcome) => done(outcome), row));
    server.send(frames);
  }

  #readBack(server: Server, done: (ok: boolean) => void): void {
    const names = [...this.#touched.keys()];
    if (names.length === 0) return done(true);
    const text = `SELECT ${names.map((_, i) => `pg_catalog.current_setting($${i + 1}, true)`).join(', ')}`;
    const types = names.map(() => 25);
    const frames = Buffer.concat([
      parse('', text, types),
      bind(
        '',
        '',
        [],
        names.map((name) => Buffer.from(name, 'latin1')),
      ),
      execute('', 0),
      sync,
    ]);
    const row = lastRow();
    this.#ask(
      server,
      frames,
      (outcome) => {
        const known = outcome.ok ? row.values() : this.#literals();
        if (known === undefined) return done(false);
        this.#remember(server, names, known);
        done(outcome.status !== 0);
      },
      row.see,
    );
  }

  /** What the texts said, where reading back is itself a victim of what was set (a statement_timeout, a parameter only others may see). */
  #literals(): (string | null)[] | undefined {
    const literals: (string | null)[] = [];
    for (const value of this.#touched.values()) {
      if (value === undefined) return undefined;
      literals.push(value);
    }
    return literals;
  }

  /** What an audit found set is what is set; what it cannot see stays as it was believed to be. */
  learn(server: Server, found: ReadonlyMap<string, string>, asked: ReadonlySet<string>): void {
    const values = new Map<string, string>();
    for (const [name, value] of this.#label.values) if (name.includes('.') && !asked.has(name)) values.set(name, value);
    for (const [name, value] of found) values.set(name, value);
    this.#forget();
    this.#label = values.size === 0 ? CLEAN : intern(values);
    server.label = this.#label;
  }

  #remember(server: Server, names: readonly string[], read: readonly (string | null)[]): void {
    const values = new Map(this.#label.values);
    names.forEach((name, i) => {
      const value = read[i] ?? null;
      const start = this.#start.values.get(name);
      if (this.#touched.get(name) === null) {
        if (start === undefined) values.delete(name);
        else values.set(name, start);
      } else if (value === null || (this.#isDefaultIdentity(name, value) && !server.base.has(name))) values.delete(name);
      else values.set(name, value);
    });
    this.#forget();
    this.#label = values.size === 0 ? CLEAN : intern(values);
    if (server.label !== undefined) server.label = this.#label;
  }

  #isDefaultIdentity(name: string, value: string): boolean {
    return (name === 'role' && value === 'none') || (name === 'session_authorization' && value === this.#user);
  }
}
