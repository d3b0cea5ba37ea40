/** What the README and the documents say must be so: the configuration loads, the commands exist, the answers are those, links lead somewhere. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '../src/config/load.ts';
import { answer } from '../src/offline.ts';
import { projectRoot } from './support/root.ts';

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');
const readme = read('README.md');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(path.join(projectRoot, 'docs')).map((name) => `docs/${name}`),
];
const documents = pages.filter((name) => name.endsWith('.md'));

function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(readme) ?? [];
  assert.ok(text !== undefined, `README.md has a block of ${language}`);
  return text;
}

describe('the README', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'sy-readme-'));
    file = path.join(folder, 'shardyard.ini');
    writeFileSync(file, block('ini'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('has a first configuration that loads', () => {
    const config = loadConfig(file);
    assert.deepEqual([...config.databases.keys()], ['shop_0', 'shop_1', 'shop', 'billing']);
    assert.equal(config.topology.databases.get('shop')?.kind, 'sharded');
    assert.deepEqual(config.notImplemented, []);
  });

  it('shows the answer that its example gets', async () => {
    const [, database = '', sql = '', parameter = ''] =
      /shardyard\.js route shardyard\.ini --database (\w+) '([^']+)' (\S+)/.exec(readme) ?? [];
    const { out, status } = await answer({ file, database, sql, params: [parameter] });
    assert.equal(status, 0);
    assert.deepEqual(out.slice(0, 3), block('text').trimEnd().split('\n'));
  });

  it('is short enough to be read', () => {
    assert.ok(readme.split('\n').length < 150);
  });
});

describe('the documents', () => {
  it('have scripts of npm and programs that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    for (const document of documents) {
      for (const [, name = ''] of read(document).matchAll(/npm run ([\w-]+)/g)) assert.ok(name in scripts, `${document}: npm run ${name}`);
      for (const [, name = ''] of read(document).matchAll(/\b(bin\/[\w.]+)/g)) assert.ok(existsSync(path.join(projectRoot, name)), name);
    }
  });

  it('have links that lead somewhere', () => {
    for (const document of documents) {
      for (const [, target = ''] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?:|#)/.test(target)) continue;
        const [name = ''] = target.split('#');
        assert.ok(existsSync(path.join(projectRoot, path.dirname(document), name)), `${document}: ${target}`);
      }
    }
  });

  it('name files and folders that exist', () => {
    for (const document of ['CONTRIBUTING.md', 'docs/architecture.md'])
      for (const [, name = ''] of read(document).matchAll(/`((?:src|routing|test|docs|config)\/[\w./-]*)`/g))
        assert.ok(existsSync(path.join(projectRoot, name)), `${document}: ${name}`);
  });

  it('leave no part of src out of the architecture', () => {
    const architecture = read('docs/architecture.md');
    const parts = readdirSync(path.join(projectRoot, 'src')).filter((name) => statSync(path.join(projectRoot, 'src', name)).isDirectory());
    assert.deepEqual(
      parts.filter((name) => !architecture.includes(`\`src/${name}/\``)),
      [],
    );
  });
});
