/**
 * The outlines of schema changes: which table they are about, whether they make something temporary, what they drop, and whether
 * they change what new sessions begin with. Their bodies are not read here; where a body is executed (CREATE TABLE AS) nothing is claimed.
 */
import { readTables, tableNamed, type Utility } from './clauses.ts';
import type { Effect, Relation } from './facts.ts';
import { Token } from './scan.ts';
import { done, kindAt, nameAt, take, takeAll, takeQualified, type Words, wordAt } from './words.ts';

const DDL: Effect = { kind: 'ddl' };

/** Reads what follows CREATE, ALTER, DROP, GRANT, …; takes the statement to its end. */
export function readSchemaChange(verb: string, w: Words): Utility | undefined {
  const utility = verb === 'create' ? create(w) : verb === 'alter' ? alter(w) : verb === 'drop' ? drop(w) : ddl([]);
  w.at = w.last;
  return utility;
}

function ddl(effects: readonly Effect[], relations: readonly Relation[] = [], evaluates = false): Utility {
  return { verb: 'ddl', effects: [DDL, ...effects], relations, outline: true, ...(evaluates ? { evaluates } : {}) };
}

function create(w: Words): Utility | undefined {
  const start = w.at;
  takeAll(w, 'or', 'replace');
  take(w, 'global', 'local');
  const temporary = isTemporary(w);
  take(w, 'unlogged');
  const kind = take(w, 'table', 'view', 'sequence', 'recursive', 'materialized', 'unique', 'index', 'foreign');
  if (kind === 'recursive' || kind === 'materialized' || kind === 'unique' || kind === 'foreign') take(w, 'view', 'index', 'table');
  if ((kind === 'table' || kind === 'materialized') && hasTopLevelAs(w)) return undefined;
  if (kind === 'unique' || kind === 'index') return ddl(tempSchema(w, start), indexed(w), true);
  takeAll(w, 'if', 'not', 'exists');
  const names = kind === undefined ? undefined : takeQualified(w);
  const temp: readonly Effect[] =
    names !== undefined && (temporary || (CAN_BE_TEMPORARY.has(kind!) && isTempSchema(names.at(-2))))
      ? [{ kind: 'temp', name: names.at(-1)! }]
      : temporary
        ? [{ kind: 'temp' }]
        : tempSchema(w, start);
  const isTable = names !== undefined && (kind === 'table' || kind === 'foreign');
  return ddl(temp, isTable ? [tableNamed(names)] : []);
}

function isTemporary(w: Words): boolean {
  const next = wordAt(w, w.at + 1);
  if (next !== 'table' && next !== 'view' && next !== 'sequence' && next !== 'recursive') return false;
  return take(w, 'temp', 'temporary') !== undefined;
}

const CAN_BE_TEMPORARY: ReadonlySet<string> = new Set(['table', 'view', 'sequence', 'recursive']);

function isTempSchema(name: string | undefined): boolean {
  return name !== undefined && /^pg_temp(_\d+)?$/.test(name);
}

/** A name in pg_temp anywhere may make whatever is created temporary. */
function tempSchema(w: Words, from: number): readonly Effect[] {
  for (let i = from; i < w.last; i++) {
    if (isTempSchema(nameAt(w, i))) return [{ kind: 'temp' }];
  }
  return [];
}

function hasTopLevelAs(w: Words): boolean {
  let depth = 0;
  for (let i = w.at; i < w.last; i++) {
    const kind = kindAt(w, i);
    if (kind === Token.open) depth++;
    else if (kind === Token.close) depth--;
    else if (depth === 0 && wordAt(w, i) === 'as') return true;
  }
  return false;
}

function indexed(w: Words): readonly Relation[] {
  take(w, 'concurrently');
  takeAll(w, 'if', 'not', 'exists');
  if (wordAt(w) !== 'on') takeQualified(w);
  if (!takeAll(w, 'on')) return [];
  take(w, 'only');
  const names = takeQualified(w);
  return names === undefined ? [] : [tableNamed(names)];
}

function alter(w: Words): Utility {
  const start = w.at;
  const kind = take(w, 'role', 'user', 'database', 'system', 'table', 'foreign', 'domain');
  if (kind === 'system') return ddl([{ kind: 'role_defaults' }]);
  if (kind === 'role' || kind === 'user' || kind === 'database') return ddl(changesDefaults(w, kind) ? [{ kind: 'role_defaults' }] : []);
  if (kind === 'foreign' && take(w, 'table') === undefined) return ddl(tempSchema(w, start));
  if (kind !== 'table' && kind !== 'foreign') return ddl(tempSchema(w, start), [], kind === 'domain');
  takeAll(w, 'if', 'exists');
  take(w, 'only');
  const names = takeQualified(w);
  return ddl(tempSchema(w, start), names === undefined ? [] : [tableNamed(names)], true);
}

/** ALTER ROLE … [IN DATABASE …] SET|RESET, ALTER DATABASE … SET|RESET, but not ALTER DATABASE … SET TABLESPACE. */
function changesDefaults(w: Words, kind: string): boolean {
  w.at++;
  for (let i = w.at; i < w.last; i++) {
    const word = wordAt(w, i);
    if (word === 'reset' || word === 'set') return kind !== 'database' || wordAt(w, i + 1) !== 'tablespace';
  }
  return false;
}

const MAY_BE_TEMPORARY: ReadonlySet<string> = new Set([
  'table',
  'view',
  'sequence',
  'index',
  'type',
  'domain',
  'function',
  'procedure',
  'routine',
  'aggregate',
  'operator',
  'schema',
  'materialized',
  'owned',
]);
const NAMED_ONLY: ReadonlySet<string> = new Set([
  'table',
  'view',
  'sequence',
  'index',
  'type',
  'domain',
  'schema',
  'materialized',
  'foreign',
]);

function drop(w: Words): Utility {
  const kind = wordAt(w) ?? '';
  w.at++;
  if (kind === 'materialized' || kind === 'foreign') take(w, 'view', 'table');
  if (kind === 'index') take(w, 'concurrently');
  takeAll(w, 'if', 'exists');
  if (NAMED_ONLY.has(kind)) {
    const tables = readTables(w);
    if (tables !== undefined && (done(w) || take(w, 'cascade', 'restrict') !== undefined)) {
      const effects = tables.map((table): Effect => ({ kind: 'drop', name: table.name }));
      return ddl(effects, kind === 'table' || kind === 'view' || kind === 'materialized' || kind === 'foreign' ? tables : []);
    }
  }
  return ddl(MAY_BE_TEMPORARY.has(kind) ? [{ kind: 'drop' }] : []);
}
