/**
 * The row "analysis": what it costs that Shardyard knows statements and sessions. The settings that turn that off, as data. Pipelining across
 * clients needs what is known, so that it is off on both sides: else the row would measure pipelining.
 */
import { settingsTable } from '../../src/config/settings.ts';

const isSetting = (name: string): boolean => Object.hasOwn(settingsTable, name);
const known = (settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => isSetting(name)));

/** On both sides of the row. */
export const BOTH_SIDES = known({ pipeline: 'off' });

/** With nothing known of sessions, as far as a policy may say so; undefined while there are no such settings and none were given. */
export function offSettings(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  const kinds = Object.entries(settingsTable).filter(([name]) => name.startsWith('session_state'));
  if (kinds.length === 0 && Object.keys(given).length === 0) return undefined;
  const ignored = kinds.flatMap(([name, spec]) =>
    'values' in spec && spec.values.some((value) => value === 'ignore') ? [[name, 'ignore']] : [],
  );
  return { ...Object.fromEntries(ignored), ...known({ state_audit: 'off', leak_sentinel: '0' }), ...given };
}
