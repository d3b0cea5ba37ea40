/**
 * The product as a user runs it: a child process of `bin/shardyard.js` with an ini file in a temporary folder, on a free port.
 * A test writes only the settings it is about; what it leaves out is filled in so that the test is alone on its machine.
 * `stop` also checks what a user would find afterwards: nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort } from './ports.ts';
import { ProcessLog } from './process-log.ts';
import { projectRoot } from './root.ts';
import { afterThisProcess } from './watchdog.ts';

export interface ShardyardOptions {
  /** `auth_file`: user → secret (plain, md5…, SCRAM-SHA-256$…). Without it: the user `postgres` with the password `postgres`. */
  readonly users?: Readonly<Record<string, string>>;
  /** Arguments before the ini file, such as `-v`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Serve metrics on a free port (`metricsPort`); otherwise only if the ini says so. */
  readonly metrics?: boolean;
}

export interface Shardyard {
  readonly pid: number;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Folder of the Unix socket; also holds the ini and the user file. */
  readonly socketDir: string;
  /** 0 without metrics. */
  readonly metricsPort: number;
  readonly iniFile: string;
  /** Connection string; user `postgres` unless named. */
  url(database: string, user?: string, password?: string): string;
  /** All that it wrote to its standard error so far. */
  log(): string;
  /**
   * Resolves when the log has a match, from `from` (a length that `log()` had) on; rejects when the process ends without one, or after
   * `limitMs` (a minute).
   */
  waitForLog(pattern: RegExp, from?: number, limitMs?: number): Promise<void>;
  /** Writes the new ini (filled in as at the start) and sends SIGHUP. The outcome is in the log. */
  reload(ini: string): void;
  /** Sends a signal, and resolves with the exit code when the process has ended. */
  exit(signal: NodeJS.Signals): Promise<number | null>;
  /** Ends it at once (SIGQUIT), removes its folder, and throws when it did not end well or left something behind. */
  stop(): Promise<void>;
}

/** Starts the product in transaction mode, with one database `postgres` on that port of this machine; `settings`: further lines of the ini. */
export function startInFront({ port }: { readonly port: number }, settings = '', options: ShardyardOptions = {}): Promise<Shardyard> {
  return startShardyard(
    `[databases]\npostgres = host=127.0.0.1 port=${port}\n[shardyard]\npool_mode = transaction\n${settings}\n`,
    options,
  );
}

/** Starts the product on the ini text; resolves when it says that it listens. Rejects with its log when it ends before that. */
export async function startShardyard(ini: string, options: ShardyardOptions = {}): Promise<Shardyard> {
  const folder = mkdtempSync(path.join(os.tmpdir().length > 70 ? '/tmp' : os.tmpdir(), 'sy-'));
  const users = Object.entries(options.users ?? { postgres: 'postgres' });
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  writeFileSync(path.join(folder, 'users.txt'), users.map(([user, secret]) => `${quoted(user)} ${quoted(secret)}\n`).join(''));
  for (let attempt = 1; ; attempt++) {
    const filling = await chooseFilling(folder, ini, options);
    const shardyard = new Process(folder, ini, filling, options);
    try {
      await shardyard.waitForLog(new RegExp(`listening on \\S*:${shardyard.port}\\b`));
      return shardyard;
    } catch (error) {
      await shardyard.exit('SIGKILL');
      if (attempt < 5 && /EADDRINUSE|address already in use/i.test(shardyard.log())) continue;
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }
}

type Filling = Readonly<Record<string, string>>;

async function chooseFilling(folder: string, ini: string, options: ShardyardOptions): Promise<Filling> {
  return {
    listen_addr: '127.0.0.1',
    listen_port: String(await freePort()),
    unix_socket_dir: folder,
    auth_type: 'trust',
    auth_file: path.join(folder, 'users.txt'),
    admin_users: 'postgres',
    ...(options.metrics ? { metrics_port: String(await freePort()) } : {}),
    ...valuesIn(ini),
  };
}

const SETTING_LINE = /^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$/gm;
const OWN_SECTION = /^[ \t]*\[(shardyard|pgbouncer)\][ \t]*$/m;

/** The text of the [shardyard] section: what follows its header, up to the next section. */
function ownSection(ini: string): string {
  const header = OWN_SECTION.exec(ini);
  return header ? (ini.slice(header.index + header[0].length).split(/^[ \t]*\[/m)[0] ?? '') : '';
}

function valuesIn(ini: string): Filling {
  return Object.fromEntries([...ownSection(ini).matchAll(SETTING_LINE)].map(([, key = '', value = '']) => [key, value]));
}

/** The ini with the settings that it does not name put right after its [shardyard] header. */
function fillIn(ini: string, filling: Filling): string {
  const named = valuesIn(ini);
  const lines = Object.entries(filling).flatMap(([key, value]) => (key in named ? [] : [`${key} = ${value}`]));
  const header = OWN_SECTION.exec(ini);
  if (!header) return `${ini}\n[shardyard]\n${lines.join('\n')}\n`;
  const end = header.index + header[0].length;
  return `${ini.slice(0, end)}\n${lines.join('\n')}${ini.slice(end)}`;
}

/** Arguments to node: the program, or, for tests that were built to another folder than `dist`, what was built with them. */
function program(): readonly string[] {
  const compiled = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
  if (compiled === path.join(projectRoot, 'dist')) return [path.join(projectRoot, 'bin/shardyard.js')];
  const main = JSON.stringify(pathToFileURL(path.join(compiled, 'src/main.js')));
  const script = `const status = await (await import(${main})).main(process.argv.slice(1)); if (status !== undefined) process.exit(status);`;
  return ['--input-type=module', '--eval', script, '--'];
}

class Process implements Shardyard {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly metricsPort: number;
  readonly socketDir: string;
  readonly iniFile: string;
  readonly #filling: Filling;
  readonly #child: ChildProcess;
  readonly #log = new ProcessLog('Shardyard');
  #ended = false;

  constructor(folder: string, ini: string, filling: Filling, options: ShardyardOptions) {
    this.#filling = filling;
    this.port = Number(filling.listen_port);
    this.metricsPort = Number(filling.metrics_port ?? 0);
    this.socketDir = folder;
    this.iniFile = path.join(folder, 'shardyard.ini');
    writeFileSync(this.iniFile, fillIn(ini, filling));
    const child = spawn(process.execPath, [...program(), ...(options.args ?? []), this.iniFile], {
      cwd: projectRoot,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#log.add(text));
    this.#log.began();
    child.once('close', () => {
      this.#ended = true;
      release();
      this.#log.ended();
    });
    const release = afterThisProcess('kill -9 "$1"; rm -rf "$2"', String(child.pid), folder);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  url(database: string, user = 'postgres', password = 'postgres'): string {
    const [u, p, d] = [user, password, database].map(encodeURIComponent);
    return `postgres://${u}:${p}@${this.host}:${this.port}/${d}`;
  }

  log(): string {
    return this.#log.text;
  }

  waitForLog(pattern: RegExp, from = 0, limitMs?: number): Promise<void> {
    return this.#log.wait({ pattern, from, limitMs });
  }

  reload(ini: string): void {
    writeFileSync(this.iniFile, fillIn(ini, this.#filling));
    this.#child.kill('SIGHUP');
  }

  async exit(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.#ended) {
      this.#child.kill(signal);
      await once(this.#child, 'close');
    }
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), 45_000);
    const code = await this.exit('SIGQUIT');
    clearTimeout(limit);
    const left = existsSync(this.socketDir)
      ? readdirSync(this.socketDir).filter((name) => !['shardyard.ini', 'users.txt'].includes(name))
      : [];
    rmSync(this.socketDir, { recursive: true, force: true });
    if (code !== 0) throw new Error(`Shardyard ended with ${code ?? this.#child.signalCode}:\n${this.#log.text}`);
    if (left.length > 0) throw new Error(`Shardyard left ${left.join(', ')} behind`);
    if (await answers(this.port)) throw new Error(`somebody still listens on port ${this.port}`);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
