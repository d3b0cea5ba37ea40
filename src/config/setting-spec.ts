/** What a row of the settings table says: the types, and the groups in which documents print the rows. */

export type SettingGroup =
  | 'generic'
  | 'authentication'
  | 'log'
  | 'console'
  | 'timeouts'
  | 'tls'
  | 'dangerous'
  | 'network'
  | 'shardyard'
  | 'state';

/** Titles for documents, in the order in which the groups are printed. */
export const groupTitles: Readonly<Record<SettingGroup, string>> = {
  generic: 'Generic',
  authentication: 'Authentication',
  log: 'Log',
  console: 'Console access',
  timeouts: 'Connection checks and timeouts',
  tls: 'TLS',
  dangerous: 'Dangerous timeouts',
  network: 'Low-level network',
  shardyard: "Shardyard's own",
  state: 'Session state',
};

/**
 * One setting. `default` is the text that PgBouncer would print as the default; null is its NULL (a string is then undefined, and
 * RELOAD leaves what SET has changed unless the file names the setting).
 * - `int`: an integer as strtol reads it with base 0 (0777 is octal, 0x1ff hexadecimal).
 * - `seconds`: a decimal number of seconds, kept in milliseconds. `wholeSeconds`: an integer number of seconds, kept in milliseconds.
 * - `percent`: a share such as `1%` or `0.5%`, or 0, kept as a number from 0 to 100.
 * - `bool`: 0 or 1; on/off, yes/no and true/false are accepted too.
 */
export interface SettingSpec {
  readonly type: 'int' | 'seconds' | 'wholeSeconds' | 'percent' | 'bool' | 'enum' | 'string';
  readonly default: string | null;
  readonly reloadable: boolean;
  readonly group: SettingGroup;
  readonly implemented: boolean;
  readonly doc: string;
  readonly unit?: string;
  readonly values?: readonly string[];
  readonly implementedValues?: readonly string[];
  readonly refused?: Readonly<Record<string, string>>;
  /** For `int`: smallest (0 when not given) and largest value (2147483647 when not given). */
  readonly min?: number;
  readonly max?: number;
  /** Not in SHOW CONFIG: PgBouncer knows it on Windows only. */
  readonly hidden?: boolean;
}
