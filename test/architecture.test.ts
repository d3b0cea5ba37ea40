/**
 * The architecture as data: which folder may import which, who may import a package, how long a file may be. DESIGN.md section 4
 * is the prose of it. Function length, import cycles between files and `any` are the linter's (biome.json).
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from './support/root.ts';

/** From low to high; a part imports its own row and rows before it. A name is a folder, or a file without `.ts`. */
const LAYERS: readonly (readonly string[])[] = [
  ['routing', 'src/wire', 'src/log', 'src/timers', 'src/lazy', 'src/version'],
  ['src/config', 'src/auth'],
  ['src/live', 'src/server'],
  ['src/pool'],
  ['src/relay'],
  ['src/client'],
  ['src/admin', 'src/metrics'],
  [
    'src/listener',
    'src/statistics',
    'src/last-routes',
    'src/timeouts',
    'src/held',
    'src/signals',
    'src/learnt',
    'src/audit-findings',
    'src/pin-log',
  ],
  ['src/newcomer'],
  ['src/clients'],
  ['src/inspect'],
  ['src/actions'],
  ['src/worker'],
  ['src/cli', 'src/daemon', 'src/describe', 'src/main', 'src/memory', 'src/offline', 'src/pidfile'],
];

/** Files that may be longer than the limit, because they are tables. */
const DATA_FILES: ReadonlySet<string> = new Set(['src/config/pgbouncer-settings.ts', 'test/differential/statements.ts']);
const MOST_LINES = 400;

/** Routing decides by what it is given; these would let it look elsewhere. */
const IMPURE = /\bnew Date\b|\bDate\.|\bperformance\.|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bprocess\.|\bconsole\./;

const FORBIDDEN_NAMES = /manager|handler|helper|util(?!ity)|frontend|backend/i;

interface Import {
  readonly from: string;
  /** A file of the project (relative to its root), or a bare name such as `node:net` or `pg-protocol`. */
  readonly to: string;
  readonly typeOnly: boolean;
}

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => path.join(folder, file).split(path.sep).join('/'))
    .sort();
}

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');
const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
const withoutStrings = (text: string): string => text.replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");

const IMPORT = /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

function importsOf(file: string): readonly Import[] {
  return [...withoutComments(read(file)).matchAll(IMPORT)].map(([statement, from, effect, dynamic]) => {
    const name = from ?? effect ?? dynamic ?? '';
    const typeOnly = /^\s*(import|export)\s+type\b/.test(statement);
    return { from: file, typeOnly, to: name.startsWith('.') ? path.posix.join(path.posix.dirname(file), name) : name };
  });
}

/** The row of LAYERS and the part that a file belongs to. */
function place(file: string): { readonly row: number; readonly part: string } | undefined {
  for (const [row, parts] of LAYERS.entries()) {
    const part = parts.find((name) => file.startsWith(`${name}/`) || file === `${name}.ts`);
    if (part !== undefined) return { row, part };
  }
  return undefined;
}

const packageName = (bare: string): string =>
  bare
    .split('/')
    .slice(0, bare.startsWith('@') ? 2 : 1)
    .join('/');
const packageJson = JSON.parse(read('package.json')) as { readonly dependencies: Readonly<Record<string, string>> };

const product = [...sourcesIn('routing'), ...sourcesIn('src')];
const everything = [...product, ...sourcesIn('test')];
const imports = product.flatMap(importsOf);
const isFile = (name: string): boolean => name.startsWith('src/') || name.startsWith('routing/') || name.startsWith('test/');
const arrow = ({ from, to }: Import): string => `${from} → ${to}`;

describe('the architecture', () => {
  it('gives every file a layer', () => {
    assert.deepEqual(
      product.filter((file) => place(file) === undefined),
      [],
    );
  });

  it('lets no layer import a higher one', () => {
    const breaches = imports.filter(({ from, to }) => isFile(to) && (place(to)?.row ?? Infinity) > (place(from)?.row ?? -1));
    assert.deepEqual(breaches.map(arrow), []);
  });

  it('lets src enter routing by its index only', () => {
    const breaches = imports.filter(({ from, to }) => from.startsWith('src/') && to.startsWith('routing/') && to !== 'routing/index.ts');
    assert.deepEqual(breaches.map(arrow), []);
  });

  it('keeps routing pure: no src, no module of Node, no clock, no chance', () => {
    const breaches = imports.filter(
      ({ from, to }) => from.startsWith('routing/') && (/^node:/.test(to) || (isFile(to) && !to.startsWith('routing/'))),
    );
    assert.deepEqual(breaches.map(arrow), []);
    const impure = sourcesIn('routing').filter((file) => IMPURE.test(withoutStrings(withoutComments(read(file)))));
    assert.deepEqual(impure, []);
  });

  it('imports nothing of the tests, and no package that is only for development', () => {
    const bare = imports.filter(({ to }) => !isFile(to) && !to.startsWith('node:'));
    const unknown = bare.filter(({ to }) => !(packageName(to) in packageJson.dependencies));
    assert.deepEqual(unknown.map(arrow), []);
    assert.deepEqual(imports.filter(({ to }) => to.startsWith('test/')).map(arrow), []);
  });

  for (const dependency of Object.keys(packageJson.dependencies)) {
    it(`has one importer of ${dependency}`, () => {
      const importers = new Set(imports.flatMap(({ from, to }) => (packageName(to) === dependency ? [from] : [])));
      assert.equal(importers.size, 1, `imported by ${[...importers].join(', ') || 'nobody'}`);
    });
  }

  it('has no cycle of imports, those of types alone aside', () => {
    const targets = new Map(
      product.map((file) => [file, importsOf(file).flatMap(({ to, typeOnly }) => (isFile(to) && !typeOnly ? [to] : []))]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      if (done.has(file) || trail.includes(file)) return;
      for (const next of targets.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    };
    for (const file of product) visit(file, []);
    assert.deepEqual(cycles, []);
  });
});

describe('the style', () => {
  it(`keeps files at ${MOST_LINES} lines, tables aside`, () => {
    const long = everything.filter((file) => !DATA_FILES.has(file)).map((file) => [file, read(file).split('\n').length - 1] as const);
    assert.deepEqual(
      long.filter(([, lines]) => lines > MOST_LINES),
      [],
    );
    assert.deepEqual(
      [...DATA_FILES].filter((file) => !everything.includes(file)),
      [],
      'these are listed as tables and do not exist',
    );
  });

  it('opens every file with what it is for; tests say it in their names', () => {
    assert.deepEqual(
      everything.filter((file) => !file.endsWith('.test.ts') && !read(file).startsWith('/**')),
      [],
    );
  });

  it('names files in kebab-case, after what they are', () => {
    const odd = everything.filter((file) => !/^[a-z0-9-]+(\.test)?\.ts$/.test(path.basename(file)) || FORBIDDEN_NAMES.test(file));
    assert.deepEqual(odd, []);
  });

  it('leaves nothing for later', () => {
    const marks = new RegExp(['TO', 'DO|FIX', 'ME|X', 'XX'].join(''));
    assert.deepEqual(
      everything.filter((file) => marks.test(read(file))),
      [],
    );
  });

  it('uses no any', () => {
    const any = /(?::|\bas|<|\|)\s*any\b(?!\s*:)/;
    assert.deepEqual(
      everything.filter((file) => any.test(withoutStrings(withoutComments(read(file))))),
      [],
    );
  });
});
