/**
 * `npm run demo`: Shardyard with a real client in front of real servers, statement by statement. Starts everything, loads a small shop,
 * plays the scenes, sums up, and stays until Ctrl-C, so that you can try it yourself; `npm run demo -- --once` ends after the summary.
 * The status is 0 when everything went as it must. However it ends, nothing is left behind.
 */
import type pg from 'pg';
import { lastRoute, untilReadsGoToReplicas } from './console.ts';
import { type Crowd, playCrowd } from './crowd.ts';
import { connect, loadData } from './data.ts';
import { type Findings, playScene } from './play.ts';
import { SCENES } from './scenes.ts';
import { createScreen, type Screen } from './screen.ts';
import { type Stage, type Started, setStage } from './stage.ts';
import { sayHowToTry, sayQuiet, sumUp } from './summary.ts';

const INTERRUPTED = 130;
/** How long a step under way may go on when the demo shall end. */
const END_LIMIT_MS = 5_000;

/** Ends the demo early. */
class Interrupted extends Error {}

const arguments_ = process.argv.slice(2);
const once = arguments_.includes('--once');
const unknown = arguments_.filter((argument) => argument !== '--once');
const screen = createScreen(process.stdout);

let interrupted = false;
let interrupt: () => void = () => {};
const interruption = new Promise<void>((resolve) => {
  interrupt = () => {
    interrupted = true;
    resolve();
  };
});
// Ctrl-C reaches npm as well, which sends it on: the second is not a wish to leave things lying about.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
// Nobody reads any more (`npm run demo | head`).
process.stdout.on('error', interrupt);

function checkpoint(): void {
  if (interrupted) throw new Interrupted();
}

/** Everything up to the summary; resolves with what was found. */
async function play(started: Started, onStage: (stage: Stage) => void): Promise<Findings> {
  const findings: Findings = { confirmed: 0, wrong: [], pins: [] };
  const stage = await setStage(started, (text) => {
    checkpoint();
    screen.progress(text);
  });
  onStage(stage);
  checkpoint();
  screen.progress('loading a small shop through Shardyard');
  const rows = await loadData(stage);
  const console = await connect(stage, 'shardyard');
  try {
    checkpoint();
    screen.progress('waiting until the new tables are known to the router');
    await untilReadsGoToReplicas(console, 'shop', 'SELECT name FROM customers WHERE id = 7');
    await untilReadsGoToReplicas(console, 'shop_1', 'SELECT name FROM customers');
    screen.progressOver();
    screen.say(`Shardyard listens on ${stage.shardyard.host}:${stage.shardyard.port}, in front of five Postgres servers.`);
    screen.say(`${rows} rows went in through it. Its configuration: ${stage.shardyard.iniFile}`);
    for (const scene of SCENES) await playScene({ stage, console, screen, findings, checkpoint }, scene);
    const crowd = await playCrowd(stage, console, screen, checkpoint);
    await finish(stage, console, findings, crowd);
  } finally {
    await console.end();
  }
  return findings;
}

async function finish(stage: Stage, console: pg.Client, findings: Findings, crowd: Crowd): Promise<void> {
  checkpoint();
  findings.wrong.push(...crowd.wrong);
  if ((await lastRoute(console)).outcome === undefined) findings.wrong.push('SHOW LAST_ROUTES is empty');
  await sumUp(screen, stage, console, findings, crowd);
}

/** Stops what was started, the last first. Resolves with what would not stop well. */
async function stopAll(started: Started): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const each of [...started].reverse()) {
    try {
      await each.stop();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  return problems;
}

/** Resolves when the user, or the end of Shardyard, ends the demo: with the status. */
async function stay(stage: Stage): Promise<number> {
  const never = /(?!)/;
  const gone = stage.shardyard.waitForLog(never, 0, Number.POSITIVE_INFINITY).then(
    () => 1,
    (error: unknown) => {
      if (!interrupted) screen.say(`\n${error instanceof Error ? error.message : String(error)}`);
      return interrupted ? 0 : 1;
    },
  );
  const keepAlive = setInterval(() => {}, 0x7fffffff);
  const status = await Promise.race([interruption.then(() => 0), gone]);
  clearInterval(keepAlive);
  return status;
}

async function run(started: Started): Promise<number> {
  let stage: Stage | undefined;
  const played = play(started, (set) => {
    stage = set;
  });
  const late = interruption.then(
    () => new Promise<never>((_, reject) => setTimeout(() => reject(new Interrupted()), END_LIMIT_MS).unref()),
  );
  const { wrong } = await Promise.race([played, late]);
  const status = wrong.length === 0 ? 0 : 1;
  if (stage === undefined || once) return status;
  await sayQuiet(stage);
  sayHowToTry(screen, stage);
  return (await stay(stage)) || status;
}

function sayFailure(to: Screen, error: unknown): void {
  to.progressOver();
  to.say(`\n${to.bad('The demo failed:')} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

async function main(): Promise<number> {
  if (unknown.length > 0) {
    process.stderr.write(`unknown argument: ${unknown.join(' ')}\nusage: npm run demo [-- --once]\n`);
    return 2;
  }
  const started: Started = [];
  let status = 1;
  try {
    status = await run(started);
  } catch (error) {
    // A signal that came while this process was busy is told of only now.
    await new Promise(setImmediate);
    if (interrupted) status = INTERRUPTED;
    else sayFailure(screen, error);
  }
  screen.progressOver();
  if (!once || interrupted) screen.say('\nStopping everything.');
  for (const problem of await stopAll(started)) {
    screen.say(problem);
    status ||= 1;
  }
  return status;
}

process.exit(await main());
