/**
 * "cached plan must not change result type": a prepared statement would give other columns than when it was prepared. Postgres has one place
 * that says so, while it answers a Bind or a Describe of a statement, before anything of it has run.
 */

import { ERROR_RESPONSE } from '../wire/codes.ts';
import { frame } from '../wire/write.ts';

const FIELDS = ['SERROR', 'VERROR', 'C0A000', 'Mcached plan must not change result type', 'Fplancache.c', 'RRevalidateCachedQuery'];

/** The error as Postgres gives it; drivers know it by its routine. */
export const stalePlan: Buffer = frame(ERROR_RESPONSE, [Buffer.from(`${FIELDS.join('\0')}\0\0`)]);

/** Whether an ErrorResponse is this one. Others with the same SQLSTATE mean something else, and so does this one from anywhere else in Postgres. */
export function isStalePlan(error: Buffer): boolean {
  const fields = error.toString('latin1', 5).split('\0');
  return fields.includes('C0A000') && fields.includes('RRevalidateCachedQuery');
}
