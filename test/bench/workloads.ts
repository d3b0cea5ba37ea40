/**
 * The workloads, as data. A row is run for each contender in turn, again and again; `run-*.ts` know how. Rows with targets
 * (`targets.ts`) are those that --quick runs. `note` says what a reader of the figures must know.
 */

export type Protocol = 'simple' | 'extended' | 'prepared';

/** A script of pgbench: one of its own, or text with its weight. */
export type Script =
  | { readonly builtin: 'select-only' | 'tpcb-like' | 'simple-update' }
  | { readonly sql: string; readonly weight: number };

interface Row {
  readonly name: string;
  readonly title: string;
  readonly quick?: true;
  readonly note?: string;
}

export interface PgbenchRow extends Row {
  readonly kind: 'pgbench';
  readonly clients: number;
  readonly protocol: Protocol;
  /** Latencies are those of the first. */
  readonly scripts: readonly Script[];
  /** Tables are cleaned before each run. */
  readonly writes?: true;
  /** Connect for each transaction, with SCRAM. */
  readonly reconnect?: true;
  /** Bytes of an answer: throughput is then in bytes. */
  readonly answerBytes?: number;
}

export interface IdleRow extends Row {
  readonly kind: 'idle';
  readonly idle: number;
  readonly busy: number;
}

export interface CopyRow extends Row {
  readonly kind: 'copy';
  readonly direction: 'in' | 'out';
  readonly rows: number;
}

/** Shardyard against itself: with what it knows of statements and sessions in use, and with all of it off. */
export interface AnalysisRow extends Row {
  readonly kind: 'analysis';
  readonly clients: number;
  readonly protocol: Protocol;
}

export type Workload = PgbenchRow | IdleRow | CopyRow | AnalysisRow;

/** Server connections that each pooler may have. */
export const POOL_SIZE = 20;
/** Scale of pgbench's tables: 100,000 accounts each. */
export const SCALE = 20;
/** Rows of bench_wide (10 kB) and bench_huge (1 MB). */
export const WIDE_ROWS = 1000;
export const HUGE_ROWS = 20;

const PROTOCOLS: readonly Protocol[] = ['simple', 'extended', 'prepared'];
const QUICK_SELECTS = new Set(['select-simple-1', 'select-simple-64', 'select-extended-64', 'select-extended-1000', 'select-prepared-64']);
const counted = (clients: number): string => (clients === 1 ? '1 client' : `${clients.toLocaleString('en-US')} clients`);

const selects = PROTOCOLS.flatMap((protocol) =>
  [1, 16, 64, 256, 1000].map((clients): PgbenchRow => {
    const name = `select-${protocol}-${clients}`;
    return {
      kind: 'pgbench',
      name,
      title: `select-only, ${protocol}, ${counted(clients)}`,
      ...(QUICK_SELECTS.has(name) ? { quick: true } : {}),
      clients,
      protocol,
      scripts: [{ builtin: 'select-only' }],
    };
  }),
);

const writes = (['tpcb-like', 'simple-update'] as const).flatMap((builtin) =>
  (['simple', 'extended'] as const).flatMap((protocol) =>
    [16, 64].map(
      (clients): PgbenchRow => ({
        kind: 'pgbench',
        name: `${builtin === 'tpcb-like' ? 'tpcb' : builtin}-${protocol}-${clients}`,
        title: `${builtin === 'tpcb-like' ? 'TPC-B-like' : builtin}, ${protocol}, ${counted(clients)}`,
        ...(builtin === 'tpcb-like' && clients === 16 ? { quick: true } : {}),
        clients,
        protocol,
        scripts: [{ builtin }],
        writes: true,
      }),
    ),
  ),
);

const large = [
  { name: 'rows-10kB', title: 'rows of 10 kB, 16 clients', table: 'bench_wide', rows: WIDE_ROWS, answerBytes: 10_000 },
  { name: 'rows-1MB', title: 'rows of 1 MB, 16 clients', table: 'bench_huge', rows: HUGE_ROWS, answerBytes: 1_000_000 },
].map(
  ({ name, title, table, rows, answerBytes }): PgbenchRow => ({
    kind: 'pgbench',
    name,
    title,
    quick: true,
    clients: 16,
    protocol: 'extended',
    scripts: [{ sql: `\\set id random(1, ${rows})\nSELECT body FROM ${table} WHERE id = :id;\n`, weight: 1 }],
    answerBytes,
  }),
);

const copies = (['in', 'out'] as const).map(
  (direction): CopyRow => ({
    kind: 'copy',
    name: `copy-${direction}`,
    title: `COPY of 1 million rows ${direction}`,
    quick: true,
    direction,
    rows: 1_000_000,
  }),
);

const QUICK_READ = '\\set aid random(1, 100000 * :scale)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n';
const range = (width: number): string =>
  `\\set aid random(1, 90000 * :scale)\n\\set n ${width}\nSELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN :aid::int AND :aid::int + :n::int;\n`;

const mixed = [
  { name: 'mixed-sleep', quick: true, what: 'pg_sleep of 20 ms', fast: QUICK_READ, slow: 'SELECT pg_sleep(0.02);\n' },
  { name: 'mixed-heavy', quick: false, what: 'sums of 20,000 rows', fast: QUICK_READ, slow: range(20_000) },
  { name: 'mixed-same-text', quick: true, what: 'of the same text', fast: range(0), slow: range(20_000) },
].map(
  ({ name, quick, what, fast, slow }): PgbenchRow => ({
    kind: 'pgbench',
    name,
    title: `1 % slow (${what}), extended, 64 clients`,
    ...(quick ? { quick: true } : {}),
    note: 'latencies are those of the fast statements',
    clients: 64,
    protocol: 'extended',
    scripts: [
      { sql: fast, weight: 99 },
      { sql: slow, weight: 1 },
    ],
  }),
);

export const WORKLOADS: readonly Workload[] = [
  ...selects,
  ...writes,
  {
    kind: 'pgbench',
    name: 'reconnect-scram',
    title: 'select-only, a new connection each, SCRAM, 16 clients',
    quick: true,
    clients: 16,
    protocol: 'simple',
    scripts: [{ builtin: 'select-only' }],
    reconnect: true,
  },
  {
    kind: 'idle',
    name: 'idle-5000',
    title: '5,000 idle clients, 50 busy (select-only, extended)',
    quick: true,
    note: 'direct: the 50 busy ones only. Memory: growth of the resident set by the idle clients, each time in a new process',
    idle: 5000,
    busy: 50,
  },
  ...large,
  ...copies,
  ...mixed,
  {
    kind: 'analysis',
    name: 'analysis',
    title: 'analysis, routing and state tracking on, against all off (select-only, extended, 64 clients)',
    quick: true,
    note: 'pipelining across clients is off on both sides',
    clients: 64,
    protocol: 'extended',
  },
];
