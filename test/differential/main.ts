/**
 * `npm run test:differential`: the nightly campaign. Random session scripts directly and through Shardyard; prints each difference with a
 * script as small as it could be made, and the seed. The status is 1 when there is one, 2 when it could not be run.
 *
 *   npm run test:differential -- [--scripts 3000] [--seed N] [--minutes 60] [--round N] [--findings 10] [--set key=value]… [--without REGEX]…
 *                                [--limits] [--self]
 *
 * `--round` plays that round only; `--set` adds a setting for Shardyard; `--without` leaves statements out; `--limits` leaves nothing out that
 * is documented as not exact; `--self` compares Postgres with itself, to test the harness. The same options and seed give the same scripts.
 */
import { parseArgs } from 'node:util';
import { campaign, printFinding } from './campaign.ts';
import { CLIENTS } from './generate.ts';
import { LIMITS } from './limits.ts';
import { setStage } from './stage.ts';
import { catalogueWithout } from './statements.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function integer(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} ${text}: not a whole number`);
  return number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      scripts: { type: 'string', default: '3000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
      minutes: { type: 'string', default: '60' },
      round: { type: 'string' },
      findings: { type: 'string', default: '10' },
      set: { type: 'string', multiple: true, default: [] },
      without: { type: 'string', multiple: true, default: [] },
      limits: { type: 'boolean', default: false },
      self: { type: 'boolean', default: false },
    },
  });
  const seed = integer('seed', values.seed);
  const began = performance.now();
  say(`seed ${seed}`);
  const { scripts, steps, findings, crashed } = await campaign(() => setStage(values.set.map((setting) => setting.replace('=', ' = '))), {
    seed,
    catalogue: catalogueWithout(
      values.without.map((pattern) => new RegExp(pattern, 'i')),
      values.limits ? [] : LIMITS,
    ),
    firstRound: values.round === undefined ? 0 : integer('round', values.round),
    rounds: values.round === undefined ? Math.ceil(integer('scripts', values.scripts) / CLIENTS) : 1,
    findings: integer('findings', values.findings),
    deadlineMs: began + integer('minutes', values.minutes) * 60_000,
    shrinkMs: 60_000,
    self: values.self,
    onFinding: (finding) => say(printFinding(finding, seed)),
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(`${scripts} scripts, ${steps} steps, ${findings.length} differences, seed ${seed}, ${seconds} s`);
  if (crashed.length > 0) say(`not compared, because Postgres itself crashed: rounds ${crashed.join(', ')}`);
  return findings.length > 0 ? 1 : 0;
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 2;
});
