/**
 * Configuration: file → one frozen `Config`, or `ConfigError` with every problem at once. Nothing else builds a Config,
 * but for SET of the console (`show.ts`). The lines are read by `ini.ts`, their values by `values.ts`, `entries.ts` and
 * `tables.ts`; here the sections are told apart, later lines win over earlier ones, and what must fit together is held together.
 *
 * [shardyard] and [pgbouncer] are one section. Sections may be repeated: they add up. (In PgBouncer a second [pgbouncer]
 * silently sets everything back that the first one said; nobody can want that.)
 */
import { readFileSync } from 'node:fs';
import { buildTopology, type DatabaseSpec, type TableSpec, type Topology } from '../../routing/index.ts';
import type { Config, DatabaseEntry, PeerEntry, UserEntry } from './config.ts';
import { readDatabase, readPeer, readUser, reportAt } from './entries.ts';
import { ConfigError, type ConfigProblem } from './error.ts';
import { deepFreeze } from './freeze.ts';
import { type IniEntry, type IniFile, type IniHeading, type ReadFile, readIni, unquoteName } from './ini.ts';
import { nearest } from './nearest.ts';
import { type SettingName, type Settings, type SettingValue, settingNames, settingSpec, settingsTable } from './settings.ts';
import { readTable } from './tables.ts';
import { defaultSettings, parseSetting } from './values.ts';

export interface LoadOptions {
  /**
   * The configuration in force, for a reload: what cannot be changed while running keeps its value, and so does what SET has
   * changed of the settings without a default (as in PgBouncer). The new topology has the next epoch.
   */
  readonly previous?: Config;
  /** Reads a file; `readFileSync` when not given. */
  readonly read?: ReadFile;
}

/** Names of databases that are the console. */
export const reservedNames: readonly string[] = ['shardyard', 'pgbouncer'];

const sectionNames = ['shardyard', 'pgbouncer', 'databases', 'users', 'peers'];
/** Keys of [databases] lines that do nothing yet; named in `notImplemented` when used. */
const databaseKeysNotImplemented = ['auth_user', 'auth_query', 'auth_dbname'] as const;

interface Loading {
  readonly file: string;
  readonly previous: Config | undefined;
  readonly problems: ConfigProblem[];
  readonly sections: ReadonlyMap<string, readonly IniEntry[]>;
  readonly headings: readonly IniHeading[];
  readonly notImplemented: Set<string>;
}

/** One name for the two names of the settings' section. */
const sectionOf = (name: string): string => (name === 'pgbouncer' ? 'shardyard' : name);
const isTables = (name: string): boolean => name.startsWith('tables.');

function checkHeadings(headings: readonly IniHeading[], problems: ConfigProblem[]): void {
  for (const { name, file, line } of headings) {
    if (sectionNames.includes(name) || isTables(name)) continue;
    const near = nearest(name, [...sectionNames, 'tables.NAME']);
    const hint = near === undefined ? `known sections: ${sectionNames.join(', ')}, tables.NAME` : `did you mean [${near}]?`;
    problems.push({ file, line, key: name, ...(near && { nearest: near }), message: `unknown section [${name}]; ${hint}` });
  }
}

function bySection(ini: IniFile): ReadonlyMap<string, readonly IniEntry[]> {
  const sections = new Map<string, IniEntry[]>();
  for (const entry of ini.entries) {
    const name = sectionOf(entry.section);
    const entries = sections.get(name);
    if (entries === undefined) sections.set(name, [entry]);
    else entries.push(entry);
  }
  return sections;
}

// ---- settings

function isImplemented(name: SettingName, value: SettingValue): boolean {
  const spec = settingSpec(name);
  return spec?.implemented === true && (spec.implementedValues?.includes(String(value)) ?? true);
}

/**
 * The value that `text` gives to the setting `name`, or the problem with it: unknown, not of its type, or refused because accepting it
 * without its implementation would be unsafe.
 */
export function checkSetting(
  name: string,
  text: string,
): { readonly value: SettingValue } | { readonly problem: Omit<ConfigProblem, 'file' | 'line'> } {
  const spec = settingSpec(name);
  if (spec === undefined) {
    const near = nearest(name, settingNames);
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    return { problem: { key: name, ...(near && { nearest: near }), message: `unknown setting "${name}"${hint}` } };
  }
  const parsed = parseSetting(spec, text);
  if (!parsed.ok) {
    const message = `${name}: "${text}" is not allowed; allowed: ${parsed.allowed}`;
    return { problem: { key: name, found: text, allowed: parsed.allowed, message } };
  }
  const reason = spec.refused?.[String(parsed.value)];
  if (reason !== undefined) {
    const allowed = (spec.values ?? []).filter((value) => spec.refused?.[value] === undefined).join(', ');
    return { problem: { key: name, found: text, allowed, message: `${name} = ${text}: ${reason}; possible now: ${allowed}` } };
  }
  if (name === 'auth_dbname' && reservedNames.includes(text)) {
    return { problem: { key: name, found: text, message: `cannot use the reserved "${text}" database as an auth_dbname` } };
  }
  return { value: parsed.value };
}

/** What the file says, by name; a later line wins. */
function namedSettings(loading: Loading): ReadonlyMap<SettingName, SettingValue> {
  const named = new Map<SettingName, SettingValue>();
  for (const entry of loading.sections.get('shardyard') ?? []) {
    const name = unquoteName(entry.key);
    const report = reportAt(entry, loading.problems);
    if (name === undefined) {
      report({ message: 'syntax error: this is not the name of a setting' });
      continue;
    }
    const checked = checkSetting(name, entry.value);
    if ('problem' in checked) report(checked.problem);
    else named.set(name as SettingName, checked.value);
  }
  return named;
}

function readSettings(loading: Loading): { readonly settings: Settings; readonly restartNeeded: readonly string[] } {
  const named = namedSettings(loading);
  const before = loading.previous?.settings;
  const settings: Record<string, SettingValue> = {};
  const restartNeeded: string[] = [];
  for (const name of settingNames) {
    const spec = settingsTable[name];
    const wanted = named.has(name) ? named.get(name) : defaultSettings[name];
    const keeps = before !== undefined && (!spec.reloadable || (spec.default === null && !named.has(name)));
    if (keeps && !spec.reloadable && wanted !== before[name]) restartNeeded.push(name);
    settings[name] = keeps ? before[name] : wanted;
  }
  for (const [name, value] of named) if (!isImplemented(name, value)) loading.notImplemented.add(name);
  return { settings: settings as unknown as Settings, restartNeeded };
}

// ---- databases, users, peers

/** Reads each line of a section into a map by name; a later line wins. */
function readSection<T>(loading: Loading, section: string, read: (entry: IniEntry, name: string) => T | undefined): Map<string, T> {
  const found = new Map<string, T>();
  for (const entry of loading.sections.get(section) ?? []) {
    const name = unquoteName(entry.key);
    if (name === undefined) {
      reportAt(
        entry,
        loading.problems,
      )({ message: `syntax error: a name in [${section}] with characters other than A-Z a-z 0-9 _ . - must be 'quoted'` });
      continue;
    }
    const item = read(entry, name);
    if (item !== undefined) found.set(name, item);
  }
  return found;
}

function readDatabases(loading: Loading, settings: Settings): Map<string, DatabaseEntry> {
  return readSection(loading, 'databases', (entry, name) => {
    const report = reportAt(entry, loading.problems);
    if (reservedNames.includes(name)) return void report({ key: name, message: `database name "${name}" is reserved` });
    const database = readDatabase(entry, name, settings.unix_socket_dir, report);
    for (const key of databaseKeysNotImplemented) if (database?.[key] !== undefined) loading.notImplemented.add(key);
    return database;
  });
}

function readUsers(loading: Loading): ReadonlyMap<string, UserEntry> {
  return readSection(loading, 'users', (entry, name) => readUser(entry, name, reportAt(entry, loading.problems)));
}

function readPeers(loading: Loading): ReadonlyMap<number, PeerEntry> {
  const peers = readSection(loading, 'peers', (entry, name) => readPeer(entry, name, reportAt(entry, loading.problems)));
  if (peers.size > 0) loading.notImplemented.add('[peers]');
  return new Map([...peers.values()].map((peer) => [peer.peer_id, peer]));
}

// ---- tables and topology

type Placed = ReadonlyMap<string, { readonly spec: TableSpec; readonly entry: IniEntry }>;

const tableKey = (schema: string | undefined, name: string): string => JSON.stringify(schema === undefined ? [name] : [schema, name]);

/** Names in [databases], also of lines that have problems. */
function listedDatabases(loading: Loading): ReadonlySet<string> {
  const names = (loading.sections.get('databases') ?? []).map((entry) => unquoteName(entry.key));
  return new Set(names.filter((name) => name !== undefined));
}

/** Each [tables.NAME] must be for a sharded database. */
function checkTablesHeadings(loading: Loading, databases: ReadonlyMap<string, DatabaseEntry>): void {
  const listed = listedDatabases(loading);
  for (const heading of loading.headings.filter(({ name }) => isTables(name))) {
    const name = tablesDatabase(heading.name);
    const database = databases.get(name);
    // A database whose own line has a problem is not reported a second time here.
    if (database?.shards !== undefined || (database === undefined && listed.has(name))) continue;
    const sharded = [...databases.values()].filter((one) => one.shards !== undefined).map((one) => one.name);
    const near = nearest(name, sharded);
    const hint = near === undefined ? '' : `; did you mean [tables.${near}]?`;
    const why = database === undefined ? `there is no database "${name}"` : `database "${name}" is not sharded (it has no shards=)`;
    reportAt(heading, loading.problems)({ key: heading.name, ...(near && { nearest: near }), message: `[${heading.name}]: ${why}${hint}` });
  }
}

const tablesDatabase = (section: string): string => {
  const name = section.slice('tables.'.length).trim();
  return unquoteName(name) ?? name;
};

function readTables(loading: Loading): ReadonlyMap<string, Placed> {
  const databases = new Map<string, Map<string, { readonly spec: TableSpec; readonly entry: IniEntry }>>();
  for (const [section, entries] of loading.sections) {
    if (!isTables(section)) continue;
    const database = tablesDatabase(section);
    const tables = databases.get(database) ?? new Map<string, { readonly spec: TableSpec; readonly entry: IniEntry }>();
    databases.set(database, tables);
    for (const entry of entries) {
      const report = reportAt(entry, loading.problems);
      const spec = readTable(entry, report);
      if (spec === undefined) continue;
      const key = tableKey(spec.schema, spec.name);
      const first = tables.get(key)?.entry;
      if (first !== undefined) report({ key: entry.key, message: `table "${entry.key}" has a line already (${first.file}:${first.line})` });
      else tables.set(key, { spec, entry });
    }
  }
  return databases;
}

function databaseSpec(entry: DatabaseEntry, tables: Placed | undefined): DatabaseSpec {
  return {
    name: entry.name,
    ...(entry.reads !== undefined && { reads: entry.reads }),
    ...(entry.shards !== undefined && { shards: entry.shards, tables: [...(tables?.values() ?? [])].map(({ spec }) => spec) }),
  };
}

/** The line of a database, or of one of its tables, for a problem that routing found. */
function placeOf(
  loading: Loading,
  database: string,
  table: string | undefined,
  tables: ReadonlyMap<string, Placed>,
): { file: string; line: number } {
  const placed = [...(tables.get(database)?.values() ?? [])];
  const named = placed.find(({ spec }) => table === (spec.schema === undefined ? spec.name : `${spec.schema}.${spec.name}`));
  if (named !== undefined) return named.entry;
  return loading.sections.get('databases')?.findLast((entry) => unquoteName(entry.key) === database) ?? { file: loading.file, line: 0 };
}

function readTopology(loading: Loading, databases: ReadonlyMap<string, DatabaseEntry>): Topology | undefined {
  const tables = readTables(loading);
  checkTablesHeadings(loading, databases);
  const epoch = (loading.previous?.topology.epoch ?? 0) + 1;
  const specs = [...databases.values()].map((entry) => databaseSpec(entry, tables.get(entry.name)));
  // A database whose own line is wrong must not make those that name it look wrong, too.
  for (const name of listedDatabases(loading)) if (!databases.has(name)) specs.push({ name });
  const built = buildTopology({ databases: specs }, epoch);
  if ('topology' in built) return built.topology;
  for (const { database, table, message } of built.problems) {
    reportAt(placeOf(loading, database, table, tables), loading.problems)({ key: table ?? database, message });
  }
  return undefined;
}

// ---- all of it

/** Problems in the order of the files: as first met, then by line. */
function inOrder(problems: readonly ConfigProblem[], ini: IniFile, file: string): readonly ConfigProblem[] {
  const files = [...new Set([file, ...ini.headings.map((h) => h.file), ...ini.entries.map((e) => e.file)])];
  return [...problems].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
}

/**
 * Reads and checks a configuration file and all that it includes. The result is frozen all the way down.
 * @throws ConfigError with every problem; nothing is taken then.
 */
export function loadConfig(file: string, options: LoadOptions = {}): Config {
  const ini = readIni(file, options.read ?? readFileSync);
  const problems = [...ini.problems];
  checkHeadings(ini.headings, problems);
  const loading: Loading = {
    file,
    previous: options.previous,
    problems,
    sections: bySection(ini),
    headings: ini.headings,
    notImplemented: new Set(),
  };
  const { settings, restartNeeded } = readSettings(loading);
  const all = readDatabases(loading, settings);
  const users = readUsers(loading);
  const peers = readPeers(loading);
  const topology = readTopology(loading, all);
  if (problems.length > 0 || topology === undefined) throw new ConfigError(inOrder(problems, ini, file));
  const fallback = all.get('*');
  const databases = new Map([...all].filter(([name]) => name !== '*'));
  const notImplemented = [...loading.notImplemented];
  return deepFreeze({ file, settings, databases, ...(fallback && { fallback }), users, peers, topology, notImplemented, restartNeeded });
}

/**
 * The entry of a database by the name that a client asks for: its own line, or one made from the `*` line, or undefined.
 * The console's names are never found.
 */
export function databaseFor(config: Config, name: string): DatabaseEntry | undefined {
  const listed = config.databases.get(name);
  if (listed !== undefined || config.fallback === undefined || name === '' || reservedNames.includes(name)) return listed;
  const dbname = config.fallback.dbname === '*' ? name : config.fallback.dbname;
  return Object.freeze({ ...config.fallback, name, dbname, auto: true });
}

/** The line that is logged once at start and after a reload; undefined when everything that the file names is implemented. */
export function notImplementedText(config: Config): string | undefined {
  return config.notImplemented.length === 0 ? undefined : `accepted, not implemented: ${config.notImplemented.join(', ')}`;
}
