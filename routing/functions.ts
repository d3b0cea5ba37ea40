/**
 * What the text alone tells of a function, a type or a system view: built in or not, harmless or not. A name is taken as built in
 * when it is not qualified or qualified with pg_catalog: a user's own function of the same name and other arguments is not told apart.
 * The lists are in functions-data.ts; what a call does to the session is in effects.ts.
 */
import type { FunctionName } from './facts.ts';
import { BUILT_IN_TYPES, HARMLESS_FUNCTIONS, INFORMATION_SCHEMA_FUNCTIONS, OTHER_BUILT_IN_FUNCTIONS } from './functions-data.ts';
import type { Call } from './query.ts';

/** `other` writes, locks, keeps state, or answers for one host only; `unknown` is a user's own (or of a newer Postgres). */
export type FunctionClass = 'harmless' | 'other' | 'unknown';

/** Settings whose value tells a primary from a replica. */
const HOST_SETTINGS: ReadonlySet<string> = new Set([
  'all',
  'in_hot_standby',
  'transaction_read_only',
  'default_transaction_read_only',
  'hot_standby',
  'primary_conninfo',
  'primary_slot_name',
  'data_directory',
  'port',
  'listen_addresses',
  'cluster_name',
]);

/** True when SHOW or current_setting() of this name may answer differently on a replica. */
export function isHostSetting(name: string): boolean {
  return HOST_SETTINGS.has(name.toLowerCase());
}

/** Classes a call; `current_setting` is harmless only when its name is literal and the same on each host. */
export function classify(call: Call): FunctionClass {
  const { schema, name } = call.fn;
  if (schema === 'information_schema') return INFORMATION_SCHEMA_FUNCTIONS.has(name) ? 'harmless' : 'unknown';
  if (schema !== undefined && schema !== 'pg_catalog') return 'unknown';
  if (name === 'current_setting') {
    const setting = literalText(call, 0);
    return setting !== undefined && !isHostSetting(setting) ? 'harmless' : 'other';
  }
  return classifyName(name);
}

/** Classes an unqualified name, folded. */
export function classifyName(name: string): FunctionClass {
  if (HARMLESS_FUNCTIONS.has(name)) return 'harmless';
  return OTHER_BUILT_IN_FUNCTIONS.has(name) ? 'other' : 'unknown';
}

/** The text of a call's literal argument, from 0; undefined when it is anything else. */
export function literalText(call: Call, index: number): string | undefined {
  let arg = call.args[index];
  if (arg?.kind === 'cast') arg = arg.arg;
  return arg?.kind === 'value' && arg.operand.kind === 'literal' ? arg.operand.text : undefined;
}

/** True for a type of pg_catalog, by internal name (int8, bpchar). */
export function isBuiltInType(schema: string | undefined, name: string): boolean {
  if (schema !== undefined && schema !== 'pg_catalog') return false;
  return BUILT_IN_TYPES.has(name) || (name.startsWith('_') && BUILT_IN_TYPES.has(name.slice(1)));
}

const HOST_VIEWS =
  /^pg_(stat_.*|statio_.*|locks|settings|file_settings|hba_file_rules|ident_file_mappings|replication_.*|prepared_.*|cursors|shmem_allocations.*|backend_memory_contexts|aios|available_extension.*|config)$/;

/** A system view whose rows belong to one host or one session: the primary must answer. */
export function isHostView(schema: string | undefined, name: string): boolean {
  return (schema === undefined || schema === 'pg_catalog') && name.startsWith('pg_') && HOST_VIEWS.test(name);
}

/** Functions that run SQL given as a string or read tables given by name: the text does not show what they touch. */
export function runsHiddenSql(fn: FunctionName): boolean {
  if (fn.schema !== undefined && fn.schema !== 'pg_catalog') return false;
  return /^(query|cursor|table|schema|database)_to_xml|^(ts_stat|ts_rewrite)$/.test(fn.name);
}
