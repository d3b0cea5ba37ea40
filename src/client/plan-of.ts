/** The door between a request and routing: what it asks for, the values it binds, and what routing may know of its session. */
import { type Catalog, type Database, type Plan, routeAll, type Target } from '../../routing/index.ts';
import type { Request } from './request.ts';

/** The session, as far as routing may know it. */
export interface Circumstances {
  readonly inTransaction: boolean;
  readonly pinned: boolean;
  /** client_encoding, upper-case. */
  readonly clientEncoding: string;
  /** Where the server is that the session holds. */
  readonly held: Target | undefined;
}

const UNBOUND = () => undefined;

export function planOf(request: Request, database: Database, catalog: Catalog | undefined, { held, ...known }: Circumstances): Plan {
  const asked = request.asked().map(({ facts, operands }) => ({ facts, operands: operands ?? UNBOUND }));
  const view = { ...known, readOnly: false, ...(held === undefined ? {} : { held }), ...(catalog === undefined ? {} : { catalog }) };
  return routeAll(asked, database, view, { describeOnly: request.describesOnly });
}
