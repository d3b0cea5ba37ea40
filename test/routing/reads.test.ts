/** The read/write split of a plain database, as tables. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { route } from '../../routing/route.ts';
import {
  asFacts,
  catalog,
  check,
  database,
  facts,
  inTransaction,
  known,
  on,
  reads,
  selects,
  shown,
  statement,
  unread,
  values,
  view,
  writes,
} from './build.ts';

describe('a plain database', () => {
  for (const name of ['plain', 'primary'])
    for (const [told, given, seen] of [
      ['a read', selects('t'), {}],
      ['a write', statement('insert', { relations: [writes('t')] }), {}],
      ['unread text', unread, {}],
      ['a transaction', selects('t'), on(name)],
      ['a pinned session', selects('t'), on(name, { pinned: true })],
    ] as const)
      it(`sends ${told} to the primary without a split (${name})`, () =>
        assert.equal(shown(route(asFacts(given), values(), database(name), view(seen))), `${name} primary: unsharded`));

  it('lets any host answer a read with reads=any', () => {
    assert.equal(shown(route(facts(selects('t')), values(), database('any'), view({ catalog: known }))), 'any any: read');
  });
});

const toReplica = 'replicas replica: read';
const toPrimary = 'replicas primary: write';
check('a database with reads=replicas', 'replicas', [
  { name: 'sends a plain read to a replica', facts: selects('t'), view: { catalog: known }, plan: toReplica },
  { name: 'sends a read without tables to a replica, without a catalog too', facts: statement('select'), plan: toReplica },
  { name: 'keeps a read on the primary when the catalog was not asked', facts: selects('t'), plan: toPrimary },
  { name: 'keeps a view over unknown code on the primary', facts: selects('a_view'), view: { catalog: known }, plan: toPrimary },
  { name: 'keeps a locking read on the primary', facts: selects('t', { readOnly: false }), view: { catalog: known }, plan: toPrimary },
  {
    name: 'sends immutable functions to a replica',
    facts: statement('select', { functions: [{ name: 'shout' }] }),
    view: { catalog: known },
    plan: toReplica,
  },
  {
    name: 'sends stable functions to a replica',
    facts: statement('select', { functions: [{ name: 'today' }], effects: [{ kind: 'opaque' }] }),
    view: { catalog: known },
    plan: toReplica,
  },
  {
    name: 'keeps volatile functions on the primary',
    facts: statement('select', { functions: [{ name: 'write_log' }] }),
    view: { catalog: known },
    plan: toPrimary,
  },
  {
    name: 'keeps unknown functions on the primary',
    facts: statement('select', { functions: [{ name: 'who_knows' }] }),
    view: { catalog: known },
    plan: toPrimary,
  },
  {
    name: 'keeps functions on the primary without a catalog',
    facts: statement('select', { functions: [{ name: 'shout' }] }),
    plan: toPrimary,
  },
  {
    name: 'keeps volatile operators on the primary',
    facts: statement('select', { operators: ['=', '@@@'] }),
    view: { catalog: known },
    plan: toPrimary,
  },
  {
    name: 'sends other operators to a replica',
    facts: statement('select', { operators: ['='] }),
    view: { catalog: known },
    plan: toReplica,
  },
  { name: 'keeps operators on the primary without a catalog', facts: statement('select', { operators: ['='] }), plan: toPrimary },
  {
    name: 'keeps what changes the session on the primary',
    facts: statement('select', { effects: [{ kind: 'set_config' }] }),
    view: { catalog: known },
    plan: toPrimary,
  },
  { name: 'keeps what is not understood on the primary', facts: statement('select', { opaque: 'odd' }), plan: toPrimary },
  { name: 'keeps unread text on the primary', facts: unread, plan: toPrimary },
  { name: 'keeps SHOW on the primary, whose settings it shows', facts: statement('show', { readOnly: true }), plan: toPrimary },
  { name: 'keeps BEGIN on the primary', facts: statement('begin'), plan: toPrimary },
  { name: 'sends EXPLAIN of a read to a replica', facts: statement('explain', { readOnly: true }), plan: toReplica },
  {
    name: 'sends COPY TO STDOUT to a replica',
    facts: statement('copy', { readOnly: true, copy: 'out', relations: [reads('t')] }),
    view: { catalog: known },
    plan: toReplica,
  },
  { name: 'keeps COPY to a file on the primary', facts: statement('copy', { readOnly: true, copy: 'server' }), plan: toPrimary },
  {
    name: 'keeps what answers for one host on the primary, though it is stable',
    facts: statement('select', { functions: [{ name: 'inet_server_addr' }] }),
    view: { catalog: catalog({ functions: { inet_server_addr: 's' } }) },
    plan: toPrimary,
  },
  {
    name: 'sends several reads together to a replica',
    facts: facts(selects('t'), selects('u')),
    view: { catalog: known },
    plan: toReplica,
  },
  {
    name: 'keeps a read with a write on the primary',
    facts: facts(selects('t'), statement('delete', { relations: [writes('t')] })),
    view: { catalog: known },
    plan: toPrimary,
  },
  { name: "sends reads of Postgres's catalogs to a replica", facts: selects('pg_class'), plan: toReplica },
  {
    name: 'sends reads of information_schema to a replica',
    facts: statement('select', { relations: [{ ...reads('tables'), schema: 'information_schema' }] }),
    plan: toReplica,
  },
  { name: 'keeps what describes the host on the primary', facts: selects('pg_stat_activity'), view: { catalog: known }, plan: toPrimary },
  { name: 'keeps pg_settings on the primary', facts: selects('pg_settings'), view: { catalog: known }, plan: toPrimary },
  {
    name: 'keeps a read in a transaction where it began',
    facts: selects('t'),
    view: { catalog: known, ...on('replicas') },
    plan: 'replicas primary: transaction',
  },
  {
    name: 'keeps a read in a transaction without a server on the primary',
    facts: selects('t'),
    view: { catalog: known, ...inTransaction },
    plan: 'replicas primary: transaction',
  },
  {
    name: 'keeps a pinned session where it is',
    facts: selects('t'),
    view: { catalog: known, pinned: true, held: { database: 'replicas', role: 'replica' } },
    plan: 'replicas replica: pinned',
  },
]);
