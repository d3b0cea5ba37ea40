/**
 * The lines of [tables.NAME]: where the rows of each table of a sharded database live.
 *
 *     orders    = key=customer_id type=bigint shard_by=consistent
 *     countries = everywhere
 *     audit     = on=shop_0
 */
import type { TableSpec } from '../../routing/index.ts';
import { parsePairs } from './connection-string.ts';
import type { Report } from './entries.ts';
import type { IniEntry } from './ini.ts';
import { parseColumn, parseName } from './names.ts';
import { nearest } from './nearest.ts';

type Placement = TableSpec['placement'];
type KeyPlacement = Extract<Placement, { kind: 'key' }>;

/** Postgres's names for the types whose hash is known, by the family that routing knows. */
const typeFamilies: ReadonlyMap<string, KeyPlacement['type']> = new Map([
  ['smallint', 'integer'],
  ['int2', 'integer'],
  ['integer', 'integer'],
  ['int', 'integer'],
  ['int4', 'integer'],
  ['bigint', 'integer'],
  ['int8', 'integer'],
  ['text', 'text'],
  ['varchar', 'text'],
  ['character varying', 'text'],
  ['uuid', 'uuid'],
]);
const keysOfATable = ['key', 'type', 'shard_by', 'on', 'everywhere'];
const forms = 'key=COLUMN type=TYPE [shard_by=consistent|hash], everywhere, or on=SHARD';

function readKey(pairs: ReadonlyMap<string, string>, what: string, report: Report): Placement | undefined {
  const column = parseColumn(pairs.get('key') ?? '');
  if (column === undefined) return void report({ key: 'key', message: `${what}: key must be the name of one column` });
  const typeText = pairs.get('type');
  const type = typeFamilies.get((typeText ?? '').toLowerCase().replace(/\s*\(\s*\d+\s*\)$/, ''));
  if (type === undefined) {
    const allowed = [...typeFamilies.keys()].join(', ');
    const shown = typeText === undefined ? 'type is missing' : `type "${typeText}" cannot be a shard key`;
    return void report({
      key: 'type',
      ...(typeText !== undefined && { found: typeText }),
      allowed,
      message: `${what}: ${shown}; allowed: ${allowed}`,
    });
  }
  const shardBy = (pairs.get('shard_by') ?? 'consistent').toLowerCase();
  if (shardBy !== 'consistent' && shardBy !== 'hash') {
    return void report({
      key: 'shard_by',
      found: shardBy,
      allowed: 'consistent, hash',
      message: `${what}: shard_by: allowed: consistent, hash`,
    });
  }
  return { kind: 'key', column, type, shardBy };
}

function readPlacement(text: string, what: string, report: Report): Placement | undefined {
  if (text.toLowerCase() === 'everywhere') return { kind: 'everywhere' };
  const result = parsePairs(text);
  if ('problem' in result) return void report({ allowed: forms, message: `${what}: ${result.problem}; allowed: ${forms}` });
  const pairs = new Map(result.pairs.map((pair) => [pair.key, pair.value]));
  for (const key of pairs.keys()) {
    if (keysOfATable.includes(key) && key !== 'everywhere') continue;
    const near = nearest(key, keysOfATable);
    const hint = near === undefined ? `allowed: ${forms}` : `did you mean "${near}"?`;
    return void report({ key, ...(near && { nearest: near }), message: `${what}: unknown key "${key}"; ${hint}` });
  }
  const shard = pairs.get('on');
  if (shard !== undefined && pairs.size === 1) return { kind: 'on', shard };
  if (shard === undefined && pairs.has('key')) return readKey(pairs, what, report);
  return void report({ allowed: forms, message: `${what}: allowed: ${forms}` });
}

/** One line of [tables.NAME]; undefined when there was a problem, which was reported. */
export function readTable(entry: IniEntry, report: Report): TableSpec | undefined {
  const name = parseName(entry.key);
  if (name === undefined || name.length > 2) {
    return void report({
      key: entry.key,
      allowed: 'table, schema.table, "Quoted"',
      message: `[${entry.section}]: "${entry.key}" is not the name of a table`,
    });
  }
  const placement = readPlacement(entry.value, `[${entry.section}] ${entry.key}`, report);
  const [first = '', second] = name;
  if (placement === undefined) return undefined;
  return second === undefined ? { name: first, placement } : { schema: first, name: second, placement };
}
