/**
 * A plan: the decision for one exchange, as data. One `switch` in `src/client/session.ts` executes it.
 * The same `why` feeds the metrics label, the log, the console and `shardyard route`.
 */
import type { Facts, FunctionName } from './facts.ts';
import type { StateKind } from './session-state.ts';

export type Role = 'primary' | 'replica' | 'any';

/** Which physical database (a `[databases]` entry that has hosts) and which of its hosts. */
export interface Target {
  readonly database: string;
  readonly role: Role;
}

/** One word for metrics; `detail` of the plan has the sentence. */
export type Why =
  | 'unsharded' // a plain database without a read/write split
  | 'read' // proven read-only: a replica may answer
  | 'write' // not proven read-only
  | 'transaction' // inside an open transaction: where it began
  | 'pinned' // the session is pinned to its server connection
  | 'key' // the shard key proves the shard
  | 'everywhere' // only tables that are the same on each shard
  | 'on' // a table that lives on one shard
  | 'any_shard' // no table at all
  | 'held_back' // BEGIN waits for the statement that shows the shard
  | 'cross_shard'
  | 'not_proven'
  | 'key_change'
  | 'wrong_shard'
  | 'session_state'; // a kind of session state that the configuration rejects

/** A kind of session state that keeps a server connection. */
export type PinReason = StateKind;

export type Plan =
  | { readonly kind: 'one'; readonly target: Target; readonly why: Why; readonly detail: string }
  /**
   * A sharded database's transaction has no shard yet, or a transaction has no statement yet. `begin`: answer BEGIN, send nothing. `commit`, `rollback`: answer, drop all that was
   * held back; nothing had been sent. `other`: a statement with no rows (SAVEPOINT, RELEASE, ROLLBACK TO, SET LOCAL, SET TRANSACTION, a
   * second BEGIN, COMMIT AND CHAIN): answer its command tag and hold it back too, behind BEGIN and in order; if the server refuses it
   * later, the error comes with the statement that showed the shard.
   */
  | { readonly kind: 'transaction'; readonly verb: 'begin' | 'commit' | 'rollback' | 'other'; readonly why: Why; readonly detail: string }
  | {
      readonly kind: 'reject';
      readonly sqlstate: string;
      readonly message: string;
      readonly detail?: string;
      readonly hint: string;
      readonly why: Why;
    };

/** What the server's catalog says; undefined where it was not asked or does not know. All answers are for the worst of several overloads. */
export interface Catalog {
  /** i immutable, s stable, v volatile. */
  volatility(fn: FunctionName): 'i' | 's' | 'v' | undefined;
  /** Relations that may run code when read: views over volatile functions, foreign tables, tables with row security. */
  isPlainRelation(schema: string | undefined, name: string): boolean | undefined;
  /** Operators of the user's own that are not immutable or stable. */
  isVolatileOperator(name: string): boolean;
}

/** What routing may know of the session, and no more. */
export interface View {
  /** A transaction block is open on the server (or held back). */
  readonly inTransaction: boolean;
  /** Where the open transaction or the pin lives, once it has a server connection. */
  readonly held?: Target;
  readonly pinned: boolean;
  /** BEGIN on a database that is not sharded may wait for the first statement of its transaction; so may the one that is open, if nothing is held. */
  readonly holdsBegin?: boolean;
  /** The session's default_transaction_read_only or an open READ ONLY transaction. */
  readonly readOnly: boolean;
  readonly catalog?: Catalog;
  /** client_encoding as the server reports it. Where it is not known to be UTF8, only ASCII text proves a shard. */
  readonly clientEncoding?: string;
}

/** Value of `$n` as the client bound it. `type` is the parameter's type oid where the client or the server has said it, else 0. */
export interface BoundValue {
  readonly format: 'text' | 'binary';
  readonly bytes: Uint8Array | null;
  readonly type: number;
}

/** What one exchange asks for besides its statements. */
export interface RouteOptions {
  /** Parse and Describe without Execute: nothing runs, so any shard may answer and parameters need no values. The plan is then never `transaction`. */
  readonly describeOnly?: boolean;
}

/** One text of an exchange with the values bound to it. */
export interface Routable {
  readonly facts: Facts;
  readonly operands: Operands;
}

/** Gives the value of `$index` (from 1) or undefined when nothing was bound (as in a simple Query, or Describe before Bind). */
export type Operands = (index: number) => BoundValue | undefined;
