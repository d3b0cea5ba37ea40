/**
 * A campaign: rounds of scripts, each played directly and through Shardyard, compared reply by reply, and what they left behind. A round
 * that differs is played again on new server connections and made as small as it can be while it still differs.
 */
import { generateRound, type Making } from './generate.ts';
import { play, type Transcript } from './play.ts';
import { printScript, type Round } from './script.ts';
import { shrink } from './shrink.ts';
import type { Stage, StageSide } from './stage.ts';

export interface Difference {
  /** Where in the round: a client's step (0: the log-in), or what is left behind after all of them. */
  readonly client: number | undefined;
  readonly step: number;
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

export interface Finding {
  readonly round: number;
  readonly scripts: Round;
  readonly difference: Difference;
  /** Played again on new server connections it differed again; else it was not made smaller. */
  readonly repeats: boolean;
}

export interface CampaignOptions extends Making {
  readonly seed: number;
  readonly firstRound: number;
  readonly rounds: number;
  /** Ends after so many findings. */
  readonly findings: number;
  readonly deadlineMs: number;
  /** For making findings small, each. */
  readonly shrinkMs: number;
  /** Both sides are the same database: any difference is the harness's. */
  readonly self?: boolean;
  onFinding?(finding: Finding): void;
}

export interface CampaignResult {
  readonly scripts: number;
  readonly steps: number;
  readonly findings: readonly Finding[];
  /** Rounds that were not compared because Postgres itself crashed. */
  readonly crashed: readonly number[];
}

function firstDifference(
  expected: Transcript,
  got: Transcript,
): { step: number; expected: readonly string[]; got: readonly string[] } | undefined {
  for (let step = 0; step < Math.max(expected.length, got.length); step++) {
    const [wanted, seen] = [expected[step] ?? ['nothing'], got[step] ?? ['nothing']];
    if (wanted.join('\n') !== seen.join('\n')) return { step, expected: wanted, got: seen };
  }
  return undefined;
}

async function playAll(side: StageSide, round: Round): Promise<readonly Transcript[]> {
  await side.reset();
  return await Promise.all(round.map((script) => play(side, script)));
}

/** A session can lock itself out for good, by a transaction that it prepared: there is nothing to compare then. */
const isStuck = (transcript: Transcript): boolean => transcript.some((lines) => lines.some((line) => /^(hangs|failed): /.test(line)));

/** Plays the round on both sides; the first difference. */
export async function playRound(direct: StageSide, other: StageSide, round: Round): Promise<Difference | undefined> {
  const expected = await playAll(direct, round);
  await direct.reset();
  await direct.leftBehind();
  if (expected.some(isStuck)) return undefined;
  const got = await playAll(other, round);
  const left = await other.leftBehind();
  await other.reset();
  for (const [client, transcript] of expected.entries()) {
    const found = firstDifference(transcript, got[client] ?? []);
    if (found !== undefined) return { client, ...found };
  }
  return left.length > 0 ? { client: undefined, step: 0, expected: ['nothing left behind'], got: left } : undefined;
}

/** Where clients are in each other's way, the same round may go well once. */
const TRIES = 3;

/** Plays a round on new server connections, up to so many times: a difference, if there is one. */
async function again(stage: Stage, other: StageSide, round: Round, tries: number): Promise<Difference | undefined> {
  for (let left = tries; left > 0; left--) {
    await other.refresh();
    const found = await playRound(stage.direct, other, round);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function makeSmall(stage: Stage, other: StageSide, finding: Finding, limitMs: number): Promise<Finding> {
  const deadline = performance.now() + limitMs;
  const atOnce = await again(stage, other, finding.scripts, 1);
  const tries = atOnce === undefined ? TRIES : 1;
  let difference = atOnce ?? (await again(stage, other, finding.scripts, TRIES));
  if (difference === undefined) return finding;
  const differs = async (round: Round): Promise<boolean> => {
    const found = await again(stage, other, round, tries);
    difference = found ?? difference;
    return found !== undefined;
  };
  const scripts = await shrink(finding.scripts, differs, () => performance.now() > deadline);
  return { ...finding, scripts, difference, repeats: true };
}

/** Shown of the servers' logs when one of them is gone. */
const LOG_END = 3000;

/** The servers are gone: what they said last. */
function lastWords({ postgres, shardyard }: Stage): string {
  return [postgres, shardyard].map((server) => server.log().slice(-LOG_END)).join('\n');
}

/** Postgres 18.4 has sequences of messages that crash it, without Shardyard too. */
const hasCrashed = ({ postgres }: Stage): boolean => /was terminated by signal/.test(postgres.log());

/** Plays rounds until there are enough of them, enough findings, or the time is over; on a stage of its own. */
export async function campaign(setStage: () => Promise<Stage>, options: CampaignOptions): Promise<CampaignResult> {
  const findings: Finding[] = [];
  const crashed: number[] = [];
  let [scripts, steps] = [0, 0];
  let stage = await setStage();
  try {
    for (let n = options.firstRound; n < options.firstRound + options.rounds; n++) {
      if (performance.now() > options.deadlineMs || findings.length >= options.findings) break;
      const round = generateRound(options.seed, n, options);
      try {
        const finding = await find(stage, n, round, options);
        if (finding !== undefined) findings.push(finding);
        scripts += round.length;
        steps += round.reduce((sum, script) => sum + script.steps.length, 0);
      } catch (error) {
        if (!hasCrashed(stage)) throw new Error(`round ${n} of seed ${options.seed} could not be played: ${error}\n${lastWords(stage)}`);
        crashed.push(n);
        await stage.stop().catch(() => {});
        stage = await setStage();
      }
    }
  } finally {
    await stage.stop();
  }
  return { scripts, steps, findings, crashed };
}

/** Plays a round; what differs, as small as it could be made. */
async function find(stage: Stage, n: number, round: Round, options: CampaignOptions): Promise<Finding | undefined> {
  const other = options.self ? stage.again : stage.through;
  const difference = await playRound(stage.direct, other, round);
  if (hasCrashed(stage)) throw new Error('Postgres crashed');
  if (difference === undefined) return undefined;
  const finding = await makeSmall(stage, other, { round: n, scripts: round, difference, repeats: false }, options.shrinkMs);
  options.onFinding?.(finding);
  return finding;
}

/** Lines of the answers from a little before the first that differs. */
function answers(lines: readonly string[], from: number): readonly string[] {
  return lines.slice(Math.max(0, from - 2), from + 8).map((line) => `    ${line}`);
}

/** A finding as text: the scripts, the step, what was expected and what came. */
export function printFinding({ round, scripts, difference, repeats }: Finding, seed: number): string {
  const { client, step, expected, got } = difference;
  const at = expected.findIndex((line, i) => line !== got[i]);
  const from = at < 0 ? expected.length : at;
  return [
    `round ${round} of seed ${seed} differs${repeats ? '' : '; played again on new server connections it does not, so it was not made smaller'}`,
    ...scripts.flatMap((script, i) => printScript(script, i === client ? step : undefined)),
    '  directly:',
    ...answers(expected, from),
    '  through Shardyard:',
    ...answers(got, from),
    '',
  ].join('\n');
}
