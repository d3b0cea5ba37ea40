/**
 * Every refusal of the router: what a client reads when a sharded database cannot run its statement on one shard, proven.
 * Data with names put in; `route.ts` and `demand.ts` choose, the golden cases hold the words. No value of a parameter or literal appears here.
 * Messages are lower-case like Postgres's, hints are sentences that say what to do.
 */
import type { FunctionName, Statement } from './facts.ts';
import type { Plan, Why } from './plan.ts';
import type { KeyType, ShardedDatabase } from './topology.ts';

export type Reject = Extract<Plan, { kind: 'reject' }>;

/** SQLSTATE feature_not_supported: for all that is not proven or not built. */
const notSupported = '0A000';
/** SQLSTATE not_null_violation. */
const notNull = '23502';

const reject = (why: Why, message: string, hint: string, detail?: string, sqlstate = notSupported): Reject => ({
  kind: 'reject',
  sqlstate,
  message,
  ...(detail === undefined ? {} : { detail }),
  hint,
  why,
});

/** Shards named in a hint; the first three are enough to show what is meant. */
const byItsName = ({ shards }: ShardedDatabase): string => (shards.length > 3 ? `${shards.slice(0, 3).join(', ')}, …` : shards.join(', '));

const onEach = (database: ShardedDatabase): string => `Run it on each shard, connected by its own name (${byItsName(database)}).`;
const onOne = (database: ShardedDatabase): string => `connect to the shard that must run it by its own name (${byItsName(database)})`;

/** The parser could not read the text. */
export const unreadable = (database: ShardedDatabase): Reject =>
  reject(
    'not_proven',
    `statement cannot be read, so its shard in database "${database.name}" is not known`,
    `Check its syntax. If it is right, ${onOne(database)}.`,
  );

/** Part of a statement was not understood; `reason` is the Facts' own. */
export const opaque = (database: ShardedDatabase, reason: string): Reject =>
  reject(
    'not_proven',
    `statement is not understood well enough to know its shard in database "${database.name}"`,
    `Write it in another way, or ${onOne(database)}.`,
    reason,
  );

const kinds: Partial<Readonly<Record<Statement['verb'], string>>> = {
  ddl: 'schema changes are',
  maintenance: 'maintenance commands are',
  do: 'DO is',
  call: 'CALL is',
  lock: 'LOCK TABLE is',
  prepare_transaction: 'PREPARE TRANSACTION is',
  commit_prepared: 'COMMIT PREPARED is',
  rollback_prepared: 'ROLLBACK PREPARED is',
};

/** A kind of statement that a sharded database does not run: it would concern every shard, or hides what it does. */
export const verbNotRouted = (database: ShardedDatabase, verb: Statement['verb']): Reject =>
  reject(
    'not_proven',
    `${kinds[verb] ?? 'this kind of statement is'} not supported on sharded database "${database.name}"`,
    onEach(database),
  );

/** EXECUTE in SQL outside a session that SQL's PREPARE has pinned. */
export const executeNotRouted = (database: ShardedDatabase): Reject =>
  reject(
    'not_proven',
    `EXECUTE is not supported on sharded database "${database.name}" without a PREPARE before it`,
    'Use prepared statements of the protocol: their parameters are routed.',
  );

/** COPY between a table and a file or program of the server. */
export const copyServer = (database: ShardedDatabase): Reject =>
  reject(
    'not_proven',
    `COPY with a file or program of the server is not supported on sharded database "${database.name}"`,
    onEach(database),
  );

/** COPY FROM STDIN into a sharded table. */
export const copyIn = (database: ShardedDatabase, table: string): Reject =>
  reject(
    'not_proven',
    `COPY into table "${table}" is not supported: its rows belong to several shards`,
    `Use INSERT, or COPY the rows of each shard, connected by its own name (${byItsName(database)}).`,
  );

/** A table that [tables.NAME] does not list. */
export const undeclared = (database: ShardedDatabase, table: string): Reject =>
  reject(
    'not_proven',
    `table "${table}" is not declared for sharded database "${database.name}"`,
    `Declare it in [tables.${database.name}]: by its key, "everywhere", or "on=" one shard.`,
  );

/** A bare name of which only qualified ones are declared, or those and the bare one. */
export const unqualified = (database: ShardedDatabase, table: string): Reject =>
  reject(
    'not_proven',
    `table "${table}" of sharded database "${database.name}" is declared with its schema, and the statement names none`,
    `Write the schema in the statement, or declare the table without one in [tables.${database.name}].`,
  );

/** A write to Postgres's own catalogs. */
export const systemWrite = (database: ShardedDatabase, table: string): Reject =>
  reject('not_proven', `cannot write to system catalog "${table}" of sharded database "${database.name}"`, onEach(database));

/** A write to a table that is the same on every shard. */
export const everywhereWrite = (database: ShardedDatabase, table: string): Reject =>
  reject('not_proven', `cannot write to table "${table}", which is the same on every shard`, onEach(database));

/** A statement on such a table that may lock its rows or otherwise do more than read. */
export const everywhereLock = (table: string): Reject =>
  reject(
    'not_proven',
    `statement is not proven to only read table "${table}", which is the same on every shard`,
    'Leave FOR UPDATE and FOR SHARE out: a lock on one shard keeps nobody off the others.',
  );

const keyTypes: Readonly<Record<KeyType, string>> = { integer: 'an integer', text: 'a string', uuid: 'a uuid' };

/** No condition, or none that proves anything, fixes the shard key of a table. */
export const keyNotProven = (table: string, column: string, type: KeyType, inserts: boolean, reason: string | undefined): Reject =>
  reject(
    'not_proven',
    `cannot prove which shard has the rows of table "${table}"`,
    inserts
      ? `Give "${column}" a value in VALUES: ${keyTypes[type]} or a parameter, no expression and no default.`
      : `Compare "${column}" with = or IN to ${keyTypes[type]} or a parameter, wherever the statement uses the table.`,
    reason ?? `No ${inserts ? 'value' : 'condition'} of the statement fixes its shard key "${column}".`,
  );

/** An INSERT without a column list. */
export const columnsNotNamed = (table: string, column: string): Reject =>
  reject(
    'not_proven',
    `cannot prove which shard has the rows of table "${table}"`,
    `Name the columns, "${column}" among them: INSERT INTO ${table} (${column}, …) VALUES ….`,
    'The INSERT does not say which value is for which column.',
  );

/** An INSERT of NULL into the shard key. */
export const nullKey = (table: string, column: string): Reject =>
  reject(
    'not_proven',
    `null value in shard key "${column}" of table "${table}"`,
    'A row without a shard key belongs to no shard. Give it a value.',
    undefined,
    notNull,
  );

/** UPDATE or ON CONFLICT DO UPDATE assigns the shard key. */
export const keyChange = (table: string, column: string): Reject =>
  reject(
    'key_change',
    `cannot change shard key "${column}" of table "${table}"`,
    'The row may belong to another shard then. Insert it with the new key and delete the old row.',
  );

/** The keys of one table lie on several shards. */
export const keysOnManyShards = (table: string, inserts: boolean, shards: number): Reject =>
  inserts
    ? reject('cross_shard', `rows of INSERT into table "${table}" belong to ${shards} shards`, 'Send one INSERT for each shard key.')
    : reject('cross_shard', `statement needs rows of table "${table}" from ${shards} shards`, 'Send one statement for each shard key.');

/** Two tables of one statement are needed on different shards. */
export const tablesOnManyShards = (one: string, other: string): Reject =>
  reject(
    'cross_shard',
    one === other
      ? `statement needs rows of table "${one}" from 2 shards`
      : `tables "${one}" and "${other}" are needed on different shards`,
    'Send one statement for each shard.',
  );

/** Two statements that go to the server together belong to different shards. */
export const statementsOnManyShards = (): Reject =>
  reject('cross_shard', 'statements sent together belong to different shards', 'Send them one by one, each outside a transaction.');

const shownFunction = ({ schema, name }: FunctionName): string => (schema === undefined ? name : `${schema}.${name}`);

/** A function that may read or write tables, where only one shard's would be seen. */
export const functionNotProven = (database: ShardedDatabase, fn: FunctionName): Reject =>
  reject(
    'not_proven',
    `function "${shownFunction(fn)}" is not known to leave the tables of other shards alone`,
    `Declare it IMMUTABLE if its result depends on its arguments only, or ${onOne(database)}.`,
  );

/** A sequence without a table that shows the shard: each shard has its own. */
export const sequenceNotProven = (database: ShardedDatabase, fn: FunctionName): Reject =>
  reject(
    'not_proven',
    `function "${shownFunction(fn)}" would use the sequence of one shard only`,
    `Each shard has its own sequences. Call it in the statement that names the shard key, or ${onOne(database)}.`,
  );

/** An operator that the catalog knows as volatile. */
export const operatorNotProven = (database: ShardedDatabase, operator: string): Reject =>
  reject(
    'not_proven',
    `operator ${operator} is not known to leave the tables of other shards alone`,
    `Declare its function IMMUTABLE if its result depends on its arguments only, or ${onOne(database)}.`,
  );

/** The session holds a server of another shard. */
export const wrongShard = (held: string, wanted: string, inTransaction: boolean): Reject =>
  inTransaction
    ? reject(
        'wrong_shard',
        `transaction is on shard "${held}", but the statement belongs to shard "${wanted}"`,
        'A transaction stays on the shard of its first statement. End it first.',
      )
    : reject(
        'wrong_shard',
        `session is pinned to shard "${held}", but the statement belongs to shard "${wanted}"`,
        'The session keeps state on that shard. Use another connection.',
      );
