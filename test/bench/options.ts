/** The command line of `npm run bench`. Pure. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly quick: boolean;
  readonly list: boolean;
  readonly help: boolean;
  readonly updateDocs: boolean;
  /** Path of the JSON file; the picture goes beside it. */
  readonly out?: string;
  /** Parts of names of workloads; empty for all. */
  readonly only: readonly string[];
  readonly runs: number;
  readonly seconds: number;
  /** Settings for the row that compares with everything off, added to those that the bench knows. */
  readonly off: Readonly<Record<string, string>>;
}

export const USAGE = `usage: npm run bench -- [options]

  --quick         the rows that have targets, 2 short runs: under 3 minutes, and rough
  --only NAME     only workloads whose name contains NAME; may be given again
  --runs N        interleaved runs of each workload (5; quick: 2)
  --seconds N     length of one run (5; quick: 1)
  --out FILE      the JSON file; the picture goes beside it (default: bench-results/<time>.json)
  --update-docs   write the results into docs/performance.md and docs/performance.svg
  --off KEY=VALUE a setting for the row "analysis": off on one side; may be given again
  --list          the names of the workloads
  --help          this text

environment: PG_BIN (folder of postgres, initdb and pgbench), PGBOUNCER (its program)`;

const SPEC = {
  quick: { type: 'boolean' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  'update-docs': { type: 'boolean' },
  out: { type: 'string' },
  only: { type: 'string', multiple: true },
  runs: { type: 'string' },
  seconds: { type: 'string' },
  off: { type: 'string', multiple: true },
} as const;

/** Reads the arguments after the program's name. Throws an Error with a message for the user when they are wrong. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({ args: [...args], options: SPEC, strict: true, allowPositionals: false });
  const quick = values.quick ?? false;
  return {
    quick,
    list: values.list ?? false,
    help: values.help ?? false,
    updateDocs: values['update-docs'] ?? false,
    ...(values.out === undefined ? {} : { out: values.out }),
    only: values.only ?? [],
    runs: count('runs', values.runs, quick ? 2 : 5),
    seconds: count('seconds', values.seconds, quick ? 1 : 5),
    off: Object.fromEntries((values.off ?? []).map(setting)),
  };
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} must be a whole number of at least 1, not "${text}"`);
  return Number(text);
}

function setting(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`--off must be KEY=VALUE, not "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}
