/**
 * Golden cases: text files that a person reads as a list of examples and a test checks word for word. A file is a list of cases:
 *
 *     # what the case shows, in one or more lines
 *     @name value            (options of the case, any number)
 *     SELECT …               (the input, any number of lines)
 *     ----
 *     what is expected
 *
 * with a blank line and `#` between two cases. `UPDATE=1` rewrites what is expected; read the difference before committing it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/root.ts';

export interface GoldenCase {
  readonly title: string;
  readonly options: ReadonlyMap<string, string>;
  readonly input: string;
  readonly expected: string;
  readonly line: number;
}

/** Reads the cases of a file's text. */
export function parseGolden(text: string): readonly GoldenCase[] {
  const cases: GoldenCase[] = [];
  const lines = text.split('\n');
  let at = 0;
  while (at < lines.length) {
    if (!lines[at]!.startsWith('#')) {
      if (lines[at]!.trim() !== '') throw new Error(`line ${at + 1}: a case begins with '# '`);
      at++;
      continue;
    }
    const line = at + 1;
    const title: string[] = [];
    while (lines[at]?.startsWith('#')) title.push(lines[at++]!.slice(1).trim());
    const options = new Map<string, string>();
    for (let option = /^@(\S+)\s*(.*)$/.exec(lines[at] ?? ''); option !== null; option = /^@(\S+)\s*(.*)$/.exec(lines[++at] ?? '')) {
      options.set(option[1]!, option[2]!);
    }
    const input: string[] = [];
    while (at < lines.length && lines[at] !== '----') input.push(lines[at++]!);
    if (at === lines.length) throw new Error(`line ${line}: the case has no ----`);
    at++;
    const expected: string[] = [];
    while (at < lines.length && !(lines[at] === '' && (at + 1 >= lines.length || lines[at + 1]!.startsWith('#'))))
      expected.push(lines[at++]!);
    cases.push({ title: title.join('\n'), options, input: input.join('\n'), expected: expected.join('\n'), line });
  }
  return cases;
}

/** The file's text with what is expected replaced by `render`. */
export function formatGolden(cases: readonly GoldenCase[], render: (c: GoldenCase) => string): string {
  const blocks = cases.map((c) => {
    const title = c.title.split('\n').map((line) => `# ${line}`);
    const options = [...c.options].map(([name, value]) => `@${name} ${value}`.trimEnd());
    return [...title, ...options, c.input, '----', render(c)].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

/** Makes one test for each case of `test/routing/cases/NAME.txt`; with UPDATE=1 writes the file instead. */
export function golden(name: string, render: (c: GoldenCase) => string): void {
  const path = join(projectRoot, 'test', 'routing', 'cases', `${name}.txt`);
  const cases = parseGolden(readFileSync(path, 'utf8'));
  if (process.env.UPDATE === '1') {
    writeFileSync(path, formatGolden(cases, render));
    return;
  }
  for (const c of cases) {
    test(`${name}.txt:${c.line} ${c.title.split('\n')[0]}`, () => assert.equal(render(c), c.expected));
  }
}
