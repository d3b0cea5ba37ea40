/**
 * What calling a built-in function does to the session (the traps are Postgres's own: set_config anywhere in a query, setseed by
 * its setting's name, advisory locks that outlive their transaction). Functions that are not built in get `opaque` with their name,
 * so that whoever knows the catalog can clear them. Effects of utility statements are in utility.ts.
 */

import type { Effect, EffectKind, FunctionName } from './facts.ts';
import { classify, literalText, runsHiddenSql } from './functions.ts';
import type { Call } from './query.ts';
import { fold } from './scan.ts';

const BY_NAME: ReadonlyMap<string, EffectKind> = new Map<string, EffectKind>([
  ['setseed', 'seed'],
  ['currval', 'currval'],
  ['lastval', 'currval'],
  ['nextval', 'nextval'],
  ['setval', 'nextval'],
  ['pg_advisory_lock', 'advisory'],
  ['pg_advisory_lock_shared', 'advisory'],
  ['pg_try_advisory_lock', 'advisory'],
  ['pg_try_advisory_lock_shared', 'advisory'],
  ['pg_advisory_unlock', 'advisory_release'],
  ['pg_advisory_unlock_shared', 'advisory_release'],
  ['pg_advisory_unlock_all', 'advisory_release'],
  ['pg_export_snapshot', 'snapshot'],
  ['pg_stat_clear_snapshot', 'stats'],
  ['pg_stat_force_next_flush', 'stats'],
  ['pg_replication_origin_session_setup', 'opaque'],
  ['pg_replication_origin_session_reset', 'opaque'],
  ['pg_backup_start', 'opaque'],
  ['pg_backup_stop', 'opaque'],
]);

/** Position of the argument `temporary`, from 0. */
const SLOT_FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ['pg_create_logical_replication_slot', 2],
  ['pg_create_physical_replication_slot', 2],
  ['pg_copy_logical_replication_slot', 2],
  ['pg_copy_physical_replication_slot', 2],
]);

/** A name as a person would write it: `schema.name`. */
export function qualified(fn: FunctionName): string {
  return fn.schema === undefined ? fn.name : `${fn.schema}.${fn.name}`;
}

/** Effects of one call, if it runs. */
export function effectsOfCall(call: Call): readonly Effect[] {
  const { schema, name } = call.fn;
  if (/^dblink(_|$)/.test(name)) return [{ kind: 'dblink' }];
  if (schema !== undefined && schema !== 'pg_catalog')
    return classify(call) === 'harmless' ? [] : [{ kind: 'opaque', name: qualified(call.fn) }];
  if (name === 'set_config') return [setConfig(call)];
  const kind = BY_NAME.get(name) ?? (SLOT_FUNCTIONS.has(name) ? slotEffect(call, SLOT_FUNCTIONS.get(name)!) : undefined);
  if (kind !== undefined) return [{ kind }];
  if (runsHiddenSql(call.fn) || name.startsWith('binary_upgrade_')) return [{ kind: 'opaque' }];
  return classify(call) === 'unknown' ? [{ kind: 'opaque', name }] : [];
}

function setConfig(call: Call): Effect {
  const name = literalText(call, 0);
  const value = literalText(call, 1);
  const local = literalText(call, 2);
  const known =
    call.args.length === 3 ? { ...(name === undefined ? {} : { name: fold(name) }), ...(value === undefined ? {} : { value }) } : {};
  if (local !== undefined && /^(t|true|on|yes|1)$/i.test(local)) return settingEffect({ kind: 'set_local', ...known });
  return settingEffect({ kind: 'set_config', ...known });
}

/** A setting by name: some settings are state of another kind under a setting's name. */
export function settingEffect(effect: Effect): Effect {
  if (effect.name === 'seed') return { kind: 'seed' };
  if (effect.kind === 'set_local') return effect;
  const value = effect.value === undefined ? {} : { value: effect.value };
  if (effect.name === 'role') return { kind: 'set_role', ...(effect.value === 'none' ? {} : value) };
  if (effect.name === 'session_authorization') return { kind: 'set_session_authorization', ...value };
  return effect;
}

function slotEffect(call: Call, index: number): EffectKind | undefined {
  const temporary = literalText(call, index);
  if (call.args.every((arg) => arg.kind === 'value') && (call.args.length <= index || temporary === 'false')) return undefined;
  return 'slot';
}
