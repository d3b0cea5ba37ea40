/** Which shard a statement goes to, as tables with Facts built by hand. The same with SQL, and the words of every refusal: cases/route-*.txt. */
import type { Statement } from '../../routing/facts.ts';
import {
  check,
  insert,
  inTransaction,
  integer,
  known,
  nothing,
  order,
  parameter,
  pin,
  reads,
  selects,
  statement,
  string,
  to0,
  to1,
  unproven,
  values,
  writes,
} from './build.ts';

check('a shard key', 'shop', [
  { name: 'in a literal shows the shard', facts: order(integer(5)), plan: to1 },
  { name: 'in a bound parameter shows the shard', facts: order(parameter(1)), values: values('2'), plan: to0 },
  { name: 'without a value shows nothing', facts: order(parameter(1)), plan: unproven },
  { name: 'is not needed to describe', facts: order(parameter(1)), options: { describeOnly: true }, plan: 'shop_0 primary: any_shard' },
  { name: 'in a list of one shard shows it', facts: order(integer(5), integer(6), nothing), plan: to1 },
  {
    name: 'in a list of two shards is refused',
    facts: order(integer(5), integer(2)),
    plan: '0A000 cross_shard: statement needs rows of table "orders" from 2 shards',
  },
  {
    name: 'pinned twice is on the shard of both',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', integer(5), integer(2)), pin('customer_id', integer(5)))] }),
    plan: to1,
  },
  {
    name: 'proven by one of two pins is enough',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', string('x')), pin('customer_id', integer(5)))] }),
    plan: to1,
  },
  {
    name: 'that contradicts itself matches no row, anywhere',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', integer(2)), pin('customer_id', integer(5)))] }),
    plan: 'shop_0 primary: any_shard',
  },
  { name: 'equal to NULL matches no row, anywhere', facts: order(nothing), plan: 'shop_0 primary: any_shard' },
  { name: 'bound to NULL matches no row, anywhere', facts: order(parameter(1)), values: values(null), plan: 'shop_0 primary: any_shard' },
  {
    name: 'is another column than the one pinned',
    facts: selects('orders', { relations: [reads('orders', pin('id', integer(5)))] }),
    plan: unproven,
  },
  {
    name: 'is needed at each place of the table',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', integer(5))), reads('orders')] }),
    plan: unproven,
  },
  {
    name: 'is needed for each table',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', integer(5))), reads('customers', pin('id', integer(6)))] }),
    plan: to1,
  },
  {
    name: 'of two tables on two shards is refused',
    facts: selects('orders', { relations: [reads('orders', pin('customer_id', integer(5))), reads('customers', pin('id', integer(2)))] }),
    plan: '0A000 cross_shard: tables "orders" and "customers" are needed on different shards',
  },
  {
    name: 'of one table on two shards is refused',
    facts: selects('orders', {
      relations: [reads('orders', pin('customer_id', integer(5))), reads('orders', pin('customer_id', integer(2)))],
    }),
    plan: '0A000 cross_shard: statement needs rows of table "orders" from 2 shards',
  },
  {
    name: 'pinned through the key of another table shows the shard',
    facts: selects('orders', {
      relations: [reads('orders', { ...pin('customer_id', integer(5)), through: [{ table: 'customers', column: 'id' }] })],
    }),
    plan: to1,
  },
  {
    name: 'pinned through a key of another type shows nothing',
    facts: selects('orders', {
      relations: [reads('orders', { ...pin('customer_id', integer(5)), through: [{ table: 'documents', column: 'tenant' }] })],
    }),
    plan: unproven,
  },
  {
    name: 'pinned through a column of unknown type shows nothing',
    facts: selects('orders', {
      relations: [reads('orders', { ...pin('customer_id', integer(5)), through: [{ table: 'countries', column: 'id' }] })],
    }),
    plan: unproven,
  },
  {
    name: 'of type text is hashed as text',
    facts: selects('documents', { relations: [reads('documents', pin('tenant', string('globex')))] }),
    plan: to0,
  },
  {
    name: 'of type text is not proven beyond ASCII in another encoding',
    facts: selects('documents', { relations: [reads('documents', pin('tenant', string('é')))] }),
    view: { clientEncoding: 'LATIN1' },
    plan: '0A000 not_proven: cannot prove which shard has the rows of table "documents"',
  },
  {
    name: 'with shard_by=hash is on the remainder',
    facts: selects('hashed', { relations: [reads('hashed', pin('id', integer(2)))] }),
    plan: to0,
  },
  {
    name: 'with shard_by=hash is on the other remainder',
    facts: selects('hashed', { relations: [reads('hashed', pin('id', integer(3)))] }),
    plan: to1,
  },
  {
    name: 'on a shard with replicas sends a proven read there',
    facts: order(integer(2)),
    view: { catalog: known },
    plan: 'shop_0 replica: key',
  },
  {
    name: 'keeps the read on the primary in a transaction',
    facts: order(integer(2)),
    view: { catalog: known, ...inTransaction },
    plan: to0,
  },
]);

check('an INSERT', 'shop', [
  { name: 'goes to the shard of its key', facts: insert('orders', pin('customer_id', integer(5))), plan: to1 },
  {
    name: 'of several rows goes to the shard of all keys',
    facts: insert('orders', pin('customer_id', integer(5), parameter(1))),
    values: values('6'),
    plan: to1,
  },
  {
    name: 'of rows for two shards is refused',
    facts: insert('orders', pin('customer_id', integer(5), integer(2))),
    plan: '0A000 cross_shard: rows of INSERT into table "orders" belong to 2 shards',
  },
  {
    name: 'without its columns is refused',
    facts: statement('insert', { relations: [{ ...writes('orders'), columnsUnknown: true }] }),
    plan: unproven,
  },
  { name: 'without its key is refused', facts: insert('orders'), plan: unproven },
  {
    name: 'with a NULL key is refused',
    facts: insert('orders', pin('customer_id', nothing)),
    plan: '23502 not_proven: null value in shard key "customer_id" of table "orders"',
  },
  {
    name: 'with a key bound to NULL is refused',
    facts: insert('orders', pin('customer_id', integer(5), parameter(1))),
    values: values(null),
    plan: '23502 not_proven: null value in shard key "customer_id" of table "orders"',
  },
  { name: 'stores a number in a text key as text', facts: insert('documents', pin('tenant', integer(123))), plan: to1 },
  {
    name: 'that may change the key of a row is refused',
    facts: statement('insert', { relations: [{ ...writes('orders', pin('customer_id', integer(5))), assigns: ['customer_id'] }] }),
    plan: '0A000 key_change: cannot change shard key "customer_id" of table "orders"',
  },
  {
    name: 'that may change another column is not',
    facts: statement('insert', { relations: [{ ...writes('orders', pin('customer_id', integer(5))), assigns: ['total'] }] }),
    plan: to1,
  },
  {
    name: 'inside another statement is not taken for a condition',
    facts: statement('select', { readOnly: false, relations: [writes('orders', pin('customer_id', nothing))] }),
    plan: '23502 not_proven: null value in shard key "customer_id" of table "orders"',
  },
]);

const write = (verb: 'update' | 'delete', more: Partial<Statement> = {}): Statement =>
  statement(verb, { relations: [writes('orders', pin('customer_id', integer(5)))], ...more });
check('a write', 'shop', [
  { name: 'goes to the shard of its condition', facts: write('update'), plan: to1 },
  { name: 'without a condition is refused', facts: write('delete', { relations: [writes('orders')] }), plan: unproven },
  {
    name: 'where the key is NULL changes no row',
    facts: write('delete', { relations: [writes('orders', pin('customer_id', nothing))] }),
    plan: 'shop_0 primary: any_shard',
  },
  {
    name: 'that assigns the key is refused',
    facts: write('update', { relations: [{ ...writes('orders', pin('customer_id', integer(5))), assigns: ['customer_id'] }] }),
    plan: '0A000 key_change: cannot change shard key "customer_id" of table "orders"',
  },
  {
    name: 'to a table that is everywhere is refused',
    facts: insert('countries'),
    plan: '0A000 not_proven: cannot write to table "countries", which is the same on every shard',
  },
  { name: 'to a table on one shard goes there', facts: insert('audit'), plan: 'shop_1 primary: on' },
  {
    name: 'to a catalog of the system is refused',
    facts: statement('update', { relations: [writes('pg_class')] }),
    plan: '0A000 not_proven: cannot write to system catalog "pg_class" of sharded database "shop"',
  },
]);

const undeclared = (name: string): string => `0A000 not_proven: table "${name}" is not declared for sharded database "shop"`;
check('a table', 'shop', [
  { name: 'that is everywhere is read on any shard', facts: selects('countries'), plan: 'shop_0 primary: everywhere' },
  {
    name: 'that is everywhere goes along with one that is not',
    facts: selects('', { relations: [reads('countries'), reads('audit')] }),
    plan: 'shop_1 primary: on',
  },
  {
    name: 'that is everywhere is not locked',
    facts: selects('countries', { readOnly: false }),
    plan: '0A000 not_proven: statement is not proven to only read table "countries", which is the same on every shard',
  },
  {
    name: 'on one shard conflicts with another on another',
    facts: selects('', { relations: [reads('audit'), reads('settings')] }),
    plan: '0A000 cross_shard: tables "audit" and "settings" are needed on different shards',
  },
  { name: 'that is not declared is refused', facts: selects('unknown'), plan: undeclared('unknown') },
  {
    name: 'of another schema matches a bare declaration',
    facts: selects('', { relations: [{ ...reads('countries'), schema: 'sales' }] }),
    plan: 'shop_0 primary: everywhere',
  },
  {
    name: 'of a schema of the system does not',
    facts: selects('', { relations: [{ ...reads('countries'), schema: 'pg_temp' }] }),
    plan: undeclared('pg_temp.countries'),
  },
  {
    name: 'declared with its schema is found with it',
    facts: selects('', { relations: [{ ...reads('ledger', pin('account', integer(5))), schema: 'finance' }] }),
    plan: to1,
  },
  {
    name: 'declared with its schema is not found in another',
    facts: selects('', { relations: [{ ...reads('ledger', pin('account', integer(5))), schema: 'other' }] }),
    plan: undeclared('other.ledger'),
  },
  {
    name: 'declared with its schema is not found without',
    facts: selects('ledger'),
    plan: '0A000 not_proven: table "ledger" of sharded database "shop" is declared with its schema, and the statement names none',
  },
  { name: 'of the system is read on any shard', facts: selects('pg_class'), plan: 'shop_0 replica: any_shard' },
]);
