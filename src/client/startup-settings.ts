/**
 * The settings in a start-up packet: parameters, and `options` with its `-c name=value` and `--name=value`. Postgres treats each as a SET
 * that comes first in the session; so do we.
 */
import * as errors from '../wire/errors.ts';
import type { MessageFields } from '../wire/write.ts';

/** Parameters of a start-up packet that are no settings. */
const NOT_SETTINGS = new Set(['user', 'database', 'replication', 'options']);

export type StartupSettings = { readonly values: ReadonlyMap<string, string> } | { readonly refused: MessageFields };

/** Names and values are latin1, as read; a name's case does not matter. `ignored`: setting ignore_startup_parameters. */
export function startupSettings(parameters: ReadonlyMap<string, string>, ignored: readonly string[]): StartupSettings {
  const values = new Map<string, string>();
  const options = ignored.includes('options') ? undefined : parameters.get('options');
  if (options !== undefined) {
    const read = readOptions(options);
    if (read === undefined) return { refused: errors.unsupportedOptions };
    for (const [name, value] of read) if (!ignored.includes(name)) values.set(name, value);
  }
  for (const [name, value] of parameters) {
    const folded = name.toLowerCase();
    if (NOT_SETTINGS.has(folded) || folded.startsWith('_pq_.') || ignored.includes(folded)) continue;
    values.set(folded, value);
  }
  return { values };
}

/** The words of `options`: separated by blanks, a backslash takes the next character as it is (pg_split_opts). */
function words(text: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (character === '\\' && at + 1 < text.length) {
      at += 1;
      word = (word ?? '') + text[at];
    } else word = (word ?? '') + character;
  }
  if (word !== undefined) found.push(word);
  return found;
}

/** `-c name=value`, `-cname=value` and `--name=value`; undefined when there is anything else. */
function readOptions(text: string): [string, string][] | undefined {
  const list = words(text);
  const settings: [string, string][] = [];
  for (let at = 0; at < list.length; at++) {
    const word = list[at]!;
    let setting: string | undefined;
    if (word === '-c') setting = list[++at];
    else if (word.startsWith('-c')) setting = word.slice(2);
    else if (word.startsWith('--')) setting = word.slice(2);
    const equals = setting?.indexOf('=') ?? -1;
    if (setting === undefined || equals < 1) return undefined;
    // Postgres reads a dash in such a name as an underscore.
    settings.push([setting.slice(0, equals).replaceAll('-', '_').toLowerCase(), setting.slice(equals + 1)]);
  }
  return settings;
}
