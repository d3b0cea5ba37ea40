/**
 * Configuration files: text → entries with section, key, value, file and line. The only importer of the package `ini`.
 *
 * The package reads a file as npm does, PgBouncer reads it otherwise: the package cuts values at `;` and `#`, makes `true` a
 * boolean, nests `[a.b]`, drops `__proto__`, makes arrays of `key[]`, joins repeated sections, loses every line number and
 * knows no `%include`. So the lines are read here by PgBouncer's rules (lib/usual/cfparser.c): comments are whole lines, a value
 * is the rest of its line, `%include` is a line of its own. What goes into the package is one prepared document: sections and keys by
 * number, values quoted, ASCII only. What comes out is put back to its names.
 */
import { isUtf8 } from 'node:buffer';
import { decode } from 'ini';
import type { ConfigProblem } from './error.ts';

export interface IniEntry {
  readonly section: string;
  /** As written, quotes included: `unquoteName` or the section's own rule makes a name of it. */
  readonly key: string;
  readonly value: string;
  readonly file: string;
  readonly line: number;
}

/** A heading; also of a section that has no entries. */
export interface IniHeading {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

export interface IniFile {
  /** In the order of the file, duplicates included. */
  readonly entries: readonly IniEntry[];
  readonly headings: readonly IniHeading[];
  readonly problems: readonly ConfigProblem[];
}

/** Gives the bytes of a file or throws an error with a `code`, as `readFileSync` does. */
export type ReadFile = (path: string) => Uint8Array;

/** PgBouncer's limit on nested `%include` lines. */
const maxIncludes = 10;

interface Reading {
  readonly read: ReadFile;
  readonly entries: IniEntry[];
  readonly headings: IniHeading[];
  readonly problems: ConfigProblem[];
  /** Runs on through included files, as in PgBouncer. */
  section: string | undefined;
}

const failures: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'too many symbolic links',
};

function whyUnreadable(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (code === undefined ? undefined : failures[code]) ?? code ?? 'it cannot be read';
}

/** The bytes of a file as characters, one for each (so that a comment may be in any encoding), or why there are none. */
function bytesOf(path: string, read: ReadFile): { readonly text: string } | { readonly why: string } {
  try {
    const bytes = read(path);
    if (bytes.includes(0)) return { why: 'it is not a text file (it has a zero byte)' };
    return {
      text: Buffer.from(bytes)
        .toString('latin1')
        .replace(/^\u00ef\u00bb\u00bf/, ''),
    };
  } catch (error) {
    return { why: whyUnreadable(error) };
  }
}

/** Where the key of a line ends: the first `=` outside of quotes; -1 when there is none. */
function endOfKey(line: string): number {
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (quote !== '') {
      if (c === quote) quote = '';
    } else if (c === '=') {
      return i;
    } else if (c === '"' || c === "'") {
      quote = c;
    }
  }
  return -1;
}

/** Where a heading that starts at 0 with `[` ends: the first `]` outside of double quotes; -1 when there is none. */
function endOfHeading(line: string): number {
  let quoted = false;
  for (let i = 1; i < line.length; i++) {
    const c = line.charAt(i);
    if (c === '"') quoted = !quoted;
    else if (c === ']' && !quoted) return i;
  }
  return line.indexOf(']');
}

interface Place {
  readonly file: string;
  readonly line: number;
}

function include(reading: Reading, target: string, place: Place, depth: number): void {
  const why = depth >= maxIncludes ? undefined : readFile(reading, target, depth + 1);
  const tooDeep = `include nesting level too deep: at most ${maxIncludes} files inside one another`;
  const message = depth >= maxIncludes ? tooDeep : `cannot include "${target}": ${why}`;
  if (depth >= maxIncludes || why !== undefined) reading.problems.push({ ...place, key: '%include', found: target, message });
}

function readHeading(reading: Reading, text: string, place: Place, depth: number): void {
  const end = endOfHeading(text);
  if (end < 0) {
    reading.problems.push({ ...place, message: 'syntax error: a section is written [name]' });
    return;
  }
  reading.section = text.slice(1, end).trim();
  reading.headings.push({ name: reading.section, ...place });
  readLine(reading, text.slice(end + 1).trim(), place, depth);
}

function readEntry(reading: Reading, text: string, place: Place): void {
  const end = endOfKey(text);
  // The text of such a line is not shown: it may be the second half of a password.
  if (end < 1) {
    reading.problems.push({ ...place, message: 'syntax error: expected "name = value", a [section], %include or a comment' });
  } else if (reading.section === undefined) {
    reading.problems.push({ ...place, message: 'value without section' });
  } else {
    const value = text.slice(end + 1).replace(/^[ \t]+/, '');
    reading.entries.push({ section: reading.section, key: text.slice(0, end).trimEnd(), value, ...place });
  }
}

const isComment = (text: string): boolean => text === '' || text.startsWith(';') || text.startsWith('#');

function readLine(reading: Reading, text: string, place: Place, depth: number): void {
  const included = /^%include[ \t]+(.+)$/.exec(text)?.[1];
  if (isComment(text)) return;
  if (included !== undefined) include(reading, included, place, depth);
  else if (text.startsWith('[')) readHeading(reading, text, place, depth);
  else readEntry(reading, text, place);
}

/** Reads the lines of a file; the result is why it cannot be read. */
function readFile(reading: Reading, file: string, depth: number): string | undefined {
  const result = bytesOf(file, reading.read);
  if ('why' in result) return result.why;
  for (const [index, line] of result.text.split('\n').entries()) {
    const trimmed = line.replace(/^[ \t\v\f\r]+|[ \t\v\f\r]+$/g, '');
    const bytes = Buffer.from(trimmed, 'latin1');
    const place = { file, line: index + 1 };
    if (isComment(trimmed)) continue;
    if (isUtf8(bytes)) readLine(reading, bytes.toString('utf8'), place, depth);
    else reading.problems.push({ ...place, message: 'the line is not UTF-8' });
  }
  return undefined;
}

/** A value that the package gives back unchanged: JSON in ASCII, for it loses lines with U+2028. */
function quoted(value: string): string {
  const ascii = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, ascii);
}

/** The entries with their values as the package decodes them. */
function decoded(entries: readonly IniEntry[]): readonly IniEntry[] {
  const document = ['[values]', ...entries.map((entry, index) => `${index}=${quoted(entry.value)}`)].join('\n');
  const values = decode(document).values ?? {};
  // Even quoted, `true`, `false` and `null` come back as what they are in JavaScript: String() undoes exactly that.
  return entries.map((entry, index) => ({ ...entry, value: String(values[index]) }));
}

/** Reads a file and all that it includes. Never throws: problems are in the result, and reading goes on behind each. */
export function readIni(file: string, read: ReadFile): IniFile {
  const reading: Reading = { read, entries: [], headings: [], problems: [], section: undefined };
  const why = readFile(reading, file, 0);
  if (why !== undefined) reading.problems.push({ file, line: 0, message: `cannot read the configuration file: ${why}` });
  return { entries: decoded(reading.entries), headings: reading.headings, problems: reading.problems };
}

/**
 * The name that a key stands for: [A-Za-z0-9_.*-] as it is, anything else inside single quotes (doubled inside), as in
 * PgBouncer; double quotes are accepted too. Undefined when it is neither, or empty.
 */
export function unquoteName(key: string): string | undefined {
  if (/^[A-Za-z0-9_.*-]+$/.test(key)) return key;
  const match = /^'((?:[^']|'')+)'$/.exec(key)?.[1]?.replaceAll("''", "'") ?? /^"((?:[^"]|"")+)"$/.exec(key)?.[1]?.replaceAll('""', '"');
  return match;
}
