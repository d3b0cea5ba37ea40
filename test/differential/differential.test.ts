/**
 * A few hundred random session scripts, directly and through Shardyard: the answers are the same, and nothing is left behind. SEED=… plays
 * others; `npm run test:differential` plays thousands.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { campaign, printFinding } from './campaign.ts';
import { CLIENTS } from './generate.ts';
import { LIMITS } from './limits.ts';
import { setStage } from './stage.ts';
import { catalogueWithout } from './statements.ts';

const SEED = Number(process.env.SEED ?? '20261');
const SCRIPTS = 320;
/** On a machine that is slow or busy fewer are played. */
const LIMIT_MS = 25_000;
const SHRINK_MS = 12_000;

const catalogue = catalogueWithout([], LIMITS);

describe('random session scripts', () => {
  it('have the same answers through Shardyard as directly, and leave nothing behind', async () => {
    const { findings } = await campaign(setStage, {
      seed: SEED,
      catalogue,
      firstRound: 0,
      rounds: SCRIPTS / CLIENTS,
      findings: 1,
      deadlineMs: performance.now() + LIMIT_MS,
      shrinkMs: SHRINK_MS,
    });
    for (const finding of findings) assert.fail(printFinding(finding, SEED));
  });

  it('have the same answers twice from Postgres itself, so that a difference means something', async () => {
    const { findings } = await campaign(setStage, {
      seed: SEED,
      catalogue,
      firstRound: 0,
      rounds: 12,
      findings: 1,
      deadlineMs: performance.now() + LIMIT_MS,
      shrinkMs: 0,
      self: true,
    });
    for (const finding of findings) assert.fail(printFinding(finding, SEED));
  });
});
