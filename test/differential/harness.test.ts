/** The harness itself, without a server: seeds repeat, scripts become small, and what cannot be told apart is not told apart. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frames } from '../support/raw-client.ts';
import { CLIENTS, generateRound } from './generate.ts';
import { printScript, type Round, type Script, type Step } from './script.ts';
import { shrink } from './shrink.ts';
import { catalogueWithout } from './statements.ts';
import { lines } from './transcript.ts';

const catalogue = catalogueWithout([]);
const simple = (...statements: readonly string[]): Step => ({ step: 'query', statements });
const texts = (script: Script): string => printScript(script).join('\n');

describe('generated rounds', () => {
  it('are the same for the same seed and number', () => {
    assert.deepEqual(generateRound(7, 3, { catalogue }), generateRound(7, 3, { catalogue }));
    assert.notDeepEqual(generateRound(7, 3, { catalogue }), generateRound(7, 4, { catalogue }));
    assert.notDeepEqual(generateRound(7, 3, { catalogue }), generateRound(8, 3, { catalogue }));
  });

  it('have each client in a slot of its own, and no placeholder left', () => {
    for (let n = 0; n < 50; n++) {
      const round = generateRound(1, n, { catalogue });
      assert.deepEqual(
        round.map(({ slot }) => slot),
        Array.from({ length: CLIENTS }, (_, i) => i + 1),
      );
      assert.doesNotMatch(round.map(texts).join('\n'), /\$N/);
    }
  });

  it('do without statements that are left out', () => {
    const without = catalogueWithout([/\bLISTEN\b/]);
    for (let n = 0; n < 50; n++) assert.doesNotMatch(generateRound(1, n, { catalogue: without }).map(texts).join('\n'), /\bLISTEN\b/);
  });
});

describe('a round that differs', () => {
  const login = { user: 'postgres', parameters: { application_name: 'x' } };
  const noise: readonly Step[] = [simple('SELECT 1', 'SELECT 2'), { step: 'call', oid: 1397, name: 'abs', values: ['-5'] }];
  const round: Round = [
    { slot: 1, login, steps: noise, end: 'drop' },
    {
      slot: 2,
      login,
      steps: [...noise, simple('SELECT 3', 'SET app.a = 1', 'SELECT 4'), ...noise, simple('SHOW app.a'), ...noise],
      end: 'drop',
    },
    { slot: 3, login, steps: noise, end: { during: 'SELECT 5' } },
  ];
  const differs = (candidate: Round): Promise<boolean> =>
    Promise.resolve(candidate.some((script) => /SET app\.a[\s\S]*SHOW app\.a/.test(texts(script))));

  it('is made as small as its cause', async () => {
    const smallest = await shrink(round, differs, () => false);
    assert.deepEqual(smallest, [
      { slot: 2, login: { user: 'postgres', parameters: {} }, steps: [simple('SET app.a = 1'), simple('SHOW app.a')], end: 'terminate' },
    ]);
  });

  it('stays as it is when there is no time', async () => {
    assert.equal(await shrink(round, differs, () => true), round);
  });

  it('loses single frames of a pipeline', async () => {
    const step: Step = {
      step: 'extended',
      items: [
        { item: 'parse', name: '', sql: 'SELECT 1' },
        { item: 'bind', portal: '', statement: '', values: [] },
        { item: 'execute', portal: '', rows: 0 },
      ],
    };
    const smallest = await shrink(
      [{ slot: 1, login, steps: [step], end: 'terminate' }],
      (candidate) => Promise.resolve(/Execute/.test(candidate.map(texts).join('\n'))),
      () => false,
    );
    assert.match(smallest.map(texts).join('\n'), /^. Execute "" · Sync$/m);
  });
});

describe('a transcript', () => {
  const received = (...sent: readonly Buffer[]) => frames.readFrames(Buffer.concat(sent)).frames;
  const status = (name: string, value: string): Buffer => frames.frame('S', `${name}\0${value}\0`);

  it('takes neighbouring ParameterStatus frames as a set, but keeps their place', () => {
    const [a, b, ready] = [status('A', '1'), status('B', '2'), frames.frame('Z', 'I')];
    assert.deepEqual(lines(received(a, b, ready), 0), lines(received(b, a, ready), 0));
    assert.notDeepEqual(lines(received(a, ready, b), 0), lines(received(a, b, ready), 0));
    assert.notDeepEqual(lines(received(a, a), 0), lines(received(a), 0));
  });

  it('knows a notification from the session itself', () => {
    const notification = Buffer.concat([Buffer.from([0, 0, 0, 9]), Buffer.from('c\0p\0')]);
    assert.deepEqual(lines(received(frames.frame('A', notification)), 9), ['A from itself c "p"']);
    assert.deepEqual(lines(received(frames.frame('A', notification)), 8), ['A from another c "p"']);
  });

  it('does not name the temporary schema by number', () => {
    const error = frames.frame('E', 'Mno table in pg_temp_12\0\0');
    assert.deepEqual(lines(received(error), 0), ['E M=no table in pg_temp_N']);
  });
});
