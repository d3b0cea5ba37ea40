/** Loads configurations from texts, so that no test needs a folder. */
import type { Config } from '../../src/config/config.ts';
import { ConfigError, type ConfigProblem } from '../../src/config/error.ts';
import { readIni } from '../../src/config/ini.ts';
import { type LoadOptions, loadConfig } from '../../src/config/load.ts';

/** A reader of files that exist only in the test; any other path is missing. */
export function filesOf(files: Readonly<Record<string, string | Uint8Array>>): (path: string) => Uint8Array {
  return (path) => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return typeof content === 'string' ? Buffer.from(content) : content;
  };
}

/** The configuration that a text means; `more` are files to include. */
export function load(text: string, options: LoadOptions = {}, more: Readonly<Record<string, string>> = {}): Config {
  return loadConfig('test.ini', { read: filesOf({ ...more, 'test.ini': text }), ...options });
}

/** What is wrong with a text. */
export function problemsOf(text: string, more: Readonly<Record<string, string>> = {}): readonly ConfigProblem[] {
  try {
    load(text, {}, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** `line: message` of each problem. */
export function messagesOf(text: string, more: Readonly<Record<string, string>> = {}): readonly string[] {
  return problemsOf(text, more).map((problem) => `${problem.line}: ${problem.message}`);
}

/** `[section] key=value` of each entry of a text. */
export function entriesOf(text: string | Uint8Array, more: Readonly<Record<string, string>> = {}): readonly string[] {
  const ini = readIni('test.ini', filesOf({ ...more, 'test.ini': text }));
  return ini.entries.map((entry) => `[${entry.section}] ${entry.key}=${entry.value}`);
}
