/**
 * The command line: argv → what is to be done, as data, or what is wrong with it. Options are read as getopt_long reads
 * PgBouncer's: anywhere among the operands, short ones joined (-qv), long ones cut short where that is unambiguous, `--` ends
 * them. Behind the SQL of `route` everything is a parameter, also what looks like an option (-5).
 */

export interface ServeCommand {
  readonly kind: 'serve';
  readonly file: string;
  readonly daemon: boolean;
  readonly quiet: boolean;
  readonly reboot: boolean;
  /** How often -v was given. */
  readonly verbose: number;
  readonly user?: string;
}

export type Command =
  | ServeCommand
  | { readonly kind: 'check'; readonly file: string }
  | { readonly kind: 'route'; readonly file: string; readonly database: string; readonly sql: string; readonly params: readonly string[] }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly message: string };

/** What --help prints. */
export const usage = `shardyard is one Postgres endpoint in front of many Postgres hosts: pooling, read/write routing, sharding.

Usage:
  shardyard [OPTION]... CONFIG_FILE          run the proxy
  shardyard serve [OPTION]... CONFIG_FILE    the same
  shardyard check CONFIG_FILE                check the file, print what was understood; exit status 0 or 1
  shardyard route CONFIG_FILE --database NAME SQL [PARAMETER]...
                                             print where the statement would go, and why; connects to nothing

Options:
  -d, --daemon         run in background (as a daemon)
  -q, --quiet          run quietly
  -R, --reboot         not supported (deprecated in PgBouncer): warns and starts normally
  -u, --user=USERNAME  assume identity of USERNAME
  -v, --verbose        increase verbosity
  -V, --version        show version, then exit
  -h, --help           show this help, then exit
`;

interface Option {
  readonly name: string;
  readonly short?: string;
  readonly takesValue?: boolean;
}
const options: readonly Option[] = [
  { name: 'daemon', short: 'd' },
  { name: 'quiet', short: 'q' },
  { name: 'reboot', short: 'R' },
  { name: 'user', short: 'u', takesValue: true },
  { name: 'verbose', short: 'v' },
  { name: 'version', short: 'V' },
  { name: 'help', short: 'h' },
  { name: 'database', takesValue: true },
];

interface Words {
  readonly operands: string[];
  /** Option name → its values, '' for one that takes none. */
  readonly given: Map<string, string[]>;
  wrong?: string;
}

function findLong(name: string): Option | string {
  const exact = options.find((option) => option.name === name);
  if (exact !== undefined) return exact;
  const candidates = options.filter((option) => option.name.startsWith(name));
  if (candidates.length === 1 && candidates[0] !== undefined) return candidates[0];
  return candidates.length === 0 ? `unrecognized option '--${name}'` : `option '--${name}' is ambiguous`;
}

/** The first thing that is wrong is what is said. */
function fail(words: Words, message: string): void {
  words.wrong ??= message;
}

function give(words: Words, option: Option, value: string | undefined, rest: string[]): void {
  let taken = value ?? '';
  if (option.takesValue === true && value === undefined) {
    const next = rest.shift();
    if (next === undefined) fail(words, `option '--${option.name}' requires an argument`);
    taken = next ?? '';
  }
  words.given.set(option.name, [...(words.given.get(option.name) ?? []), taken]);
}

function readLong(words: Words, word: string, rest: string[]): void {
  const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const option = findLong(name);
  if (typeof option === 'string') fail(words, option);
  else if (option.takesValue !== true && value !== undefined) fail(words, `option '--${option.name}' doesn't allow an argument`);
  else give(words, option, value, rest);
}

function readShort(words: Words, word: string, rest: string[]): void {
  for (let at = 1; at < word.length; at++) {
    const option = options.find(({ short }) => short === word.charAt(at));
    if (option === undefined) fail(words, `invalid option -- '${word.charAt(at)}'`);
    else if (option.takesValue !== true) give(words, option, '', rest);
    else {
      give(words, option, at + 1 < word.length ? word.slice(at + 1) : undefined, rest);
      break;
    }
  }
}

function readWords(argv: readonly string[]): Words {
  const words: Words = { operands: [], given: new Map() };
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined && words.wrong === undefined; word = rest.shift()) {
    // `route`, the file, the database and the SQL are here: what follows are parameters.
    const isOver = word === '--' || (words.operands[0] === 'route' && words.operands.length >= 3 && words.given.has('database'));
    if (isOver) words.operands.push(...(word === '--' ? [] : [word]), ...rest.splice(0));
    else if (word.startsWith('--')) readLong(words, word, rest);
    else if (word.startsWith('-') && word !== '-') readShort(words, word, rest);
    else words.operands.push(word);
  }
  return words;
}

const wrong = (message: string): Command => ({ kind: 'wrong', message });

function routeCommand(operands: readonly string[], database: string | undefined): Command {
  const [file, sql, ...params] = operands;
  if (file === undefined) return wrong('no configuration file specified');
  if (database === undefined) return wrong('route: no --database specified');
  if (sql === undefined) return wrong('route: no SQL specified');
  return { kind: 'route', file, database, sql, params };
}

function serveCommand(operands: readonly string[], given: ReadonlyMap<string, readonly string[]>): Command {
  const [file, extra] = operands;
  // PgBouncer's words, also for too many files.
  if (file === undefined || extra !== undefined) return wrong('no configuration file specified');
  const user = given.get('user')?.at(-1);
  return {
    kind: 'serve',
    file,
    daemon: given.has('daemon'),
    quiet: given.has('quiet'),
    reboot: given.has('reboot'),
    verbose: given.get('verbose')?.length ?? 0,
    ...(user !== undefined && { user }),
  };
}

/** Reads the arguments behind the program's name. */
export function parseArguments(argv: readonly string[]): Command {
  const { operands, given, wrong: message } = readWords(argv);
  for (const name of given.keys()) {
    if (name === 'help') return { kind: 'help' };
    if (name === 'version') return { kind: 'version' };
  }
  if (message !== undefined) return wrong(message);
  const [first, ...others] = operands;
  if (first === 'route') return routeCommand(others, given.get('database')?.at(-1));
  if (given.has('database')) return wrong("option '--database' is for route only");
  if (first === 'check') return others.length === 1 ? { kind: 'check', file: others[0]! } : wrong('no configuration file specified');
  return serveCommand(first === 'serve' ? others : operands, given);
}
