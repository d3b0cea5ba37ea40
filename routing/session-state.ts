/**
 * The kinds of session state, as data: what each is, what may be done with it, and which effects of statements make it. From this table come
 * the settings `session_state.<kind>`, the reasons of pins, the refusals of those who allow a kind to nobody, and the documents.
 *
 * What Shardyard does by default is exact: a client cannot tell its session from a connection of its own. The other choices are for those
 * who prefer something else, and `ignore` gives exactness up.
 */
import type { Effect, EffectKind, Facts, Statement } from './facts.ts';
import type { Plan } from './plan.ts';

/**
 * - `track`: brought along to whichever server connection comes next, or found by asking; the server connection is shared.
 * - `pin`: the session keeps its server connection until the state is gone.
 * - `reject`: a statement that makes such state is refused before it is sent.
 * - `ignore`: nothing is done; the state stays with the server connection, and whoever gets that next finds it.
 */
export type StateAction = 'track' | 'pin' | 'reject' | 'ignore';

interface KindSpec {
  /** Allowed choices; the first is the default. */
  readonly actions: readonly [StateAction, ...StateAction[]];
  /** The begin of a refusal: "temporary objects are" (not allowed here). */
  readonly what: string;
  readonly doc: string;
}

const TRACKED = ['track', 'pin', 'reject', 'ignore'] as const;
const PINNED = ['pin', 'reject', 'ignore'] as const;

/** Every kind of session state, in the order in which it is documented. */
export const stateKinds = {
  settings: {
    actions: TRACKED,
    what: 'settings of the session are',
    doc: '`SET`, `SET SESSION`, `set_config`, `SET SESSION CHARACTERISTICS`.',
  },
  role: { actions: TRACKED, what: 'other roles are', doc: '`SET ROLE`, `SET SESSION AUTHORIZATION`.' },
  prepared: {
    actions: ['track', 'pin', 'reject'],
    what: 'named prepared statements are',
    doc: "Named statements of the protocol's Parse.",
  },
  prepare: {
    actions: TRACKED,
    what: 'statements of PREPARE are',
    doc: "SQL's `PREPARE`. `track` follows a `PREPARE` that stands alone in a Query; others pin.",
  },
  temp: { actions: PINNED, what: 'temporary objects are', doc: 'Temporary tables, views, sequences and functions.' },
  hold: { actions: PINNED, what: 'cursors WITH HOLD are', doc: '`DECLARE … WITH HOLD`.' },
  advisory: { actions: PINNED, what: 'advisory locks of the session are', doc: 'Advisory locks that outlive their transaction.' },
  listen: { actions: PINNED, what: 'LISTEN is', doc: '`LISTEN`.' },
  sequence: { actions: PINNED, what: 'currval() and lastval() are', doc: '`currval` and `lastval`, which speak of what the session drew.' },
  seed: { actions: PINNED, what: 'setseed() is', doc: '`setseed`, `SET seed`.' },
  load: { actions: PINNED, what: 'LOAD is', doc: '`LOAD`.' },
  snapshot: { actions: PINNED, what: 'exported snapshots are', doc: '`pg_export_snapshot`.' },
  slot: { actions: PINNED, what: 'temporary replication slots are', doc: 'Temporary replication slots.' },
  dblink: { actions: PINNED, what: 'dblink is', doc: 'Connections of `dblink`.' },
  stats: { actions: PINNED, what: 'statistics of the session are', doc: '`pg_stat_clear_snapshot`, `pg_stat_force_next_flush`.' },
  opaque: {
    actions: TRACKED,
    what: 'functions that are not built in, DO and CALL are',
    doc: 'What code that no parser sees leaves: functions that are not built in, `DO`, `CALL`, triggers. `track` asks the server (see `state_audit`), `pin` keeps the server connection until the session ends.',
  },
} as const satisfies Readonly<Record<string, KindSpec>>;

export type StateKind = keyof typeof stateKinds;

/** All kinds, in the order of the table. */
export const stateKindNames = Object.keys(stateKinds) as readonly StateKind[];

/** The choice for each kind. */
export type StateActions = Readonly<Record<StateKind, StateAction>>;

/** Exact: what holds where nothing else was chosen. */
export const defaultStateActions: StateActions = Object.freeze(
  Object.fromEntries(stateKindNames.map((kind) => [kind, stateKinds[kind].actions[0]])),
) as StateActions;

const KIND_OF: Partial<Record<EffectKind, StateKind>> = {
  set: 'settings',
  set_config: 'settings',
  set_characteristics: 'settings',
  set_role: 'role',
  set_session_authorization: 'role',
  prepare: 'prepare',
  temp: 'temp',
  hold: 'hold',
  advisory: 'advisory',
  listen: 'listen',
  currval: 'sequence',
  seed: 'seed',
  load: 'load',
  snapshot: 'snapshot',
  slot: 'slot',
  dblink: 'dblink',
  stats: 'stats',
  opaque: 'opaque',
};

/** The kind of state that an effect makes; undefined when it makes none (or takes some away). */
export function stateKindOf(effect: EffectKind): StateKind | undefined {
  return KIND_OF[effect];
}

type RejectPlan = Extract<Plan, { kind: 'reject' }>;

/** The refusal of a statement that would make state of this kind. */
export function stateRefusal(kind: StateKind): RejectPlan {
  const others = stateKinds[kind].actions.filter((action) => action !== 'reject' && action !== 'ignore');
  return {
    kind: 'reject',
    sqlstate: '0A000',
    message: `${stateKinds[kind].what} not allowed here (session_state.${kind} = reject)`,
    hint: `Set session_state.${kind} = ${others.join(' or ')} for this database or user to allow it.`,
    why: 'session_state',
  };
}

/** Setting the role or the authorization back leaves nothing behind. */
function goesBack(effect: Effect, { verb }: Statement): boolean {
  return verb === 'reset' || (verb === 'set' && KIND_OF[effect.kind] === 'role' && effect.value === undefined);
}

function refusedKind(effect: Effect, statement: Statement, actions: StateActions): StateKind | undefined {
  const kind = KIND_OF[effect.kind];
  if (kind === undefined || goesBack(effect, statement)) return undefined;
  if (actions[kind] === 'reject') return kind;
  // A parameter whose name the text does not show may be any.
  return effect.kind === 'set_config' && effect.name === undefined && actions.role === 'reject' ? 'role' : undefined;
}

/** The refusal of a text, when something in it makes state of a kind that is rejected. */
export function refuseState({ statements }: Facts, actions: StateActions): RejectPlan | undefined {
  for (const statement of statements) {
    for (const effect of statement.effects) {
      const kind = refusedKind(effect, statement, actions);
      if (kind !== undefined) return stateRefusal(kind);
    }
  }
  return undefined;
}
