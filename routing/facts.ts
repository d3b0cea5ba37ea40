/**
 * Facts: all that is true of a statement's text on its own, with no topology, no parameter values and no session.
 * Made once for each text by `analyze`, cached and frozen; read by `route` for every exchange.
 *
 * Invariant: Facts never claim more than the text proves. What was not understood is said (`understood`, `opaque`),
 * and whoever reads the Facts must then take the safe road: the primary, a pin, or a refusal.
 */

/** What kind of statement this is, in Postgres's words. `ddl` is every schema change; `other` is anything not listed. */
export type Verb =
  | 'select'
  | 'insert'
  | 'update'
  | 'delete'
  | 'merge'
  | 'copy'
  | 'explain'
  | 'show'
  | 'set'
  | 'reset'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback_to'
  | 'prepare_transaction'
  | 'commit_prepared'
  | 'rollback_prepared'
  | 'prepare'
  | 'execute'
  | 'deallocate'
  | 'declare'
  | 'fetch'
  | 'close'
  | 'listen'
  | 'unlisten'
  | 'notify'
  | 'discard'
  | 'lock'
  | 'call'
  | 'do'
  | 'load'
  | 'ddl'
  | 'maintenance'
  | 'other';

/** A value in the text, or a place where the client will put one. `param` counts from 1, as `$1` does. */
export type Operand =
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'literal'; readonly text: string; readonly type: 'integer' | 'string' | 'other' }
  | { readonly kind: 'null' };

/**
 * A proof about one relation at its place in the statement: every row of it that can matter (be read, changed or inserted)
 * has `column` equal to one of `operands`. Two pins on one column both hold.
 */
export interface Pin {
  readonly column: string;
  readonly operands: readonly Operand[];
  /**
   * The columns of other relations by which the equality came here (`i.k = c.id AND c.id = 5` pins `i.k` through `c.id`), undefined
   * when none. Equality is passed on faithfully only among types that compare alike: through citext, numeric or float it is not.
   * Whoever uses the pin must know that each of these columns is of the key's own type, as the key columns of other tables are.
   */
  readonly through?: readonly ColumnName[];
}

/** A column of a table, as far as the text names it. */
export interface ColumnName {
  readonly schema?: string;
  readonly table: string;
  readonly column: string;
}

/** One table at one place in the statement (the same table named twice gives two). Names are folded as Postgres folds them. */
export interface Relation {
  readonly schema?: string;
  readonly name: string;
  readonly access: 'read' | 'write';
  readonly pins: readonly Pin[];
  /** Columns that the statement gives a new value (UPDATE … SET, ON CONFLICT DO UPDATE SET): a shard key here would move the row. */
  readonly assigns: readonly string[];
  /** INSERT without a column list: which value goes to which column is not in the text, so nothing is pinned. */
  readonly columnsUnknown?: true;
}

/** A function as the text calls it. */
export interface FunctionName {
  readonly schema?: string;
  readonly name: string;
}

/** What a statement does to the session if it succeeds. */
export type EffectKind =
  | 'set' // SET x / SET SESSION x: name, value when literal
  | 'set_local'
  | 'reset'
  | 'reset_all'
  | 'set_config' // called anywhere: name, value when literal
  | 'set_role' // value; undefined for NONE
  | 'set_session_authorization'
  | 'set_characteristics' // SET SESSION CHARACTERISTICS AS TRANSACTION …
  | 'temp' // creates something temporary; with `name`: a table, view or sequence, and nothing else
  | 'hold' // DECLARE … WITH HOLD: name
  | 'close' // CLOSE: name, or undefined for ALL
  | 'advisory' // takes a session-level advisory lock
  | 'advisory_release'
  | 'listen' // name
  | 'unlisten' // name, or undefined for *
  | 'prepare' // SQL PREPARE: name
  | 'execute' // SQL EXECUTE (also inside EXPLAIN and CREATE TABLE AS): name
  | 'deallocate' // name, or undefined for ALL
  | 'discard_all'
  | 'discard_temp'
  | 'discard_plans'
  | 'discard_sequences'
  | 'load'
  | 'seed' // setseed() or SET SEED
  | 'currval' // currval() or lastval(): reads what nextval() left in the session
  | 'nextval' // nextval() or setval()
  | 'snapshot' // pg_export_snapshot()
  | 'slot' // temporary replication slot
  | 'dblink'
  | 'stats' // pg_stat_* state of the own session
  | 'drop' // DROP of something that may be temporary: name
  | 'role_defaults' // ALTER ROLE/DATABASE … SET, ALTER SYSTEM: new sessions differ from old ones
  | 'ddl' // changes a definition: cached plans and catalog facts may be stale
  | 'opaque'; // runs code that no parser sees: DO, CALL, SQL in a string; with `name`: the function of that name, which is not built in

export interface Effect {
  readonly kind: EffectKind;
  readonly name?: string;
  readonly value?: string;
}

/** BEGIN's options, when they say something. */
export interface TransactionOptions {
  readonly readOnly?: boolean;
  readonly isolation?: 'serializable' | 'repeatable read' | 'read committed' | 'read uncommitted';
  readonly deferrable?: boolean;
  /** COMMIT/ROLLBACK AND CHAIN. */
  readonly chain?: boolean;
}

export interface Statement {
  readonly verb: Verb;
  /** Span in the text, in UTF-16 code units, without the semicolon. */
  readonly start: number;
  readonly end: number;
  /**
   * The text proves that it writes nothing, locks no row, and asks for nothing in which a replica differs from its primary,
   * provided that no function of `functions`, view, operator or cast of the user's own does.
   */
  readonly readOnly: boolean;
  /** Every table reference at every query level; empty when it stands on its own and so runs on any host (SELECT 1, SHOW …). */
  readonly relations: readonly Relation[];
  /** Called functions that are not known as harmless built-ins. */
  readonly functions: readonly FunctionName[];
  /** Names taken of a row: `t.name` is a column, or calls a function of that name with the row. */
  readonly fields?: readonly string[];
  /** Called functions that are taken to be harmless built-ins, by name: a user's own of such a name and other arguments may be meant. */
  readonly builtIns?: readonly string[];
  /**
   * Operators that the text names (`!=` as `<>`, LIKE as `~~`, IN as `=`), deduplicated: a user's own may call anything.
   * A cast to a type that is not built in is listed as `::name`, for its cast function may do so too; `(a).b` as `.b`, for b may
   * be a function.
   */
  readonly operators: readonly string[];
  readonly effects: readonly Effect[];
  /**
   * Where no parser has read the statement: each word and quoted name in it, folded. Every relation, function and type that it uses is among
   * them, and `relations` may lack any.
   */
  readonly words?: readonly string[];
  readonly transaction?: TransactionOptions;
  /** COPY … FROM STDIN is `in`, TO STDOUT is `out`; a file or program of the server is `server`. */
  readonly copy?: 'in' | 'out' | 'server';
  /** Why the statement is not fully understood; undefined when it is. A sharded database refuses it, reads go to the primary. */
  readonly opaque?: string;
  /** INSERT, UPDATE, DELETE or MERGE that gives rows back (RETURNING). */
  readonly returning?: true;
}

export interface Facts {
  readonly statements: readonly Statement[];
  /** False when the parser could not read the text (the server will say what is wrong with it, or a newer Postgres knows better). */
  readonly understood: boolean;
  /** Highest `$n` in the text. */
  readonly params: number;
}
