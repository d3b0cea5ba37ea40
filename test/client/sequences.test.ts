/** Whose numbers a server remembers, and before which requests it must forget them. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { analyze, loadParsers } from '../../routing/index.ts';
import { KnownCode, type Names } from '../../src/client/known-code.ts';
import type { Request } from '../../src/client/request.ts';
import { Sequences } from '../../src/client/sequences.ts';
import { StatementNames } from '../../src/client/statements.ts';
import { Learnt } from '../../src/learnt.ts';
import type { Server } from '../../src/server/server.ts';
import { STATUS_IDLE, STATUS_TRANSACTION } from '../../src/wire/codes.ts';

before(loadParsers);

const requestOf = (text: string): Request => {
  const facts = analyze(text);
  const hasEffects = facts.statements.some(({ effects }) => effects.length > 0);
  return { facts: () => [facts], hasEffects, isFunctionCall: false, executed: [] } as Partial<Request> as Request;
};
const serverOf = (sequenceUser: Server['sequenceUser'] = 'nobody') => ({ sequenceUser, status: STATUS_IDLE }) as Server;
const namesOf = (...all: string[]): Names => {
  const names = new Set(all);
  return { function: names, relation: names, type: names, operator: names };
};

/** A table `plain`, one with a serial column, one with a trigger that reads lastval(), one whose trigger nobody can follow. */
function someCode(): KnownCode {
  const known = new KnownCode();
  const quick = [
    ['relation', 'plain', 'f', 'f'],
    ['relation', 'serial', 'f', 't'],
    ['relation', 'reading', 't', 'f'],
    ['relation', 'opaque', 't', 'f'],
    ['function', 'reads', 'plpgsql', 'f', 'lastval'],
    ['function', 'runs', 'plpgsql', 'f', 'execute'],
    ['volatile', 'lastval'],
  ];
  const deep = [
    ['runs', 'reading', 'w', 'reads'],
    ['runs', 'opaque', 'w', 'runs'],
  ];
  const names = namesOf('plain', 'serial', 'reading', 'opaque', 'reads', 'runs', 'lastval');
  known.learn({ names, quick, deep, changes: known.changes });
  return known;
}

describe('sequences', () => {
  const learnt = () => new Learnt(() => 0);
  function session(id: number, all = learnt(), keeps = false): Sequences & { runs(text: string, server: Server): boolean } {
    const known = someCode();
    const sequences = new Sequences({
      identity: { id, database: 'd' },
      user: 'u',
      learnt: {
        ...({} as Learnt),
        usesCurrval: (d, u) => all.usesCurrval(d, u),
        learnCurrval: (d, u) => all.learnCurrval(d, u),
        drawsEarly: (d, u) => all.drawsEarly(d, u),
      } as Learnt,
      names: new StatementNames(),
      judge: (uses) => known.judge(uses),
      hasTemporary: () => false,
      keepsServer: () => keeps,
    });
    const runs = (text: string, server: Server): boolean =>
      analyze(text)
        .statements.map((statement) => sequences.used(statement, server, () => []))
        .some((pins) => pins);
    return Object.assign(sequences, { runs });
  }
  const late = (): Learnt => {
    const all = learnt();
    while (all.drawsEarly('d', 'u'));
    return all;
  };

  it('are of the session that drew on a new server, of nobody known when another has, and of nobody after DISCARD', () => {
    const [one, other, server] = [session(1), session(2), serverOf()];
    one.runs('insert into plain values (1); select * from plain', server);
    assert.equal(server.sequenceUser, 'nobody');
    one.runs('insert into serial values (default)', server);
    assert.equal(server.sequenceUser, 1);
    other.runs('update plain set a = 1', server);
    assert.equal(server.sequenceUser, 1);
    other.runs("select nextval('s')", server);
    assert.equal(server.sequenceUser, undefined);
    other.forgotten(server);
    assert.equal(server.sequenceUser, 'nobody');
  });

  it('are of nobody known when their session has drawn elsewhere since, or is over', () => {
    const one = session(1);
    const [first, second] = [serverOf(), serverOf()];
    one.runs("select nextval('s')", first);
    one.runs("select nextval('s')", second);
    assert.deepEqual([first.sequenceUser, second.sequenceUser], [undefined, 1]);
    one.forget();
    assert.equal(second.sequenceUser, undefined);
  });

  it('are forgotten before who may read them on a server where others drew, and before no others', () => {
    const one = session(1, late());
    const forgets = (text: string, of?: Server['sequenceUser']) =>
      one.mustForget(requestOf(text), true, Object.assign(serverOf(), { sequenceUser: of }));
    for (const text of [
      'select lastval()',
      "select 1; select currval('s')",
      'insert into reading values (1)',
      'insert into opaque values (1)',
      'insert into never_seen values (1)',
      'do $$ begin end $$',
      'execute p',
      'create table t as select 1',
      'declare c cursor for select lastval()',
    ]) {
      assert.deepEqual([forgets(text), forgets(text, 2), forgets(text, 1)], [true, true, false], text);
    }
    for (const text of [
      'insert into plain values (1)',
      'select * from plain, reading',
      'insert into serial values (1)',
      "select nextval('s')",
      'begin',
    ])
      assert.equal(forgets(text), false, text);
    assert.equal(forgets('select lastval()', 'nobody'), true);
    assert.equal(forgets('insert into reading values (1)', 'nobody'), false);
  });

  it('are forgotten before a request of which not all is there, a function called by its number, and a portal that is not known', () => {
    const one = session(1);
    const request = requestOf('select * from plain');
    assert.equal(one.mustForget(request, false, serverOf(2)), true);
    assert.equal(one.mustForget(Object.assign(request, { isFunctionCall: true }), true, serverOf(2)), true);
    assert.equal(one.mustForget(Object.assign(request, { isFunctionCall: false, executed: [undefined] }), true, serverOf(2)), true);
    assert.equal(one.mustForget(request, false, serverOf()), false);
  });

  it('are forgotten before the first draws of a user, and of those who keep their server or may read', () => {
    const draws = requestOf('insert into serial values (default)');
    const all = late();
    assert.equal(session(1).mustForget(draws, true, serverOf(2)), true);
    assert.equal(session(1, all).mustForget(draws, true, serverOf(2)), false);
    const later = requestOf('set transaction isolation level serializable; insert into serial values (default)');
    assert.equal(session(1).mustForget(later, true, Object.assign(serverOf(2), { status: STATUS_TRANSACTION })), false);
    assert.equal(session(1, all, true).mustForget(draws, true, serverOf(2)), true);
    all.learnCurrval('d', 'u');
    assert.equal(session(1, all).mustForget(draws, true, serverOf(2)), true);
    assert.equal(session(1, all).mustForget(requestOf('update plain set a = 1'), true, serverOf(2)), false);
  });

  it('pin who draws where somebody was seen to read them, also by a trigger', () => {
    const all = learnt();
    const [one, server] = [session(1, all), serverOf()];
    assert.equal(one.runs('insert into serial values (1)', server), false);
    assert.equal(one.runs('insert into reading values (1)', server), true);
    const other = session(2, all);
    assert.equal(other.runs('insert into plain values (1)', serverOf()), false);
    assert.equal(other.runs('select * from never_seen', serverOf()), false);
    assert.equal(other.runs('insert into serial values (1)', serverOf()), true);
  });
});
