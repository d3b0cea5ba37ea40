/** The table of the kinds of session state, and which statements it refuses. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  analyze,
  defaultStateActions,
  loadParsers,
  refuseState,
  type StateKind,
  stateKindNames,
  stateKinds,
  stateRefusal,
} from '../../routing/index.ts';

before(() => loadParsers());

const rejecting = (...kinds: readonly StateKind[]) => ({
  ...defaultStateActions,
  ...Object.fromEntries(kinds.map((kind) => [kind, 'reject'])),
});
const refused = (sql: string, ...kinds: readonly StateKind[]): string | undefined =>
  refuseState(analyze(sql, 'libpg-query'), rejecting(...kinds))?.message;

test('the default of each kind is exact, and each can be rejected', () => {
  for (const kind of stateKindNames) {
    const actions: readonly string[] = stateKinds[kind].actions;
    assert.ok(['track', 'pin'].includes(defaultStateActions[kind]), kind);
    assert.ok(actions.includes('reject') && actions.includes('pin'), kind);
  }
});

test('nothing is refused by default', () => {
  for (const sql of ['set a.b = 1', 'create temp table t ()', 'select f()', 'listen x']) assert.equal(refused(sql), undefined);
});

test('a refusal names the kind, the setting and what to set instead', () => {
  assert.deepEqual(stateRefusal('temp'), {
    kind: 'reject',
    sqlstate: '0A000',
    message: 'temporary objects are not allowed here (session_state.temp = reject)',
    hint: 'Set session_state.temp = pin for this database or user to allow it.',
    why: 'session_state',
  });
});

test('a parameter whose name the text does not show may be the role', () => {
  assert.match(refused('select set_config($1, $2, false)', 'role') ?? '', /session_state\.role/);
  assert.equal(refused("select set_config('app.x', $1, false)", 'role'), undefined);
});

test('going back is never refused', () => {
  for (const sql of [
    'reset all',
    'reset role',
    'set role none',
    'set session authorization default',
    'reset session authorization',
    'reset work_mem',
  ])
    assert.equal(refused(sql, ...stateKindNames), undefined, sql);
});

test('the first statement of several that is refused decides', () => {
  assert.match(refused('select 1; listen x; create temp table t ()', 'temp', 'listen') ?? '', /session_state\.listen/);
});
