/** The plan of a request: what routing is told of the session, its database and its values. */
import { type Database, type Plan, routeAll, type Target } from '../../routing/index.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import type { Output } from './output.ts';
import type { Place } from './place.ts';
import type { Request } from './request.ts';

/** The session, as far as routing may know it. */
export interface Circumstances {
  readonly request: Request;
  readonly identity: { readonly database: string };
  readonly status: number;
  readonly state: { readonly pinned: boolean; readonly policy: { readonly defersBegin: boolean } };
  /** Nothing more belongs to the request. */
  readonly complete: boolean;
  readonly heldBack: { readonly any: boolean; readonly pays: boolean };
  readonly output: Pick<Output, 'reading'>;
  /** Where the server is that the session holds. */
  readonly target: Target | undefined;
}

const UNBOUND = () => undefined;
const plainPlans = new Map<string, Plan>();

/** `database` undefined: it is gone, and the session still holds a server of it. */
export function planOf(session: Circumstances, database: Database | undefined, place: Place): Plan {
  const { request, identity, target } = session;
  const holdsBegin = target === undefined && mayHoldBegin(session);
  if (database === undefined || (database.kind === 'plain' && database.reads === undefined && !holdsBegin)) {
    return plainPlan(identity.database, target);
  }
  const asked = request.asked().map(({ facts, operands }) => ({ facts, operands: operands ?? UNBOUND }));
  const catalog = place.catalog(identity.database);
  const view = {
    inTransaction: session.status !== STATUS_IDLE,
    pinned: session.state.pinned,
    clientEncoding: session.output.reading.encoding,
    readOnly: false,
    holdsBegin,
    ...(target === undefined ? {} : { held: target }),
    ...(catalog === undefined ? {} : { catalog }),
  };
  return routeAll(asked, database, view, { describeOnly: request.describesOnly });
}

/** A transaction that is held back, or one that may be from here on. */
function mayHoldBegin({ request, status, state, complete, heldBack }: Circumstances): boolean {
  if (!complete) return false;
  return status === STATUS_IDLE ? heldBack.pays && state.policy.defersBegin && request.verb === 'begin' : heldBack.any;
}

/** A database with one kind of host has one plan. */
function plainPlan(database: string, target: Target | undefined): Plan {
  if (target !== undefined) return { kind: 'one', target, why: 'unsharded', detail: '' };
  let plan = plainPlans.get(database);
  if (plan === undefined) {
    plan = { kind: 'one', target: { database, role: 'primary' }, why: 'unsharded', detail: '' };
    plainPlans.set(database, plan);
  }
  return plan;
}
