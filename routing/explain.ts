/** A plan in words, for `shardyard route` and `SHOW ROUTE`: what happens to the statement, where, and why. */
import type { Plan, Role, Why } from './plan.ts';
import type { Database } from './topology.ts';

const roles: Readonly<Record<Role, string>> = {
  primary: 'the primary',
  replica: 'a replica (the primary when none is healthy)',
  any: 'any host',
};

const whys: Readonly<Record<Why, string>> = {
  unsharded: 'a database without sharding and without a read/write split',
  read: 'proven read-only',
  write: 'not proven read-only',
  transaction: 'inside an open transaction',
  pinned: 'the session is pinned to its server connection',
  key: 'the shard key proves the shard',
  everywhere: 'all tables are the same on every shard',
  on: 'a table that lives on one shard',
  any_shard: 'any shard gives the same answer',
  held_back: 'the shard of the transaction is not known yet',
  cross_shard: 'more than one shard would be needed',
  not_proven: 'not proven to need one shard only',
  key_change: 'the row would have to move to another shard',
  wrong_shard: 'the session holds another shard',
  session_state: 'the configuration rejects this kind of session state',
};

const place = (name: string, database: Database | undefined): string => {
  if (database?.kind !== 'sharded') return `database ${name}`;
  const index = database.shards.indexOf(name);
  return index < 0 ? `database ${name}` : `shard ${name} (${index + 1} of ${database.shards.length}) of database ${database.name}`;
};

/** Lines for people; the first tells the decision, `why:` has the word that metrics use. */
export const explain = (plan: Plan, database?: Database): readonly string[] => {
  const why = `why: ${plan.why} (${whys[plan.why]})`;
  switch (plan.kind) {
    case 'one':
      return [`run on ${place(plan.target.database, database)}, ${roles[plan.target.role]}`, why, `detail: ${plan.detail}`];
    case 'transaction':
      return [
        `answer without a server: ${plan.verb === 'other' ? 'the statement is held back' : plan.verb.toUpperCase()}`,
        why,
        `detail: ${plan.detail}`,
      ];
    case 'reject':
      return [
        `refuse with ${plan.sqlstate}: ${plan.message}`,
        why,
        ...(plan.detail === undefined ? [] : [`detail: ${plan.detail}`]),
        `hint: ${plan.hint}`,
      ];
  }
};
