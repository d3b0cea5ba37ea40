/** The only door into routing: `src/` imports nothing else of this folder. */
export { type AnalyzeOptions, analyze, loadParsers, type ParserName } from './analyze.ts';
export { condense } from './condense.ts';
export { explain } from './explain.ts';
export type { Effect, EffectKind, Facts, FunctionName, Operand, Relation, Statement, TransactionOptions, Verb } from './facts.ts';
export { parametersOf } from './parameters.ts';
export type { BoundValue, Catalog, Operands, PinReason, Plan, Role, Routable, RouteOptions, Target, View, Why } from './plan.ts';
export { route, routeAll } from './route.ts';
export {
  defaultStateActions,
  refuseState,
  type StateAction,
  type StateActions,
  type StateKind,
  stateKindNames,
  stateKindOf,
  stateKinds,
  stateRefusal,
} from './session-state.ts';
export { mayBePrepared, type SharingNeeds, sharingDependsOn, whyExclusive } from './share.ts';
export {
  buildTopology,
  type Database,
  type DatabaseSpec,
  findDatabase,
  type KeyType,
  type PlainDatabase,
  type Reads,
  type ShardBy,
  type ShardedDatabase,
  type TableSpec,
  type Topology,
  type TopologyProblem,
  type TopologySpec,
} from './topology.ts';
