/** What a body says, and what is known of names whose code was read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namesIn, readBody } from '../../src/client/function-body.ts';
import { KnownCode, type Names, type Use } from '../../src/client/known-code.ts';

const HARMFUL = [
  'begin execute x; end',
  'begin set work_mem = 1; end',
  "begin if true then set app.x = 'a'; end if; end",
  'begin for r in select 1 from t for update loop set a = 1; end loop; end',
  'begin if exists (select 1 from t for update) then set a = 1; end if; end',
  "select set_config('a.b', 'c', false)",
  "select \"set_config\"('a.b', 'c', false)",
  'select pg_advisory_lock(1)',
  "select query_to_xml('select 1', true, true, '')",
  'create temp table x ()',
  'declare c cursor with hold for select 1',
  'begin do $$ x $$; end',
  'begin do language plpgsql x; end',
  'select U&"\\0073et_config"(1)',
  'select "größe"()',
  "select '\\'; set a = 1; select '",
  'select $q$ set a = 1 $q$',
  'begin reset all; end',
  'listen x',
  `select ${'x'.repeat(64)}()`,
];
const HARMLESS = [
  "update t set a = 1 where b = 'set x'",
  'update only s.t as x set a = 1',
  'update "My Table" set a = 1',
  'insert into t values (1) on conflict do nothing',
  'insert into t values (1) on conflict (a) do update set a = 2',
  'merge into t using u on a = b when matched then update set a = 1',
  'begin -- execute it, then reset\n return new; end',
  'begin /* set a = 1 */ return new; end',
  "begin raise exception 'cannot create a temp table'; end",
  'select nextval(1)',
];

describe('the body of a function', () => {
  for (const body of HARMFUL) it(`is harmful: ${body.slice(0, 70)}`, () => assert.equal(readBody(body).harmful, true));
  for (const body of HARMLESS) it(`is harmless: ${body.slice(0, 70)}`, () => assert.equal(readBody(body).harmful, false));

  it('names what stands in it, folded as Postgres does, and nothing of its strings and comments', () => {
    assert.deepEqual(namesIn('select A."B c"(x) -- not this\n from \'nor this\' /* or that */'), ['select', 'a', 'B c', 'x', 'from']);
  });

  it('can draw from a sequence where it inserts or updates', () => {
    assert.equal(readBody('select 1').draws, false);
    assert.equal(readBody('insert into t values (default)').draws, true);
  });

  it('reads what was drawn where it names currval() or lastval(), which is no harm', () => {
    const { reads, harmful } = readBody("begin new.a := CurrVal('s'); return new; end");
    assert.deepEqual([reads, harmful], [true, false]);
    assert.equal(readBody("begin raise notice 'lastval'; end").reads, false);
    assert.equal(readBody('begin execute x; return lastval(); end').reads, true);
  });
});

const use = (kind: Use['kind'], name: string): Use => ({ kind, name });
const fn = (name: string, body: string, language = 'sql', trusted = 'f') => ['function', name, language, trusted, body];

describe('known code', () => {
  const as = (...names: string[]): Names => {
    const all = new Set(names);
    return { function: all, relation: all, type: all, operator: all };
  };
  function learn(known: KnownCode, names: string[], quick: (string | null)[][] = [], deep: (string | null)[][] = []): void {
    known.learn({ names: as(...names), quick, deep, changes: known.changes });
  }
  const verdict = (known: KnownCode, ...uses: Use[]) => known.judge(uses).verdict;

  it('says what it must ask for, from a name to what its body names', () => {
    const known = new KnownCode();
    const wanted = () => [...known.judge([use('function', 'f')]).wanted.function].sort();
    assert.deepEqual(wanted(), ['f']);
    learn(known, ['f'], [fn('f', 'select g()')]);
    assert.deepEqual(wanted(), ['g', 'select']);
    learn(known, ['g', 'select'], [fn('g', 'f')]);
    assert.equal(verdict(known, use('function', 'f')), 'quiet');
  });

  it('takes the worst of several functions of a name, and what is not found for harmful', () => {
    const known = new KnownCode();
    learn(known, ['f', 'none', 'execute'], [fn('f', ''), fn('f', 'execute')]);
    assert.equal(verdict(known, use('function', 'f')), 'harmful');
    assert.equal(verdict(known, use('function', 'none')), 'harmful');
    assert.equal(verdict(known, use('read', 'none')), 'quiet');
  });

  it('trusts functions in C of extensions that it knows, and no others', () => {
    const known = new KnownCode();
    learn(known, ['a', 'b', 'c'], [fn('a', 'x', 'c', 't'), fn('b', 'x', 'c'), fn('c', 'x', 'plpython3u', 't')]);
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => verdict(known, use('function', name))),
      ['quiet', 'harmful', 'harmful'],
    );
  });

  it('follows harmful code, too, to find what makes up names of parameters', () => {
    const known = new KnownCode();
    const names = ['f', 'g', 'h', 'set_config', 'perform', 'app', 'q', 'a', 'false', 'x'];
    const volatile = ['volatile', 'set_config'];
    learn(known, names, [
      fn('f', "perform g(), set_config('app.q', 'x', false)"),
      fn('g', "perform set_config('app.' || a, 'x', false)"),
      fn('h', "perform set_config('app.q', a, false)"),
      volatile,
    ]);
    const judged = ['f', 'g', 'h'].map((name) => known.judge([use('function', name)]));
    assert.deepEqual(
      judged.map(({ verdict: found, madeUp }) => [found, madeUp]),
      [
        ['harmful', true],
        ['harmful', true],
        ['harmful', false],
      ],
    );
  });

  it('tells reading a relation from writing it', () => {
    const known = new KnownCode();
    learn(known, ['t', 'f', 'execute'], [fn('f', 'execute'), ['relation', 't', 't']], [['runs', 't', 'w', 'f']]);
    assert.equal(verdict(known, use('read', 't')), 'quiet');
    assert.equal(verdict(known, use('write', 't')), 'harmful');
  });

  it('knows that writing pg_settings sets parameters', () => {
    const known = new KnownCode();
    learn(known, ['pg_settings']);
    assert.deepEqual([verdict(known, use('read', 'pg_settings')), verdict(known, use('write', 'pg_settings'))], ['quiet', 'harmful']);
  });

  it('counts casts that nobody writes to everything', () => {
    const known = new KnownCode();
    learn(known, ['t', 'f', 'execute'], [fn('f', 'execute'), ['cast', 'f']]);
    assert.equal(verdict(known, use('read', 't')), 'harmful');
  });

  it('forgets what a definition names, and what is reached through it', () => {
    const known = new KnownCode();
    learn(known, ['parent', 'child', 'other'], [['relation', 'parent', 't']], [['through', 'parent', 'w', 'child']]);
    for (const name of ['parent', 'child', 'other']) assert.equal(verdict(known, use('write', name)), 'quiet');
    known.changed('create trigger t before insert on child execute function f()');
    assert.deepEqual(
      ['parent', 'child', 'other'].map((name) => verdict(known, use('write', name))),
      ['unknown', 'unknown', 'quiet'],
    );
    known.changed('drop table other');
    assert.equal(verdict(known, use('write', 'other')), 'quiet');
    known.changed('create extension hstore');
    assert.equal(verdict(known, use('write', 'other')), 'unknown');
  });

  it('does not believe what was asked before a definition changed', () => {
    const known = new KnownCode();
    const { changes } = known;
    known.changed('create table t ()');
    known.learn({ names: as('t'), quick: [], deep: [], changes });
    assert.equal(verdict(known, use('read', 't')), 'unknown');
  });

  it('asks again for what runs anywhere when everything is forgotten', () => {
    const known = new KnownCode();
    learn(known, ['t'], [['cast', 'f'], fn('f', 'execute')]);
    const { changes } = known;
    known.forget();
    assert.equal(known.knowsAnywhere, false);
    known.learn({ names: as('t'), quick: [], deep: [], changes });
    assert.equal(known.knowsAnywhere, false);
  });

  it('knows from name to name who draws from sequences, and who reads what was drawn', () => {
    const known = new KnownCode();
    const built = [
      ['volatile', 'currval'],
      ['volatile', 'nextval'],
    ];
    learn(known, ['f', 'currval', 'nextval', 't', 'g', 'serial', 'plain'], [fn('f', 'currval'), fn('g', 'f'), ...built], []);
    learn(known, ['t'], [['relation', 't', 't', 'f']], [['runs', 't', 'w', 'g']]);
    learn(
      known,
      ['serial', 'plain'],
      [
        ['relation', 'serial', 'f', 't'],
        ['relation', 'plain', 'f', 'f'],
      ],
    );
    learn(known, ['parent'], [['relation', 'parent', 't', 'f']], [['runs', 'parent', 'w', 'nextval']]);
    const of = (...uses: Use[]) => [known.judge(uses).verdict, known.judge(uses).reads];
    assert.deepEqual(of(use('write', 't')), ['quiet', 'surely']);
    assert.deepEqual(of(use('read', 't')), ['quiet', 'never']);
    assert.deepEqual(of(use('write', 'serial')), ['draws', 'never']);
    assert.deepEqual(of(use('write', 'parent')), ['draws', 'never']);
    assert.deepEqual(of(use('read', 'serial'), use('write', 'plain')), ['quiet', 'never']);
    assert.deepEqual(of(use('write', 'plain'), use('write', 'serial'), use('word', 'g')), ['draws', 'surely']);
  });

  it('may read what was drawn where it is not known, or cannot be followed', () => {
    const known = new KnownCode();
    learn(known, ['opaque', 'both', 'c', 'quiet'], [fn('opaque', 'execute'), fn('both', 'execute currval'), fn('c', 'x', 'c')]);
    const reads = (name: string) => known.judge([use('word', 'quiet'), use('function', name)]).reads;
    assert.deepEqual(['opaque', 'c', 'never_seen', 'both'].map(reads), ['perhaps', 'perhaps', 'perhaps', 'surely']);
    known.changed('alter table quiet add a int');
    assert.equal(known.judge([use('write', 'quiet')]).reads, 'perhaps');
  });

  it('never asks for a name that is not plain', () => {
    const known = new KnownCode();
    assert.equal(verdict(known, use('read', 'größe')), 'harmful');
    assert.equal(verdict(known, use('function', 'x'.repeat(64))), 'harmful');
  });
});
