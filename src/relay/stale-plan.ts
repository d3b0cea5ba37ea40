/**
 * "cached plan must not change result type": a prepared statement would give other columns than when it was prepared. Postgres has one place
 * that says so, while it answers a Bind or a Describe of a statement, before anything of it has run.
 */

/** Whether an ErrorResponse is this one. Others with the same SQLSTATE mean something else, and so does this one from anywhere else in Postgres. */
export function isStalePlan(error: Buffer): boolean {
  const fields = error.toString('latin1', 5).split('\0');
  return fields.includes('C0A000') && fields.includes('RRevalidateCachedQuery');
}
