/**
 * What the catalog must say before a query may share a server with those of others: each relation that its text names is a plain table in
 * whatever schema it is found, and no code runs but what is built in, or immutable functions in C, by whatever name or none. Asked once a
 * minute for each text and database, on the server that has just run it, behind the client's back.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import type { Shape } from '../server/shape.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';
import { lastRow } from './audit.ts';
import { plainly } from './plainly.ts';

/** Objects that come with Postgres have lower numbers (FirstNormalObjectId). */
const OWN = 16384;
/** Languages `internal` and `c`, by their numbers. */
const IN_C = '(12, 13)';
/** Pseudo-types that a whole row can be given for: record, "any", anyelement, anynonarray, anycompatible, anycompatiblenonarray. */
const ANY_ROW = '(2249, 2276, 2283, 2776, 5077, 5079)';

/**
 * `bad`: functions of the user's own that are not immutable and in C; `code`: that are in another language. Such a one must not be behind a
 * name of the text; nor behind what has no name in it: casts, support functions and operators of index access (`code`, for extensions have
 * stable ones in C), checks of domains, and `t.name`, which calls a function that takes a row. Children of a table are read with it: not
 * one in the database may be a foreign table.
 */
const QUESTION = `WITH bad AS MATERIALIZED (
  SELECT p.oid, p.proname, p.prokind, p.pronargs, p.pronargdefaults, p.prolang NOT IN ${IN_C} AS code,
    CASE p.provariadic WHEN 0 THEN p.proargtypes[0] ELSE p.provariadic END AS takes
  FROM pg_catalog.pg_proc p WHERE p.oid >= ${OWN} AND NOT (p.provolatile = 'i' AND p.prolang IN ${IN_C})
), operator AS MATERIALIZED (
  SELECT o.oid, o.oprname, bad.code FROM pg_catalog.pg_operator o JOIN bad ON bad.oid = o.oprcode WHERE o.oid >= ${OWN}
)
SELECT (SELECT pg_catalog.count(DISTINCT c.relname) = pg_catalog.cardinality($1)
    AND pg_catalog.bool_and(c.relkind IN ('r', 'p', 'm') AND NOT c.relrowsecurity) IS NOT FALSE
    FROM pg_catalog.pg_class c WHERE c.relname = ANY ($1))
  AND NOT EXISTS (SELECT FROM operator WHERE oprname = ANY ($2))
  AND NOT EXISTS (SELECT FROM bad WHERE proname = ANY ($3))
  AND NOT EXISTS (SELECT FROM bad JOIN pg_catalog.pg_cast c ON c.castfunc = bad.oid WHERE bad.code)
  AND NOT EXISTS (SELECT FROM bad JOIN pg_catalog.pg_amproc a ON a.amproc = bad.oid WHERE bad.code)
  AND NOT EXISTS (SELECT FROM operator JOIN pg_catalog.pg_amop a ON a.amopopr = operator.oid WHERE operator.code)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid
    WHERE k.contypid >= ${OWN} AND (d.refobjid IN (SELECT oid FROM bad) OR d.refobjid IN (SELECT oid FROM operator)))
  AND NOT EXISTS (SELECT FROM bad JOIN pg_catalog.pg_type t ON t.oid = bad.takes
    WHERE bad.prokind = 'f' AND bad.pronargs - bad.pronargdefaults <= 1 AND (t.oid IN ${ANY_ROW}
      OR EXISTS (SELECT FROM pg_catalog.pg_type b WHERE b.oid = t.typbasetype AND b.typtype IN ('c', 'd'))
      OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid
        AND (c.relname = ANY ($1) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)))))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_inherits i ON i.inhrelid = f.ftrelid)`;

const NAMES_ARRAY = 1003;

/** Names as the text of an array, in the client's encoding (latin1 here). */
const arrayOf = (names: readonly string[]): Buffer =>
  Buffer.from(`{${names.map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`).join(',')}}`);

/** Asks a server that is free but not given back yet; `done` when it is free again. The Shape learns the answer for `database`. */
export function askClearance(
  server: Server,
  shape: Shape,
  database: string,
  { generation, nowMs, done }: { readonly generation: number; nowMs(): number; done(): void },
): void {
  const row = lastRow();
  shape.asked(database);
  server.unnamed = undefined;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      // Nobody answered: it is asked again. Refused (a statement_timeout, say): it would be again.
      const cleared = outcome.ok && row.values()[0] === 't';
      shape.learn(database, outcome.status === 0 ? undefined : cleared, generation, nowMs());
      done();
    }, row.see),
  );
  const { relations, operators, functions } = shape.needs;
  const values = [relations, operators, functions].map(arrayOf);
  server.send(
    Buffer.concat([
      plainly,
      parse(
        '',
        QUESTION,
        values.map(() => NAMES_ARRAY),
      ),
      bind('', '', [], values),
      execute('', 0),
      sync,
    ]),
  );
}
