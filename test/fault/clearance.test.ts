/** What the catalog says of a text: wherever code of the user's own could run without a word of it in the text, nothing is shared. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../integration/eventually.ts';
import { type Postgres, query, startPostgres } from '../support/postgres.ts';
import { type RawClient, rawLogIn, rows } from '../support/raw-client.ts';
import { type Shardyard, startInFront } from '../support/shardyard.ts';

const CODE = "language plpgsql as $$ begin perform set_config('my.var', 'leaked', false); return";
const SNEAKY: Readonly<Record<string, readonly [made: string, undone: string, text: string]>> = {
  'a view': [
    `create function code() returns int ${CODE} 1; end $$; alter table t rename to t_; create view t as select code() as id`,
    'drop view t; alter table t_ rename to t; drop function code',
    'select id from t limit 1',
  ],
  'a table with row level security': [
    'alter table t enable row level security',
    'alter table t disable row level security',
    'select id from t',
  ],
  'a function of the name of a built-in': [
    `create function lower(int) returns int ${CODE} 1; end $$`,
    'drop function lower(int)',
    'select lower(v), id from t',
  ],
  'an operator of the name of a built-in': [
    `create function eq(text, int) returns bool ${CODE} true; end $$; create operator = (leftarg = text, rightarg = int, procedure = eq)`,
    'drop operator = (text, int); drop function eq',
    'select id from t join u using (x)',
  ],
  'a function that a column’s name calls': [
    `create function f(t) returns int ${CODE} 1; end $$`,
    'drop function f(t)',
    'select t.id, t.v from t',
  ],
  'a function that a column’s name calls with any row': [
    `create function f(anyelement) returns int ${CODE} 1; end $$`,
    'drop function f(anyelement)',
    'select t.id from t where t.id > 0',
  ],
  'a function that a column’s name calls with a default': [
    `create function f(t, int default 1) returns int ${CODE} 1; end $$`,
    'drop function f(t, int)',
    'select t.id from t where t.id > 1',
  ],
  'a function of the rows of a parent': [
    `create table p (a int); create table c () inherits (p); create function f(p) returns int ${CODE} 1; end $$`,
    'drop function f(p); drop table c; drop table p',
    'select t.id from t where t.id > 2',
  ],
  'a cast': [
    `create type pair as (a int, b int); create function to_int(pair) returns int ${CODE} 1; end $$; create cast (pair as int) with function to_int(pair) as implicit`,
    'drop cast (pair as int); drop function to_int(pair); drop type pair',
    'select id + 1 from t',
  ],
  'a check of a domain': [
    `create function ok(int) returns bool ${CODE} true; end $$; create domain d as int check (ok(value))`,
    'drop domain d; drop function ok',
    'select id + 2 from t',
  ],
  'an order of the user’s own': [
    `create type two as (a int, b int); create function lt(two, two) returns bool ${CODE} true; end $$; create operator <# (leftarg = two, rightarg = two, procedure = lt); create operator class two_ops for type two using btree as operator 1 <#`,
    'drop operator class two_ops using btree; drop operator family two_ops using btree; drop operator <# (two, two); drop function lt; drop type two',
    'select id + 3 from t',
  ],
  'a partition elsewhere': [
    'create foreign data wrapper w; create server s foreign data wrapper w; create table p (a int) partition by list (a); create foreign table c partition of p for values in (1) server s',
    'drop table p; drop server s; drop foreign data wrapper w',
    'select id + 4 from t',
  ],
};

describe('the catalog is asked before a query travels with others', () => {
  let postgres: Postgres;
  let shardyard: Shardyard;
  let client: RawClient;
  let admin: RawClient;
  before(async () => {
    postgres = await startPostgres();
    await query(postgres, "create table t (id int, v text, x text); create table u (x text); insert into t values (1, 'A', 'x')");
    shardyard = await startInFront(postgres);
    client = await rawLogIn(shardyard, { user: 'postgres', database: 'postgres' });
    admin = await rawLogIn(shardyard, { user: 'postgres', database: 'pgbouncer' });
  });
  after(async () => {
    client?.destroy();
    admin?.destroy();
    await shardyard?.stop();
    await postgres?.stop();
  });
  const shared = async (): Promise<number> => {
    const answer = await admin.query('show pipeline');
    const at = answer.find(({ type }) => type === 'T')!.columns!.findIndex(({ name }) => name === 'shared');
    return rows(answer).reduce((sum, row) => sum + Number(row[at]), 0);
  };
  /** How many of eight runs were shared, after as many that may be slow. */
  async function sharedOf(text: string): Promise<number> {
    for (let i = 0; i < 8; i++) await client.query(text);
    const first = await shared();
    for (let i = 0; i < 8; i++) await client.query(text);
    return (await shared()) - first;
  }
  const isShared = (text: string) => eventually(async () => assert.equal(await sharedOf(text), 8));

  for (const [what, [made, undone, text]] of Object.entries(SNEAKY)) {
    it(what, async () => {
      await isShared(text);
      await client.query(made);
      assert.equal(await sharedOf(text), 0);
      await client.query(undone);
      await isShared(text);
    });
  }
});
