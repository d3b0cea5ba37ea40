/**
 * Parameters in the name space of a library (`plpgsql.x`). As long as a backend has not loaded the library it takes any name; afterwards only
 * those that the library knows. On a server connection that others have used the library may be loaded although this session never did that: a
 * name that the library does not know is therefore given to a new connection, which then stays with the session and is closed after it. So are
 * parameters that count only when the library is loaded (`plperl.on_init`), and LOAD, which does nothing where it is loaded already.
 */
import type { Effect, StateActions } from '../../routing/index.ts';
import type { Server } from '../server/server.ts';
import type { Request } from './request.ts';
import type { Temporary } from './temporary.ts';

/** Libraries that reserve their name space when they are loaded, and the parameters that they know and that count afterwards, too. */
const KNOWN: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    plpgsql: 'variable_conflict print_strict_params check_asserts extra_warnings extra_errors',
    plperl: 'use_strict',
    pltcl: '',
    pltclu: '',
    auto_explain: `log_min_duration log_parameter_max_length log_analyze log_settings log_verbose log_buffers log_wal log_triggers log_format log_level
      log_nested_statements log_timing sample_rate`,
    pg_trgm: 'similarity_threshold word_similarity_threshold strict_word_similarity_threshold',
  }).map(([library, names]) => [library, new Set(names.split(/\s+/))]),
);

/** Whether an effect sets a parameter that exists only as long as its library is not loaded. */
export function isOnlyUnloaded({ kind, name }: Effect): boolean {
  if ((kind !== 'set' && kind !== 'set_config') || name === undefined) return false;
  const at = name.indexOf('.');
  return at > 0 && KNOWN.get(name.slice(0, at).toLowerCase())?.has(name.slice(at + 1).toLowerCase()) === false;
}

/** What the session has, and what is done about it. */
interface Wanting {
  readonly definitions: { readonly temporary: Temporary };
  readonly policy: { readonly state: { readonly actions: StateActions } };
}

/** Whether a request must run on a server connection that nobody has used, as it would see what others have left on this one. */
export function wantsNewServer(request: Request, server: Server, { definitions, policy }: Wanting): boolean {
  if (definitions.temporary.seesOthers(request, server)) return true;
  const facts = request.simple ?? (request.executed.length === 1 ? request.executed[0] : undefined);
  const effect = facts?.statements[0]?.effects.length === 1 ? facts.statements[0].effects[0]! : undefined;
  return effect !== undefined && (isOnlyUnloaded(effect) || (effect.kind === 'load' && policy.state.actions.load !== 'ignore'));
}
