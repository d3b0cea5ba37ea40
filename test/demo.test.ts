/** The demo as a user runs it: what it must show, that its status tells whether all went well, and that nothing is left of it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { columns } from './demo/screen.ts';
import { projectRoot } from './support/root.ts';

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'demo/main.js');

/** The demo with a temporary folder of its own. */
class Demo {
  readonly folder: string;
  readonly #child: ChildProcess;
  output = '';

  constructor(folderName: string, ...args: readonly string[]) {
    this.folder = mkdtempSync(path.join(os.tmpdir(), folderName));
    // The user that Postgres runs as must get in, too.
    chmodSync(this.folder, 0o755);
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, TMPDIR: this.folder };
    this.#child = spawn(process.execPath, [program, ...args], { cwd: projectRoot, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
  }

  /** Resolves with the status when it has ended; with `interrupt`, it is interrupted when it has said that. */
  async ends(interrupt?: string): Promise<number | null> {
    if (interrupt !== undefined)
      this.#child.stdout?.on('data', () => {
        if (this.output.includes(interrupt)) this.#child.kill('SIGINT');
      });
    await once(this.#child, 'close');
    return this.#child.exitCode;
  }

  /** Resolves when no process is left that knows the folder; its last ones are those that clean up after it. */
  async assertNothingLeft(): Promise<void> {
    while (commandLines().some((line) => line.includes(this.folder))) await delay(20);
    assert.deepEqual(readdirSync(this.folder), []);
    rmdirSync(this.folder);
  }
}

function commandLines(): readonly string[] {
  if (!existsSync('/proc/self/cmdline')) return spawnSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).stdout.split('\n');
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/cmdline`, 'utf8')] : [];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

const SHOWN: readonly RegExp[] = [
  /Shardyard listens on 127\.0\.0\.1:\d+/,
  /SELECT name FROM customers WHERE id = \$1 {3}-- \$1 = 7\n {2}-> shop: shop_0, replica, 127\.0\.0\.1:\d+ {3}[\d.]+ ms {3}1 row: name = /,
  /why: key - shard key "id" of table "customers" is on shard "shop_0"; proven to only read/,
  /-> shop: no server .* BEGIN\n {5}why: held_back/,
  /-> shop: no server .* refused\n {5}ERROR 0A000: cannot prove which shard/,
  /why: pinned/,
  /200 clients are connected, over (1\d|20|[4-9]) server connections/,
  /shop_1 +primary +127\.0\.0\.1:\d+ +\d+/,
  /Sessions pinned: 2/,
  /Everything went where it must\.\n/,
];

describe('the demo', () => {
  it('shows where each statement went, twice at the same time, and leaves nothing behind', async () => {
    const demos = [new Demo('sy', '--once'), new Demo('sy spaced ')];
    const statuses = await Promise.all(demos.map((demo, at) => demo.ends(at === 0 ? undefined : 'SELECT * FROM orders;   -- refused')));
    for (const [at, demo] of demos.entries()) {
      assert.equal(statuses[at], 0, demo.output);
      for (const line of SHOWN) assert.match(demo.output, line);
      assert.ok(!demo.output.includes('\x1b'), 'no colour where there is no terminal');
      assert.doesNotMatch(demo.output, /WRONG|Warning/);
      await demo.assertNothingLeft();
    }
    assert.doesNotMatch(demos[0]!.output, /Ctrl-C/);
    const { output } = demos[1]!;
    assert.match(output, /psql 'postgres:\/\/app:app@127\.0\.0\.1:\d+\/shop'/);
    assert.match(output, /http:\/\/127\.0\.0\.1:\d+\/metrics/);
  });

  it('ends early when it is told to, and leaves nothing behind', async () => {
    const demo = new Demo('sy');
    assert.equal(await demo.ends('loading a small shop'), 130, demo.output);
    await demo.assertNothingLeft();
  });

  it('says what is wrong with its arguments', async () => {
    const demo = new Demo('sy', '--one');
    assert.equal(await demo.ends(), 2);
    assert.match(demo.output, /unknown argument: --one\n/);
    await demo.assertNothingLeft();
  });

  it('prints tables with numbers on the right', () => {
    assert.deepEqual(
      columns([
        ['host', 'n'],
        ['a', 7],
        ['longer', 12],
      ]),
      ['host     n', 'a        7', 'longer  12'],
    );
  });
});
