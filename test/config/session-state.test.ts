import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, messagesOf, problemsOf } from './loading.ts';

test('a policy for session state is read for all, for a database and for a user, and each has its own default', () => {
  const config = load(
    '[databases]\nshop = session_state.temp=reject state_audit=always leak_sentinel=0\n[users]\nann = session_state.temp=ignore leak_sentinel=2.5%\n[shardyard]\nsession_state.listen = reject\n',
  );
  assert.equal(config.settings['session_state.listen'], 'reject');
  assert.equal(config.settings['session_state.settings'], 'track');
  assert.equal(config.settings['session_state.temp'], 'pin');
  assert.deepEqual([config.settings.state_audit, config.settings.leak_sentinel], ['opaque', 1]);
  const { 'session_state.temp': temp, state_audit, leak_sentinel } = config.databases.get('shop')!;
  assert.deepEqual([temp, state_audit, leak_sentinel], ['reject', 'always', 0]);
  assert.deepEqual(config.users.get('ann'), { name: 'ann', 'session_state.temp': 'ignore', leak_sentinel: 2.5 });
});

test('a sharded database may have a policy for session state', () => {
  const { databases } = load('[databases]\na = \nshop = shards=a session_state.temp=reject state_audit=off\n');
  assert.equal(databases.get('shop')?.['session_state.temp'], 'reject');
});

test('a policy that a kind does not allow is refused with file, line, key, what was found and what is allowed', () => {
  assert.deepEqual(problemsOf('[shardyard]\nsession_state.temp = track\n'), [
    {
      file: 'test.ini',
      line: 2,
      key: 'session_state.temp',
      found: 'track',
      allowed: 'pin, reject, ignore',
      message: 'session_state.temp: "track" is not allowed; allowed: pin, reject, ignore',
    },
  ]);
  assert.deepEqual(messagesOf('[databases]\nshop = session_state.prepared=ignore\n[users]\nann = state_audit=never\n'), [
    '2: database "shop": session_state.prepared: "ignore" is not allowed; allowed: track, pin, reject',
    '4: user "ann": state_audit: "never" is not allowed; allowed: off, opaque, always',
  ]);
  assert.deepEqual(messagesOf('[shardyard]\nsession_state.tmp = pin\nleak_sentinel = 101%\n'), [
    '2: unknown setting "session_state.tmp"; did you mean "session_state.temp"?',
    '3: leak_sentinel: "101%" is not allowed; allowed: 0, or a percentage up to 100% such as 1% or 0.5%',
  ]);
});

test('a percentage is 0 or has its sign', () => {
  for (const [text, value] of [
    ['0', 0],
    ['0%', 0],
    ['0.5%', 0.5],
    ['1%', 1],
    ['100%', 100],
  ] as const) {
    assert.equal(load(`[shardyard]\nleak_sentinel = ${text}\n`).settings.leak_sentinel, value);
  }
  for (const text of ['1', '-1%', '1 %', '%', '1e2%', ''])
    assert.equal(problemsOf(`[shardyard]\nleak_sentinel = ${text}\n`).length, 1, text);
});
