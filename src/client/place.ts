/**
 * What a session needs from the process around it, as an interface that the worker implements. Sessions know nothing of pools' insides,
 * of other sessions, or of configuration files.
 */
import type { Catalog, Database, PinReason, Plan, StateKind, Target } from '../../routing/index.ts';
import type { SessionSettings } from '../live.ts';
import type { Waiter } from '../pool/parts.ts';
import type { Line } from '../pool/pools.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import type { Clock } from '../timers.ts';
import type { Credentials } from './credentials.ts';
import type { HiddenCode } from './hidden-code.ts';
import type { SessionIdentity } from './identity.ts';
import type { KnownCode } from './known-code.ts';
import type { Notifiers } from './notifiers.ts';
import type { PinRecord } from './pins.ts';
import type { Signal } from './signals.ts';
import type { Texts } from './statements.ts';

/** What holds for a session at this moment; asked at the start of each exchange, so that a reload is obeyed by the next one. */
export type SessionPolicy = SessionSettings;
export type { Line };

/** Counted for each database entry; plain numbers. Times in milliseconds. */
export interface Tally {
  assignments: number;
  transactions: number;
  queries: number;
  receivedBytes: number;
  sentBytes: number;
  transactionMs: number;
  queryMs: number;
  waitMs: number;
  clientParses: number;
  serverParses: number;
  binds: number;
  logins: number;
}

/** An exchange that is over. */
export interface ExchangeDone {
  readonly session: { readonly identity: SessionIdentity; readonly server: Server | undefined };
  readonly plan: Plan | undefined;
  readonly ms: number;
  readonly outcome: 'ok' | 'error' | 'refused' | 'lost' | 'canceled';
  /** The exchange's first statement: its text (latin1), or what was prepared. */
  readonly about: string | Pick<Prepared, 'body'> | undefined;
}

/** What sessions have learnt of databases, for all of them. */
export interface Learnings {
  /** What the database's own code can do behind a statement's back; undefined until somebody has asked. */
  hiddenCode(database: string): HiddenCode | undefined;
  learnHiddenCode(database: string, code: HiddenCode): void;
  /** What is known of single names; never undefined, but perhaps empty. */
  knownCode(database: string): KnownCode;
  /** A definition has changed by this text; undefined: nobody knows by which. */
  codeChanged(database: string, text: string | undefined): void;
  /** Somebody reads currval() or lastval() here as this user: sessions that draw from sequences must keep their server. */
  usesCurrval(database: string, user: string): boolean;
  learnCurrval(database: string, user: string): void;
  /** One of the first draws of this user here, after which it may still turn out that somebody reads: counted by asking. */
  drawsEarly(database: string, user: string): boolean;
}

/** Told by a session of its end. */
export interface SessionWatcher<Session> {
  sessionClosed(session: Session, reason: string, byUs: boolean): void;
}

export interface Place {
  readonly clock: Clock;
  readonly texts: Texts;
  /** The database as routing sees it now; undefined when a reload has removed it. */
  database(name: string): Database | undefined;
  policy(database: string, user: string): SessionPolicy;
  catalog(database: string): Catalog | undefined;
  /** A definition was changed through this database: what its catalog said is not to be believed. */
  definitionsChanged(database: string): void;
  /** ALTER ROLE or ALTER DATABASE … SET: connections of before do not have what new sessions must find. */
  defaultsChanged(): void;
  /** A statement wants this database of its servers for itself: idle connections that no client has a claim to are closed. */
  leaveDatabase(dbname: string): void;
  /**
   * A session that is no superuser may signal those of its own role, a superuser all of the same servers. True when the process id is that of a
   * session which will be signalled, as soon as what is under way here has returned.
   */
  signal(signal: Signal, by: Pick<SessionIdentity, 'database' | 'user'>, isSuperuser: boolean): boolean;
  /** The process that serves the session with this process id at the moment, of the same Postgres as `beside`; else undefined. */
  processOf(pid: number, beside: Server): number | undefined;
  readonly learnt: Learnings;
  readonly notifiers: Notifiers;
  /** Who server connections for this user log in as. */
  serverUser(database: string, user: string): string;
  /** A server of the target at once, or the line in which the waiter now stands. */
  acquire(target: Target, credentials: Credentials, waiter: Waiter): Server | Line;
  tally(database: string): Tally;
  exchangeDone(done: ExchangeDone): void;
  waited(database: string, ms: number): void;
  pinned(reason: PinReason): void;
  /** The database of this server has a connect_query, which may have made anything. */
  hasConnectQuery(server: Server): boolean;
  /** A pin is over. */
  unpinned(session: Pick<SessionIdentity, 'id'>, pin: PinRecord): void;
  /** An audit found what no text had shown. */
  audited(session: Pick<SessionIdentity, 'database' | 'user'>, finding: Finding): void;
  /** The leak sentinel has looked at a server that was let go; what it found, if anything, closes the connection. */
  leaksLookedFor(session: Pick<SessionIdentity, 'database' | 'user'>, server: Server, findings: readonly Finding[]): void;
}

/** Session state that was found in a server. */
export interface Finding {
  readonly kind: StateKind;
  /** Of the parameter, lock, table, cursor, channel, statement or slot. */
  readonly name: string;
  /** The statement that it was found after, as command word and function. */
  readonly after: string;
}

export function newTally(): Tally {
  return {
    assignments: 0,
    transactions: 0,
    queries: 0,
    receivedBytes: 0,
    sentBytes: 0,
    transactionMs: 0,
    queryMs: 0,
    waitMs: 0,
    clientParses: 0,
    serverParses: 0,
    binds: 0,
    logins: 0,
  };
}
