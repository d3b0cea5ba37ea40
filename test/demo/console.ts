/** What Shardyard says of itself: tables of its console, and its metrics as Prometheus would read them. */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';

type Row = Readonly<Record<string, string | null>>;

/** The rows of one SHOW. */
export async function show(console: pg.Client, what: string): Promise<readonly Row[]> {
  return (await console.query<Row>(`SHOW ${what}`)).rows;
}

/** The newest row of SHOW LAST_ROUTES. */
export async function lastRoute(console: pg.Client): Promise<Row> {
  return (await show(console, 'LAST_ROUTES'))[0] ?? {};
}

/** After this the router's view of a new table is too old to be believed. */
const CATALOG_LIMIT_MS = 45_000;

/** Resolves when the router has seen the new tables of a database, and so would send this read to a replica. */
export async function untilReadsGoToReplicas(console: pg.Client, database: string, sql: string): Promise<void> {
  const since = performance.now();
  for (;;) {
    const route = await show(console, `ROUTE ${database} '${sql}'`);
    if (route[0]?.route?.includes('replica')) return;
    if (performance.now() - since > CATALOG_LIMIT_MS) throw new Error(`reads do not go to replicas: ${JSON.stringify(route)}`);
    await delay(50);
  }
}

/** One line of the metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export async function scrape(address: string): Promise<readonly Sample[]> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return (await answer.text()).split('\n').flatMap((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key, text]): [string, string] => [key ?? '', text ?? '']);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}
