/**
 * Every setting, once, as data: PgBouncer's rows and our own make one table. The parser, the defaults, SHOW CONFIG, SET, RELOAD, the list of
 * what is not implemented, docs/configuration.md and config/shardyard.ini are made from it, and the type `Settings` is inferred from it.
 * How a value is read and printed is `values.ts`.
 */
import { ownSettings } from './own-settings.ts';
import { pgbouncerSettings } from './pgbouncer-settings.ts';
import type { SettingSpec } from './setting-spec.ts';

export { groupTitles, type SettingGroup, type SettingSpec } from './setting-spec.ts';

export const settingsTable = { ...pgbouncerSettings, ...ownSettings } as const;

type Table = typeof settingsTable;
export type SettingName = keyof Table;

type ValueOf<S extends SettingSpec> = S extends { readonly type: 'enum'; readonly values: readonly (infer V)[] }
  ? V
  : S extends { readonly type: 'string'; readonly default: null }
    ? string | undefined
    : S extends { readonly type: 'string' }
      ? string
      : S extends { readonly type: 'bool' }
        ? boolean
        : number;

/** The checked value of every setting, by PgBouncer's name. Times are numbers of milliseconds; only strings can be undefined. */
export type Settings = { readonly [Name in SettingName]: ValueOf<Table[Name]> };

/** One value of `Settings`. */
export type SettingValue = string | number | boolean | undefined;

/** All names, in the order of the table. */
export const settingNames = Object.keys(settingsTable) as readonly SettingName[];

/** The row of a name, or undefined for a name that is not a setting. */
export function settingSpec(name: string): SettingSpec | undefined {
  return Object.hasOwn(settingsTable, name) ? settingsTable[name as SettingName] : undefined;
}
