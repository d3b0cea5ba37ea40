/** Statements of other kinds, transactions and pipelines on a sharded database, as tables. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Statement } from '../../routing/facts.ts';
import { routeAll } from '../../routing/route.ts';
import {
  check,
  database,
  facts,
  insert,
  inTransaction,
  integer,
  known,
  on,
  order,
  parameter,
  pin,
  reads,
  refused,
  shown,
  statement,
  to1,
  unproven,
  unread,
  values,
  view,
  writes,
} from './build.ts';

check('a statement', 'shop', [
  { name: 'without tables runs on the first shard', facts: statement('show'), plan: 'shop_0 primary: any_shard' },
  { name: 'that is empty runs on the first shard', facts: facts(), plan: 'shop_0 replica: any_shard' },
  {
    name: 'that is not read is refused',
    facts: unread,
    plan: '0A000 not_proven: statement cannot be read, so its shard in database "shop" is not known',
  },
  {
    name: 'that is not understood is refused',
    facts: order(integer(5)).relations[0] ? { ...order(integer(5)), opaque: 'odd' } : unread,
    plan: '0A000 not_proven: statement is not understood well enough to know its shard in database "shop"',
  },
  ...(
    [
      ['ddl', 'schema changes are'],
      ['maintenance', 'maintenance commands are'],
      ['do', 'DO is'],
      ['call', 'CALL is'],
      ['prepare_transaction', 'PREPARE TRANSACTION is'],
      ['commit_prepared', 'COMMIT PREPARED is'],
      ['other', 'this kind of statement is'],
    ] as const
  ).map(([verb, what]) => ({ name: `of kind ${verb} is refused`, facts: statement(verb), plan: refused(what) })),
  {
    name: 'that makes something temporary is refused',
    facts: statement('select', { effects: [{ kind: 'temp' }] }),
    plan: refused('schema changes are'),
  },
  {
    name: 'that locks a sharded table is refused',
    facts: statement('lock', { relations: [writes('orders')] }),
    plan: refused('LOCK TABLE is'),
  },
  {
    name: 'that locks a table of one shard goes there',
    facts: statement('lock', { relations: [writes('audit')] }),
    plan: 'shop_1 primary: on',
  },
  {
    name: 'that copies into a sharded table is refused',
    facts: statement('copy', { copy: 'in', relations: [writes('orders')] }),
    plan: '0A000 not_proven: COPY into table "orders" is not supported: its rows belong to several shards',
  },
  {
    name: 'that copies into a table of one shard goes there',
    facts: statement('copy', { copy: 'in', relations: [writes('audit')] }),
    plan: 'shop_1 primary: on',
  },
  {
    name: 'that copies to a file is refused',
    facts: statement('copy', { copy: 'server', relations: [reads('audit')] }),
    plan: '0A000 not_proven: COPY with a file or program of the server is not supported on sharded database "shop"',
  },
  {
    name: 'that prepares for EXECUTE has no values',
    facts: statement('prepare', { relations: order(parameter(1)).relations }),
    values: values('5'),
    plan: unproven,
  },
  {
    name: 'EXECUTE is refused while nothing can be prepared',
    facts: statement('execute', { effects: [{ kind: 'execute' }] }),
    plan: '0A000 not_proven: EXECUTE is not supported on sharded database "shop" without a PREPARE before it',
  },
  {
    name: 'EXECUTE of a pinned session runs where it prepared',
    facts: statement('execute', { effects: [{ kind: 'execute' }] }),
    view: on('shop_1', { pinned: true }),
    plan: 'shop_1 primary: pinned',
  },
  { name: 'LISTEN is on the first shard', facts: statement('listen'), plan: 'shop_0 primary: any_shard' },
  {
    name: 'NOTIFY elsewhere would not be heard',
    facts: statement('notify'),
    view: on('shop_1'),
    plan: '0A000 wrong_shard: transaction is on shard "shop_1", but the statement belongs to shard "shop_0"',
  },
  {
    name: 'with an advisory lock is on the first shard',
    facts: statement('select', { functions: [{ name: 'pg_advisory_lock' }], effects: [{ kind: 'advisory' }] }),
    plan: 'shop_0 primary: any_shard',
  },
  {
    name: 'with an immutable function stays where it is',
    facts: { ...order(integer(5)), functions: [{ name: 'shout' }] },
    view: { catalog: known },
    plan: to1,
  },
  {
    name: 'with a stable function is refused',
    facts: { ...order(integer(5)), functions: [{ name: 'today' }] },
    view: { catalog: known },
    plan: '0A000 not_proven: function "today" is not known to leave the tables of other shards alone',
  },
  {
    name: 'with an unknown function is refused',
    facts: statement('select', { functions: [{ schema: 's', name: 'f' }] }),
    plan: '0A000 not_proven: function "s.f" is not known to leave the tables of other shards alone',
  },
  {
    name: 'with a volatile operator is refused',
    facts: { ...order(integer(5)), operators: ['@@@'] },
    view: { catalog: known },
    plan: '0A000 not_proven: operator @@@ is not known to leave the tables of other shards alone',
  },
  {
    name: 'that asks about the server runs on any',
    facts: statement('select', { functions: [{ name: 'pg_backend_pid' }] }),
    plan: 'shop_0 primary: any_shard',
  },
  {
    name: 'with a sequence needs a shard',
    facts: statement('select', { functions: [{ name: 'nextval' }] }),
    plan: '0A000 not_proven: function "nextval" would use the sequence of one shard only',
  },
  {
    name: 'with a sequence uses that of its shard',
    facts: { ...insert('orders', pin('customer_id', integer(5))), functions: [{ name: 'nextval' }] },
    plan: to1,
  },
]);

const begin = statement('begin');
check('a transaction', 'shop', [
  { name: 'waits for its shard', facts: begin, plan: 'transaction begin: held_back' },
  {
    name: 'that sent nothing commits without a shard',
    facts: statement('commit'),
    view: inTransaction,
    plan: 'transaction commit: held_back',
  },
  {
    name: 'that sent nothing rolls back without a shard',
    facts: statement('rollback'),
    view: inTransaction,
    plan: 'transaction rollback: held_back',
  },
  { name: 'holds a savepoint back', facts: statement('savepoint'), view: inTransaction, plan: 'transaction other: held_back' },
  {
    name: 'holds SET LOCAL back',
    facts: statement('set', { effects: [{ kind: 'set_local' }] }),
    view: inTransaction,
    plan: 'transaction other: held_back',
  },
  {
    name: 'does not hold a SET back that outlives it',
    facts: statement('set', { effects: [{ kind: 'set' }] }),
    view: inTransaction,
    plan: 'shop_0 primary: any_shard',
  },
  {
    name: 'holds COMMIT AND CHAIN back',
    facts: statement('commit', { transaction: { chain: true } }),
    view: inTransaction,
    plan: 'transaction other: held_back',
  },
  { name: 'holds a second BEGIN back, for its warning', facts: begin, view: inTransaction, plan: 'transaction other: held_back' },
  { name: 'goes to the shard of its first statement', facts: order(integer(5)), view: inTransaction, plan: to1 },
  { name: 'stays on its shard', facts: order(integer(5)), view: on('shop_1'), plan: 'shop_1 primary: transaction' },
  { name: 'keeps what any shard can do', facts: statement('select'), view: on('shop_1'), plan: 'shop_1 primary: transaction' },
  {
    name: 'refuses another shard',
    facts: order(integer(2)),
    view: on('shop_1'),
    plan: '0A000 wrong_shard: transaction is on shard "shop_1", but the statement belongs to shard "shop_0"',
  },
  {
    name: 'lets a statement for another shard be described',
    facts: order(integer(2)),
    view: on('shop_1'),
    options: { describeOnly: true },
    plan: 'shop_1 primary: transaction',
  },
  { name: 'commits on its shard', facts: statement('commit'), view: on('shop_1'), plan: 'shop_1 primary: transaction' },
  { name: 'is not ended where none is open', facts: statement('commit'), plan: 'shop_0 primary: any_shard' },
  { name: 'in one text is sent whole', facts: facts(begin, order(integer(5)), insert('audit'), statement('commit')), plan: to1 },
  {
    name: 'in one text over two shards is refused',
    facts: facts(begin, order(integer(5)), order(integer(2)), statement('commit')),
    plan: '0A000 cross_shard: statements sent together belong to different shards',
  },
  { name: 'only described is not begun', facts: begin, options: { describeOnly: true }, plan: 'shop_0 primary: any_shard' },
  {
    name: 'begins on the server that a pinned session holds',
    facts: begin,
    view: on('shop_1', { pinned: true }),
    plan: 'shop_1 primary: pinned',
  },
  {
    name: 'refuses a shard other than the pinned one',
    facts: order(integer(2)),
    view: on('shop_1', { pinned: true }),
    plan: '0A000 wrong_shard: session is pinned to shard "shop_1", but the statement belongs to shard "shop_0"',
  },
]);

describe('a pipeline', () => {
  const pipeline = (...texts: readonly Statement[]): string =>
    shown(
      routeAll(
        texts.map((one) => ({ facts: facts(one), operands: values('5', '2') })),
        database('shop'),
        view(),
      ),
    );

  it('with BEGIN goes to the shard of what follows', () => {
    assert.equal(pipeline(begin, order(parameter(1))), to1);
  });
  it('on one shard is sent together', () => {
    assert.equal(pipeline(order(parameter(1)), statement('select'), insert('audit')), to1);
  });
  it('over two shards is refused', () => {
    assert.equal(
      pipeline(order(parameter(1)), order(parameter(2))),
      '0A000 cross_shard: statements sent together belong to different shards',
    );
  });
  it('with one refusal is refused', () => {
    assert.equal(pipeline(order(parameter(1)), statement('ddl')), refused('schema changes are'));
  });
});
