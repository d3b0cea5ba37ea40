/** The results as a reader wants them: tables of the figures and of the targets, in Markdown, which a terminal shows well too. Pure. */
import { CONTENDER_TITLES } from './chart.ts';
import { ratio, short, times } from './numbers.ts';
import type { ContenderName, ContenderResult, Figure, Figures, Results, RowResult } from './results.ts';
import type { Target, Verdict } from './targets.ts';

type Line = readonly string[];

/** A table of Markdown, its columns aligned; the first `left` columns are text, the others figures. */
export function table(head: Line, lines: readonly Line[], left = 1): string {
  const widths = head.map((title, column) => Math.max(title.length, 3, ...lines.map((line) => (line[column] ?? '').length)));
  const row = (line: Line): string =>
    `| ${widths.map((width, column) => (column < left ? (line[column] ?? '').padEnd(width) : (line[column] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column < left ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}

const rateOf = ({ unit }: RowResult, { rate }: Figures): string =>
  unit === 'bytes/s' ? `${short(rate === undefined ? rate : rate / 1e6)} MB/s` : short(rate);
const latencies = ({ p50Ms, p95Ms, p99Ms }: Figures): string => (p50Ms === undefined ? '–' : [p50Ms, p95Ms, p99Ms].map(short).join(' / '));
const cpu = ({ cpuUs, userUs, systemUs }: Figures): string =>
  cpuUs === undefined ? '–' : `${short(cpuUs)} (${short(userUs)} + ${short(systemUs)})`;

function failureOf({ runs }: ContenderResult): string | undefined {
  const failures = runs.flatMap((run) => ('failure' in run ? [run.failure] : []));
  return failures.length === 0 ? undefined : `${failures.length} of ${runs.length} runs failed: ${failures[0]}`;
}

function linesOf(row: RowResult, named = true): readonly Line[] {
  const of = (name: ContenderName): Figures | undefined => row.contenders.find((contender) => contender.name === name)?.medians;
  return row.contenders.map((contender, index) => {
    const { name, medians } = contender;
    const against = (base: ContenderName): string => (name === base ? '' : times(ratio(medians.rate, of(base)?.rate)));
    const title = index === 0 || !named ? row.title : '';
    return [title, CONTENDER_TITLES[name], rateOf(row, medians), against('pgbouncer'), against('direct'), latencies(medians), cpu(medians)];
  });
}

const HEAD: Line = ['workload', '', 'a second', '÷ PgBouncer', '÷ direct', 'p50 / p95 / p99 ms', 'CPU µs (user + system)'];

/** All rows, one line for each contender. */
export function figuresTable(rows: readonly RowResult[]): string {
  return table(
    HEAD,
    rows.flatMap((row) => linesOf(row)),
    2,
  );
}

/** One row, as it is shown while the benchmark runs. */
export function rowText(row: RowResult): string {
  if (row.skipped !== undefined) return `${row.title}: not run: ${row.skipped}`;
  const lines = linesOf(row).map(([, who = '', rate = '', ...rest]) => {
    const [bouncer, directly, ms, us] = rest;
    return `  ${who.padEnd(18)} ${rate.padStart(12)}  ${(bouncer ?? '').padStart(7)}  ${(directly ?? '').padStart(7)}  ${(ms ?? '').padStart(22)}  ${us}`;
  });
  return [row.title, ...lines, ...notesOf(row).map((note) => `  ${note}`)].join('\n');
}

/** What must be said of a row: its notes, those of its contenders, memory, failures. */
export function notesOf(row: RowResult): readonly string[] {
  const memory = row.contenders.flatMap(({ name, medians: { idleBytes } }) =>
    idleBytes === undefined ? [] : [`${CONTENDER_TITLES[name]} ${short(idleBytes / 1024)} kB`],
  );
  return [
    ...(row.note === undefined ? [] : [row.note]),
    ...(memory.length === 0 ? [] : [`memory for each idle client: ${memory.join(', ')}`]),
    ...row.contenders.flatMap(({ note }) => note ?? []),
    ...row.contenders.flatMap((contender) => {
      const failure = failureOf(contender);
      return failure === undefined ? [] : [`${CONTENDER_TITLES[contender.name]}: ${failure}`];
    }),
  ];
}

const UNITS: Readonly<Partial<Record<Figure, (value: number) => string>>> = {
  idleBytes: (value) => `${short(value / 1024)} kB`,
  loopDelayMs: (value) => `${short(value)} ms`,
};

function aim({ figure, against, least, most }: Target): string {
  const unit = against === undefined ? (UNITS[figure] ?? short) : times;
  const base = against === undefined ? '' : ` ${CONTENDER_TITLES[against]}`;
  return `${least === undefined ? '≤' : '≥'} ${unit(least ?? most ?? 0)}${base}`;
}

/** The targets and how they came out. */
export function targetsTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ target, workload, value, met }) => {
    const unit = target.against === undefined ? (UNITS[target.figure] ?? short) : times;
    const which = target.workloads.length > 1 ? ` (${workload})` : '';
    const outcome = met === undefined ? 'not known' : met ? 'met' : 'NOT MET';
    return [`${target.title}${which}`, aim(target), value === undefined ? '–' : unit(value), outcome];
  });
  return table(['target', 'aim', 'found', ''], lines, 2);
}

/** What machine it was, in a sentence or two. */
export function machineText({ machine: { cpu: model, cores, memoryBytes, system, versions } }: Results): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${model}, ${cores} cores for everything, ${Math.round(memoryBytes / 2 ** 30)} GB of memory, ${system}. ${programs.join(', ')}.`;
}

/** How it was run. */
export function methodText({ date, quick, partial, runs, seconds }: Results): string {
  const rough = quick ? ' A quick run: rough figures.' : runs < 5 ? ' Fewer than 5 runs: rough figures.' : '';
  return `${date.slice(0, 10)}: medians of ${runs} interleaved runs of ${seconds} s each.${rough}${partial ? ' Some workloads only.' : ''}`;
}
