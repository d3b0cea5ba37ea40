/**
 * What the catalog must say before a query may share a server with those of others: each relation that its text names is a plain table in
 * whatever schema it is found, and its operators and functions mean nothing but what is built in, or immutable functions in C. Asked once for
 * each text and database, on the server that has just run it, behind the client's back.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import type { Shape } from '../server/shape.ts';
import { bind, execute, parse, sync } from '../wire/write.ts';
import { lastRow } from './audit.ts';

const NOT_BUILT_IN = `<> 'pg_catalog'::pg_catalog.regnamespace`;
/** What the planner may call without a word of it in the text: casts and support functions of the user's own that are not in C. */
const CODE = `p.prolang NOT IN (SELECT l.oid FROM pg_catalog.pg_language l WHERE l.lanname IN ('c', 'internal')) AND p.pronamespace ${NOT_BUILT_IN}`;
const HARMLESS = `p.provolatile = 'i' AND p.prolang IN (SELECT l.oid FROM pg_catalog.pg_language l WHERE l.lanname IN ('c', 'internal'))`;

const QUESTION = `SELECT
  (SELECT pg_catalog.count(DISTINCT c.relname) = pg_catalog.cardinality($1)
     AND pg_catalog.bool_and(c.relkind IN ('r', 'p', 'm') AND NOT c.relrowsecurity) IS NOT FALSE
   FROM pg_catalog.pg_class c WHERE c.relname = ANY ($1))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
    WHERE o.oprname = ANY ($2) AND o.oprnamespace ${NOT_BUILT_IN} AND NOT (${HARMLESS}))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = ANY ($3) AND p.pronamespace ${NOT_BUILT_IN} AND NOT (${HARMLESS}))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc WHERE ${CODE})
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_amproc a JOIN pg_catalog.pg_proc p ON p.oid = a.amproc WHERE ${CODE})`;

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
      shape.learn(database, outcome.ok ? row.values()[0] === 't' : undefined, generation, nowMs());
      done();
    }, row.see),
  );
  const { relations, operators, functions } = shape.needs;
  const values = [relations, operators, functions].map(arrayOf);
  server.send(
    Buffer.concat([
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
