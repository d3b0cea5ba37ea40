/** Shardyard's own settings, as data, in the order in which documents print them. Those of `session_state.<kind>` come from routing's table of the kinds. */
import { type StateAction, type StateKind, stateKindNames, stateKinds } from '../../routing/index.ts';
import type { SettingSpec } from './setting-spec.ts';

type StateSettings = {
  readonly [Kind in StateKind as `session_state.${Kind}`]: SettingSpec & { readonly type: 'enum'; readonly values: readonly StateAction[] };
};

function stateSetting(kind: StateKind): SettingSpec {
  const { actions, doc } = stateKinds[kind];
  return { type: 'enum', default: actions[0], values: actions, reloadable: true, group: 'state', implemented: true, doc };
}

const stateSettings = Object.fromEntries(
  stateKindNames.map((kind) => [`session_state.${kind}`, stateSetting(kind)]),
) as unknown as StateSettings;

export const ownSettings = {
  sql_parser: {
    type: 'enum',
    default: 'libpg-query',
    values: ['libpg-query', 'node-sql-parser'],
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Parser that reads the statements: libpg-query is the grammar of Postgres itself.',
  },
  facts_cache_size: {
    type: 'int',
    default: '10000',
    unit: 'statements',
    min: 1,
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Statement texts whose analysis is kept.',
  },
  metrics_listen_addr: {
    type: 'string',
    default: '127.0.0.1',
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Address on which /metrics, /healthz and /readyz are served.',
  },
  metrics_port: {
    type: 'int',
    default: '0',
    max: 65535,
    reloadable: false,
    group: 'shardyard',
    implemented: true,
    doc: 'Port for /metrics, /healthz and /readyz; 0 for none.',
  },
  pipeline: {
    type: 'enum',
    default: 'reads',
    values: ['off', 'reads'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Queries of several clients travel one behind the other on one server connection, where that is proven to be safe and quick (transaction and statement mode).',
  },
  pipeline_width: {
    type: 'int',
    default: '4',
    unit: 'connections',
    min: 1,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: "Server connections of a pool that carry several clients' queries at once: about twice the server's cores.",
  },
  pipeline_depth: {
    type: 'int',
    default: '128',
    unit: 'queries',
    min: 1,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Queries that stand one behind the other on one such connection.',
  },
  auto_prepare: {
    type: 'enum',
    default: 'on',
    values: ['off', 'on'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Unnamed statements of the extended protocol that come again are prepared once on each server connection (with max_prepared_statements above 0).',
  },
  defer_begin: {
    type: 'enum',
    default: 'on',
    values: ['off', 'on'],
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'BEGIN is answered at once and travels with the first statement of its transaction, or alone when that takes longer than a moment (transaction mode).',
  },
  health_check_period: {
    type: 'seconds',
    default: '5',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'How often each host of a database with `reads` is asked whether it lives and whether it is the primary.',
  },
  health_check_timeout: {
    type: 'seconds',
    default: '3',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'A host that has not answered such a question after this long counts as down.',
  },
  statement_size_limit: {
    type: 'int',
    default: '16777216',
    unit: 'bytes',
    min: 4096,
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Longest statement that is read whole and analyzed; a longer one counts as not understood.',
  },
  log_pins: {
    type: 'bool',
    default: '1',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'Warn of a pin that lasts for `log_pins_after`, and log its end.',
  },
  log_pins_after: {
    type: 'seconds',
    default: '60',
    reloadable: true,
    group: 'shardyard',
    implemented: true,
    doc: 'How long a session may be pinned to its server connection before `log_pins` warns of it; 0 for each pin that outlives its statement.',
  },
  // ---- session state
  ...stateSettings,
  state_audit: {
    type: 'enum',
    default: 'opaque',
    values: ['off', 'opaque', 'always'],
    reloadable: true,
    group: 'state',
    implemented: true,
    doc: 'When the server is asked what a session has left in it: after statements that may run code which no parser sees, after every transaction, or never. `off` is unsafe: what such code leaves (settings, locks, temporary tables) stays with the server connection for whoever gets it next, as with PgBouncer.',
  },
  leak_sentinel: {
    type: 'percent',
    default: '1%',
    reloadable: true,
    group: 'state',
    implemented: true,
    doc: 'Share of releases of a server connection after which it is asked, although nothing is suspected, whether anything was left in it. What is found closes the connection, is logged as a warning and counted in `shardyard_leaks_total`, which must stay 0.',
  },
} as const satisfies Readonly<Record<string, SettingSpec>>;
