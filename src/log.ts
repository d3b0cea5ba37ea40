/**
 * The log: lines of PgBouncer's shape, `YYYY-MM-DD HH:MM:SS.mmm TZ [pid] LEVEL <prefix>text`, to stderr unless quiet and
 * appended to the log file. A line is written before the call returns, so that what it reports is never visible first.
 *
 * `verbose` 0 shows FATAL to LOG, 1 adds DEBUG, 2 adds NOISE. A text may be a function: it runs only when its line is shown.
 * Each connection logs through `of(prefix)`, its prefix made by `connectionPrefix`. Passwords and parameters are never given
 * to the log; syslog is not written here.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export type Level = 'FATAL' | 'ERROR' | 'WARNING' | 'LOG' | 'DEBUG' | 'NOISE';

/** The text of a line, or what makes it. */
export type LogText = string | (() => string);

export interface Log {
  fatal(text: LogText): void;
  error(text: LogText): void;
  warning(text: LogText): void;
  log(text: LogText): void;
  debug(text: LogText): void;
  noise(text: LogText): void;
  /** 0, 1 or 2 and more: lets the hot path skip even the making of a closure. */
  readonly verbose: number;
  /** The same log with a prefix in front of each text; the prefix is asked for anew for each line. */
  of(prefix: () => string): Log;
}

export interface LogOptions {
  /** Path; undefined or empty for none. */
  readonly logfile?: string | undefined;
  readonly quiet?: boolean;
  readonly verbose?: number;
}

/** The log of the process, which can be set up anew. */
export interface RootLog extends Log {
  /**
   * Takes new options and opens the log file again, so that it can be rotated. Throws when the file cannot be opened;
   * the log then goes on as it was. Options that are left out keep their values.
   */
  configure(options: LogOptions): void;
  close(): void;
}

/** What a test puts in place of the process. */
export interface LogOutside {
  readonly stderr?: (line: string) => void;
  readonly now?: () => Date;
  readonly pid?: number;
}

type State = { verbose: number; quiet: boolean; path: string; fd: number | undefined };

/** Starts the log. Throws when the log file cannot be opened. */
export function createLog(options: LogOptions = {}, outside: LogOutside = {}): RootLog {
  const { stderr = (line: string) => writeLine(2, line), now = () => new Date(), pid = process.pid } = outside;
  const state: State = { verbose: 0, quiet: false, path: '', fd: undefined };
  const emit = (level: Level, text: string): void => {
    const line = `${localTime(now(), true)} [${pid}] ${level} ${oneEntry(text)}\n`;
    if (!state.quiet) stderr(line);
    if (state.fd !== undefined) writeLine(state.fd, line);
  };
  const root: RootLog = {
    ...logger(state, emit, undefined),
    get verbose() {
      return state.verbose;
    },
    configure: (next) => configure(state, next),
    close: () => {
      if (state.fd !== undefined) closeSync(state.fd);
      state.fd = undefined;
    },
  };
  root.configure(options);
  return root;
}

function configure(state: State, options: LogOptions): void {
  const path = options.logfile ?? state.path;
  const opened = path === '' ? undefined : openSync(path, 'a');
  if (state.fd !== undefined) closeSync(state.fd);
  state.fd = opened;
  state.path = path;
  state.quiet = options.quiet ?? state.quiet;
  state.verbose = options.verbose ?? state.verbose;
}

function logger(state: State, emit: (level: Level, text: string) => void, prefix: (() => string) | undefined): Log {
  const say = (level: Level, text: LogText): void => {
    const said = typeof text === 'string' ? text : text();
    emit(level, prefix === undefined ? said : prefix() + said);
  };
  return {
    fatal: (text) => say('FATAL', text),
    error: (text) => say('ERROR', text),
    warning: (text) => say('WARNING', text),
    log: (text) => say('LOG', text),
    debug: (text) => {
      if (state.verbose > 0) say('DEBUG', text);
    },
    noise: (text) => {
      if (state.verbose > 1) say('NOISE', text);
    },
    get verbose() {
      return state.verbose;
    },
    of: (inner) => logger(state, emit, prefix === undefined ? inner : () => prefix() + inner()),
  };
}

/** A log that says nothing: for tests and for `check`. */
export const silentLog: Log = {
  fatal: () => {},
  error: () => {},
  warning: () => {},
  log: () => {},
  debug: () => {},
  noise: () => {},
  verbose: 0,
  of: () => silentLog,
};

/** Waits for a full pipe for this long at most; a reader that has stopped must not stop the pooler. */
const FULL_PIPE_WAITS = 50;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function writeLine(fd: number, line: string): void {
  const bytes = Buffer.from(line);
  let at = 0;
  for (let waits = 0; at < bytes.length && waits <= FULL_PIPE_WAITS; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // A log that cannot be written (disk full, pipe closed) is no reason to fail what it reports.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      waits += 1;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

/** Following lines of one entry are set in by a tab (as PgBouncer does), other control characters are shown, not obeyed. */
function oneEntry(text: string): string {
  return text
    .trimEnd()
    .replaceAll('\n', '\n\t')
    .replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: names from clients may hold terminal escapes
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** `YYYY-MM-DD HH:MM:SS TZ` in local time, with milliseconds for the log, without for the console. */
export function localTime(time: Date, withMs = false): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const ms = withMs ? `.${String(time.getMilliseconds()).padStart(3, '0')}` : '';
  return `${day} ${clock}${ms} ${zoneName(time)}`;
}

const zoneNames = new Map<number, string>();

/** The zone's abbreviation (UTC, CET, EST), or its offset (+09) where it has none in English. */
function zoneName(time: Date): string {
  const offsetMinutes = -time.getTimezoneOffset();
  const known = zoneNames.get(offsetMinutes);
  if (known !== undefined) return known;
  const name = ['en-US', 'en-GB', 'en-AU'].map((locale) => abbreviation(time, locale)).find((zone) => /^[A-Z]+$/.test(zone));
  const said = name ?? offset(offsetMinutes);
  zoneNames.set(offsetMinutes, said);
  return said;
}

function abbreviation(time: Date, locale: string): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' }).formatToParts(time);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
}

function offset(minutes: number): string {
  const hours = String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0');
  const rest = Math.abs(minutes) % 60;
  return `${minutes < 0 ? '-' : '+'}${hours}${rest === 0 ? '' : String(rest).padStart(2, '0')}`;
}

/** What a line says of the connection that it is about. */
export interface ConnectionName {
  readonly kind: 'C' | 'S';
  /** The number that SHOW CLIENTS and SHOW SERVERS show as id. */
  readonly id: number;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  /** The other side's address; undefined for a Unix socket. */
  readonly host?: string | undefined;
  /** The other side's port; of a Unix socket the port in its name. */
  readonly port: number;
  /** Process id of the other side of a Unix socket, where it is known. */
  readonly pid?: number | undefined;
}

/** `C-0x1f: db/user@host:port ` as PgBouncer has it, IPv6 in brackets, `unix(pid)`, `(nodb)`, `(nouser)`. */
export function connectionPrefix(name: ConnectionName): string {
  return `${name.kind}-${pointer(name.id)}: ${name.database ?? '(nodb)'}/${name.user ?? '(nouser)'}@${hostName(name)}:${name.port} `;
}

function hostName(name: ConnectionName): string {
  if (name.host === undefined) return name.pid ? `unix(${name.pid})` : 'unix';
  return name.host.includes(':') ? `[${name.host}]` : name.host;
}

/** What stands where PgBouncer prints a memory address (log prefix; `ptr` and `link` of the console). */
export function pointer(id: number): string {
  return `0x${id.toString(16)}`;
}
