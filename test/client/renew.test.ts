/** Which requests may be sent once more after a plan was stale, and from where. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renewableFrom } from '../../src/client/renew.ts';
import { Request } from '../../src/client/request.ts';
import { readingOf, StatementNames, Texts } from '../../src/client/statements.ts';
import { isStalePlan } from '../../src/relay/stale-plan.ts';
import { internReported } from '../../src/server/reported.ts';
import * as code from '../../src/wire/codes.ts';
import { type BindOptions, bind, close, describe as describes, execute, flush, frame, parse, sync } from '../support/raw-frames.ts';

const reading = readingOf(internReported(new Map([['standard_conforming_strings', 'on']])));
const reader = { output: { reading }, isSharded: false };
const P = describes('P');
const S = describes('S', 's');
const E = execute();
const Z = sync();
const T = parse('select * from t', 's');
const B = (options: BindOptions = {}): Buffer => bind({ statement: 's', ...options });

/** The item from which the request goes on that the server has refused at its Bind or Describe. */
function from(refused: 'bind' | 'describe' | 'execute', frames: readonly Buffer[], types: readonly number[] = []): number | undefined {
  const texts = new Texts(
    () => 100,
    () => 'libpg-query',
    () => 0,
  );
  const names = new StatementNames();
  const sent = (request: Request, all: readonly Buffer[]): Request => {
    for (const each of all) request.add(each[0]!, each, 0, each.length, reader);
    return request;
  };
  const first = sent(new Request(texts, names), [parse('select * from t', 's', types)]);
  names.named.set('s', first.items[0]!.prepared!);
  names.named.set('other', first.items[0]!.prepared!);
  const request = sent(new Request(texts, names), frames);
  request.sent();
  return request.onlyPart === undefined ? undefined : renewableFrom(request.onlyPart, refused);
}

describe('a request that failed by a stale plan', () => {
  it('is sent again from where it failed, when it tells the client the columns', () => {
    assert.equal(from('bind', [B(), P, E, Z]), 0);
    assert.equal(from('bind', [B(), P, Z]), 0);
    assert.equal(from('bind', [bind({ statement: 's', portal: 'p' }), describes('P', 'p'), execute('p', 5), Z]), 0);
    assert.equal(from('describe', [S, Z]), 0);
    assert.equal(from('describe', [S, B(), E, Z]), 0);
  });

  it('is sent again from behind its Parse, whatever else it has', () => {
    assert.equal(from('bind', [T, B(), E, Z]), 1);
    assert.equal(from('describe', [T, S, Z]), 1);
    assert.equal(from('bind', [T, B({ values: [Buffer.alloc(4)], formats: [1], resultFormats: [1, 0] }), E, Z]), 1);
  });

  it('is not when its statement is not known', () => {
    const unknown = { statement: 'never parsed', values: [Buffer.from('4')] };
    assert.equal(from('bind', [bind(unknown), P, E, Z]), undefined);
  });

  it('is not when the client is not told the columns, or was told others', () => {
    assert.equal(from('bind', [B(), E, Z]), undefined);
    assert.equal(from('bind', [S, B(), P, E, Z]), undefined);
    assert.equal(from('bind', [T, S, B(), P, E, Z]), undefined);
  });

  it('is not when it has another form', () => {
    for (const frames of [
      [B(), P, E, E, Z],
      [B(), P, E, B(), P, E, Z],
      [B(), E, P, Z],
      [B(), P, E],
      [B(), P, E, flush()],
      [bind({ statement: 's', portal: 'p' }), P, E, Z],
      [B(), describes('P', 'p'), E, Z],
      [B(), P, execute('p'), Z],
      [bind({ statement: '' }), P, E, Z],
      [close('P', ''), B(), P, E, Z],
      [close('S', 's'), T, B(), E, Z],
      [describes('S', 'other'), B(), P, E, Z],
      [parse('select * from t', 'other'), B(), P, E, Z],
    ])
      assert.equal(from('bind', frames), undefined);
    assert.equal(from('execute', [B(), P, E, Z]), undefined);
    assert.equal(from('describe', [B(), P, E, Z]), undefined);
  });

  it('may have binary values only of declared types, and one format of results', () => {
    const four = Buffer.from([0, 0, 0, 1]);
    const at = (options: BindOptions, types: readonly number[] = []): number | undefined => from('bind', [B(options), P, E, Z], types);
    assert.equal(at({ values: ['1', null], formats: [] }), 0);
    assert.equal(at({ values: ['1', null], formats: [0, 0], resultFormats: [1] }), 0);
    assert.equal(at({ values: [four], formats: [1] }), undefined);
    assert.equal(at({ values: [four], formats: [1] }, [0]), undefined);
    assert.equal(at({ values: [four], formats: [1] }, [23]), 0);
    assert.equal(at({ values: [four, '2'], formats: [1, 0] }, [23]), undefined);
    assert.equal(at({ values: [four, '2'], formats: [1, 0] }, [23, 25]), 0);
    assert.equal(at({ values: [], resultFormats: [0, 0] }), undefined);
    assert.equal(at({ values: ['1', null, ''], resultFormats: [0, 1] }), undefined);
  });

  it('is not when it came in parts, or was large', () => {
    assert.equal(from('bind', [B({ values: ['x'.repeat(60_000)] }), P, E, Z]), 0);
    assert.equal(from('bind', [B({ values: ['x'.repeat(70_000)] }), P, E, Z]), undefined);
    const request = new Request(
      new Texts(
        () => 100,
        () => 'libpg-query',
        () => 0,
      ),
      new StatementNames(),
    );
    const named = parse('select 1', 's');
    request.add(code.PARSE, named, 0, named.length, reader);
    request.sent();
    assert.equal(request.onlyPart?.items.length, 1);
    request.add(code.SYNC, Z, 0, 5, reader);
    request.sent();
    assert.equal(request.onlyPart, undefined);
    request.clear();
    assert.equal(request.onlyPart, undefined);
  });

  it('is known by the error’s code and by where in Postgres it comes from', () => {
    const error = (...fields: readonly string[]): Buffer => frame('E', `${['SERROR', 'VERROR', ...fields].join('\0')}\0\0`);
    assert.equal(isStalePlan(error('C0A000', 'Mcached plan must not change result type', 'RRevalidateCachedQuery')), true);
    assert.equal(isStalePlan(error('C0A000', 'Mcached plan must not change result type', 'Rexec_stmt_raise')), false);
    assert.equal(isStalePlan(error('C42P01', 'Mno', 'RRevalidateCachedQuery')), false);
    assert.equal(isStalePlan(error('C0A000', 'MRRevalidateCachedQuery')), false);
  });
});
