/** Which parameters of the user's own a piece of code can set: their names, or that nobody knows them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { namedSettings, namedSettingsInText } from '../../src/client/named-settings.ts';

const NAMED: readonly (readonly [string, ...string[]])[] = [
  ["begin perform set_config('app.q', v, false); end", 'app.q'],
  ["begin perform pg_catalog.set_config ( 'App.Q' , v, false); end", 'app.q'],
  ["select pg_catalog.\"set_config\"('app.q'::text, 'x'::text, false)", 'app.q'],
  ["begin set app.q = 'x'; set session app . r to 1; end", 'app.q', 'app.r'],
  [`begin set/* */"app"."q" = 'x'; end`, 'app.q'],
  ["begin execute 'set app.q = 1'; end", 'app.q'],
  ["begin execute $x$select set_config('app.q', '1', false)$x$; end", 'app.q'],
  ["begin execute 'select set_config(''app.q'', ' || quote_literal(v) || ', false)'; end", 'app.q'],
  ["begin set local work_mem = '1MB'; set role x; set app.q from current; end", 'app.q'],
  ['begin update t set a = 1, "b.c" = 2 where c = 3; end'],
  ["begin execute format('update %I set %I = %L', a, b, c); execute format('alter table %I set (fillfactor = 50)', t); end"],
  ["begin execute format('insert into %I values ($1)', n) using v; end"],
  ["declare s text := 'create table '; begin s := s || n; execute s; end"],
  ["begin select string_agg(format('drop table %I', n), ';') into s from t; execute s; end"],
  ["begin raise notice 'set %', v; raise exception 'cannot set'; end -- set it"],
  ["do $$ begin perform set_config('app.q', 'x', false); end $$", 'app.q'],
  ["begin perform seed, load from dblink where setseed = 'load'; end"],
  ['create trigger t before insert on t for each row execute function f()'],
  ['alter table t alter c set not null, alter d set default 1'],
];

const ANY = [
  'begin perform set_config(n, v, false); end',
  "begin perform set_config('app.' || n, v, false); end",
  "begin perform set_config('app' || '.q', v, false); end",
  "begin perform set_config('app.é', v, false); end",
  'begin perform set_config(setting_name => n, new_value => v, is_local => false); end',
  "begin execute format('set %s = %L', n, v); end",
  "begin execute format('SET app.%I = %L', n, v); end",
  "begin execute 'set ' || n || ' = 1'; end",
  "begin execute 'set app' || '.q = 1'; end",
  "begin execute 'select set_config(' || quote_literal(n) || ', 1, false)'; end",
  'begin execute n; end',
  'declare s text := n; begin execute s; end',
  'begin for r in select * from t loop execute r.command; end loop; end',
  "begin execute '' || n; end",
  "begin execute convert_from(n, 'UTF8'); end",
  'begin perform setseed(0.5); end',
  'begin set seed = 0.5; end',
  "begin perform set_config('seed', v, false); end",
  "begin execute 'select setseed(' || v || ')'; end",
  "begin load 'auto_explain'; end",
  "begin perform dblink_connect('c', v); end",
  'begin set u&"\\0061pp".q = 1; end',
  "do $$ begin execute convert_from('\\x00', 'UTF8'); end $$",
  "do 'begin execute n; end'",
  "create function f(n text) returns void language plpgsql as 'begin execute n; end'",
];

describe('names of parameters in code', () => {
  for (const [text, ...names] of NAMED) {
    it(`are ${names.join(' and ') || 'none'}: ${text}`, () => assert.deepEqual(namedSettings(text), { names, madeUp: false }));
  }
  for (const text of ANY) it(`may be any: ${text}`, () => assert.equal(namedSettings(text).madeUp, true));
});

describe('what a client has sent', () => {
  const madeUp = (text: string): boolean => namedSettingsInText(text).madeUp;

  it('has values in its strings, and code behind DO and AS', () => {
    assert.equal(madeUp("insert into t values ('please set up')"), false);
    assert.equal(madeUp("select set_config($1, 'set', false), 'set'"), true);
    assert.equal(madeUp("do 'begin execute x; end'"), true);
    assert.equal(madeUp("do language plpgsql 'begin execute x; end'"), true);
    assert.equal(madeUp('do $$ begin execute x; end $$'), true);
    assert.deepEqual(namedSettingsInText("select runs('set app.x = 1')"), { names: ['app.x'], madeUp: false });
  });

  it('runs a prepared statement by EXECUTE', () => {
    assert.equal(madeUp('execute p'), false);
    assert.equal(madeUp("do $$ begin execute 'execute p'; end $$"), false);
  });
});
