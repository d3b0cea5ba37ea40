/** The settings in force as the console shows and changes them: SHOW CONFIG and SET. Data only; the console makes messages of it. */
import type { Config } from './config.ts';
import { ConfigError } from './error.ts';
import { deepFreeze } from './freeze.ts';
import { checkSetting } from './load.ts';
import { type SettingName, settingNames, settingSpec, settingsTable } from './settings.ts';
import { printSetting } from './values.ts';

/** One row of SHOW CONFIG: PgBouncer's columns; null is NULL. */
export interface ConfigRow {
  readonly key: string;
  readonly value: string | null;
  readonly default: string | null;
  readonly changeable: 'yes' | 'no';
}

function row(config: Config, name: SettingName): ConfigRow {
  const spec = settingSpec(name)!;
  const value = name === 'conffile' ? (config.settings.conffile ?? config.file) : config.settings[name];
  return { key: name, value: printSetting(spec, value), default: spec.default, changeable: spec.reloadable ? 'yes' : 'no' };
}

/** Every setting, sorted by name, values as PgBouncer prints them (0777 as 511, seconds as %g does). */
export function configRows(config: Config): readonly ConfigRow[] {
  return settingNames
    .filter((name) => settingSpec(name)?.hidden !== true)
    .toSorted()
    .map((name) => row(config, name));
}

/**
 * SET of the console: a configuration with one setting changed until the next reload. A setting that is not reloadable
 * is left as it is, without an error, as in PgBouncer.
 * @throws ConfigError when there is no such setting or the value is not allowed.
 */
export function setSetting(config: Config, key: string, value: string): Config {
  const checked = checkSetting(key, value);
  if ('problem' in checked) throw new ConfigError([{ file: 'SET', line: 0, ...checked.problem }]);
  if (!settingsTable[key as SettingName].reloadable) return config;
  return deepFreeze({ ...config, settings: { ...config.settings, [key]: checked.value } });
}
