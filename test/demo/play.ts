/**
 * Plays the scenes: each statement goes through Shardyard with the driver `pg`, and is shown with where it went, why, and how long it took.
 * Where it went is asked of Shardyard (SHOW LAST_ROUTES) and checked twice: against what the scene expects, and against the logs of all
 * servers, which must show the statement on that one and on no other.
 */
import pg from 'pg';
import { lastRoute, show } from './console.ts';
import { withClient } from './data.ts';
import type { Expected, Scene, Step } from './scenes.ts';
import type { Screen } from './screen.ts';
import { type Host, hostPort, type Stage } from './stage.ts';

/** What went otherwise than it must; shown at the end, and the reason for a status that is not 0. */
export interface Findings {
  /** Statements whose place the servers' own logs confirm. */
  confirmed: number;
  readonly wrong: string[];
  /** Lines of SHOW PINS at the end of scenes. */
  readonly pins: { readonly database: string; readonly reason: string; readonly statement: string }[];
}

interface Play {
  readonly stage: Stage;
  readonly console: pg.Client;
  readonly screen: Screen;
  readonly findings: Findings;
  /** Throws when the demo shall end. */
  readonly checkpoint: () => void;
}

export async function playScene(play: Play, scene: Scene): Promise<void> {
  const { stage, screen, findings } = play;
  screen.title(scene.title);
  screen.say(scene.text);
  await withClient(stage, scene.database, (client) =>
    withClient(stage, scene.database, async (other) => {
      for (const step of scene.steps) {
        play.checkpoint();
        await playStep(play, scene, step, step.other ? other : client);
      }
      if (scene.pinned === undefined) return;
      const pins = await show(play.console, 'PINS');
      screen.say('\n  SHOW PINS says who keeps a server connection, and why:');
      const rows = pins.map((pin) => [pin.client_id ?? '', pin.database ?? '', pin.reason ?? '', (pin.detail ?? '').slice(0, 80)]);
      screen.table([['  client', 'database', 'reason', 'detail'], ...rows.map(([id, ...rest]) => [`  ${id}`, ...rest])]);
      for (const pin of pins) findings.pins.push({ database: pin.database ?? '', reason: pin.reason ?? '', statement: pin.detail ?? '' });
      const reasons = pins.map(({ reason }) => reason).sort();
      if (reasons.join() !== [...scene.pinned].sort().join())
        wrong(play, `pins: expected ${scene.pinned.join(', ')}, found ${reasons.join(', ') || 'none'}`);
    }),
  );
}

function wrong({ screen, findings }: Play, text: string): void {
  findings.wrong.push(text);
  screen.say(`     ${screen.bad('WRONG')} ${text}`);
}

/** How a statement ended: rows in arrays, or the error. */
type Answer = pg.QueryArrayResult<unknown[]> | pg.DatabaseError;

async function ask(client: pg.Client, step: Step): Promise<Answer> {
  const question = { text: step.sql, rowMode: 'array' as const };
  try {
    return await client.query<unknown[]>(step.values === undefined ? question : { ...question, values: [...step.values] });
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error;
    throw new Error(`${step.sql}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function playStep(play: Play, scene: Scene, step: Step, client: pg.Client): Promise<void> {
  const { stage, screen, console } = play;
  const logged = stage.hosts.map(({ server }) => server.log().length);
  if (step.note !== undefined) screen.say(`\n  ${screen.dim(step.note)}`);
  else screen.say();
  const values = (step.values ?? []).map((value, at) => `$${at + 1} = ${JSON.stringify(value)}`).join(', ');
  screen.say(`  ${screen.strong(step.sql)}${values === '' ? '' : screen.dim(`   -- ${values}`)}`);
  const startMs = performance.now();
  const answer = await ask(client, step);
  const tookMs = performance.now() - startMs;
  const route = await lastRoute(console);
  const place =
    route.host === null || route.host === undefined ? 'no server' : [route.target, route.role, route.host].filter(Boolean).join(', ');
  const database = scene.database === route.target ? '' : `${scene.database}: `;
  screen.say(`  -> ${database}${screen.good(place)}   ${tookMs.toFixed(1)} ms   ${outcome(answer)}`);
  if (answer instanceof pg.DatabaseError) sayError(screen, answer);
  screen.say(`     why: ${route.why} - ${why(route.detail ?? '', route.why ?? '')}`);
  for (const fault of faults(step, answer, route)) wrong(play, fault);
  await checkLogs(play, step.sql, route, logged);
}

/** What is said where the plan says nothing, or only repeats the error. */
const PLAIN_WHY: Readonly<Record<string, string>> = {
  unsharded: 'a database without sharding and without a read/write split',
  cross_shard: 'more than one shard would be needed',
  not_proven: 'not proven to need one shard only',
  key_change: 'the row would have to move to another shard',
  wrong_shard: 'the transaction began on another shard',
};

function why(detail: string, word: string): string {
  return PLAIN_WHY[word] ?? detail;
}

function outcome(answer: Answer): string {
  if (answer instanceof pg.DatabaseError) return 'refused';
  const { command, rowCount, rows, fields } = answer;
  if (fields.length === 0) return rowCount === null ? command : `${command} ${rowCount}`;
  const count = `${rows.length} row${rows.length === 1 ? '' : 's'}`;
  return rows[0] === undefined ? count : `${count}: ${fields.map(({ name }, at) => `${name} = ${rows[0]?.[at]}`).join(', ')}`;
}

function sayError(screen: Screen, { severity, code, message, detail, hint }: pg.DatabaseError): void {
  screen.say(`     ${severity} ${code}: ${message}`);
  if (detail !== undefined) screen.say(`     detail: ${detail}`);
  if (hint !== undefined) screen.say(`     hint: ${hint}`);
}

type Route = Awaited<ReturnType<typeof lastRoute>>;

/** All in which a statement did not do what the scene says. */
function faults({ sql, expect, row }: Step, answer: Answer, route: Route): readonly string[] {
  const found: string[] = [];
  const compare = (what: string, actual: unknown, expected: unknown): void => {
    if (JSON.stringify(actual) !== JSON.stringify(expected))
      found.push(`${what} of ${sql}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(actual)}`);
  };
  compare('LAST_ROUTES', route.statement, sql.slice(0, 200));
  compare('route', [route.target, route.role, route.why], placeOf(expect));
  const error = answer instanceof pg.DatabaseError ? answer.code : undefined;
  compare('error', error, 'refused' in expect ? expect.refused : undefined);
  compare('outcome', route.outcome, 'refused' in expect ? 'refused' : 'ok');
  if (row !== undefined && !(answer instanceof pg.DatabaseError)) compare('first row', answer.rows[0], row);
  return found;
}

function placeOf(expect: Expected): readonly (string | null)[] {
  if ('heldBack' in expect) return [null, null, 'held_back'];
  return 'refused' in expect ? [null, null, expect.why] : [expect.to, expect.role, expect.why];
}

const LOG_LIMIT_MS = 10_000;

/** The servers log a statement before they run it; what they wrote is read here a moment later. */
async function checkLogs(play: Play, sql: string, route: Route, from: readonly number[]): Promise<void> {
  const { stage, findings } = play;
  const named = stage.hosts.findIndex((host) => host.database === route.target && hostPort(host) === route.host);
  if (named >= 0 && !(await inLog(stage.hosts[named]!, sql, from[named] ?? 0))) return wrong(play, `${route.host} has not logged ${sql}`);
  const elsewhere = stage.hosts.filter((host, at) => at !== named && host.server.log().slice(from[at]).includes(sql));
  if (elsewhere.length > 0) return wrong(play, `${elsewhere.map(hostPort).join(', ')} logged ${sql}`);
  findings.confirmed += 1;
}

async function inLog({ server }: Host, text: string, from: number): Promise<boolean> {
  const pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return await server.waitForLog(pattern, from, LOG_LIMIT_MS).then(
    () => true,
    () => false,
  );
}
