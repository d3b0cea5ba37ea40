/** The end of the demo: where all statements went, how many clients had how few server connections, who was pinned, and how to go on. */
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import type pg from 'pg';
import { type Sample, scrape, show } from './console.ts';
import type { Crowd } from './crowd.ts';
import type { Findings } from './play.ts';
import type { Screen } from './screen.ts';
import { hostPort, type Stage } from './stage.ts';

const metricsAddress = ({ shardyard }: Stage): string => `http://${shardyard.host}:${shardyard.metricsPort}/metrics`;

export async function sumUp(screen: Screen, stage: Stage, console: pg.Client, findings: Findings, crowd: Crowd): Promise<void> {
  const samples = await scrape(metricsAddress(stage));
  screen.title('Summary');
  screen.say('Statements by destination, loading and crowd included (from the metrics):');
  screen.table(destinations(stage, samples));
  const logins = samples.filter(({ name }) => name === 'shardyard_client_logins_total').reduce((sum, { value }) => sum + value, 0);
  const open = (await show(console, 'SERVERS')).length;
  screen.say();
  screen.say(
    `Clients served: ${logins}, ${crowd.clients} of them at the same time over ${crowd.servers} server connections (${open} are open now).`,
  );
  screen.say(`Sessions pinned: ${findings.pins.length}`);
  for (const { database, reason, statement } of findings.pins) screen.say(`  ${reason}, in ${database}: ${statement.slice(0, 80)}`);
  screen.say(`Confirmed by the servers' own logs: ${findings.confirmed} statements ran where Shardyard says, and nowhere else.`);
  if (findings.wrong.length === 0) return screen.say(screen.good('Everything went where it must.'));
  screen.say(screen.bad(`Not as it must be: ${findings.wrong.length}`));
  for (const text of findings.wrong) screen.say(`  ${text}`);
}

/** Exchanges by database and host; refused ones and those answered without a server have no host. */
function destinations(stage: Stage, samples: readonly Sample[]): readonly (readonly (string | number)[])[] {
  const counts = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    if (name !== 'shardyard_exchanges_total') continue;
    const { database = '', shard = '', role = '', outcome = '' } = labels;
    const target = shard === '' ? database : shard;
    const host = stage.hosts.find((each) => each.database === target && each.role === role);
    const place =
      host === undefined ? [outcome === 'refused' ? '(refused)' : '(held back, then sent)', '', ''] : [target, role, hostPort(host)];
    const key = JSON.stringify([database, ...place]);
    counts.set(key, (counts.get(key) ?? 0) + value);
  }
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => [...(JSON.parse(key) as string[]), count]);
  return [['asked for', 'went to', 'role', 'host', 'statements'], ...rows];
}

/** The servers stop logging each statement: whoever stays may run a load test. */
export async function sayQuiet(stage: Stage): Promise<void> {
  for (const { server } of stage.hosts) {
    const from = server.log().length;
    appendFileSync(path.join(server.dataDir, 'postgresql.conf'), "log_statement = 'none'\n");
    await server.reload();
    await server.waitForLog(/parameter "log_statement" changed to "none"/, from);
  }
}

export function sayHowToTry(screen: Screen, stage: Stage): void {
  screen.title('Your turn');
  screen.say('Everything stays up until you press Ctrl-C. Paste into another terminal:');
  screen.say();
  screen.say(`  psql '${stage.url('shop')}'        -- the sharded database`);
  screen.say(`  psql '${stage.url('shop_0')}'      -- one shard`);
  screen.say(`  psql '${stage.url('billing')}'     -- the plain database`);
  screen.say(`  psql '${stage.url('shardyard')}'   -- the console: SHOW HELP, SHOW LAST_ROUTES`);
  screen.say();
  screen.say('Connection string for your program:');
  screen.say(`  ${stage.url('shop')}`);
  screen.say('Metrics for Prometheus:');
  screen.say(`  ${metricsAddress(stage)}`);
  screen.say('To begin with:');
  screen.say('  SELECT * FROM orders WHERE customer_id = 7;');
  screen.say('  SELECT * FROM orders;   -- refused, and says why');
}
