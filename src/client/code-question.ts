/**
 * What a database's catalog says of names: functions with their bodies, relations, types and operators, and which functions may run when they
 * are used without the text saying so (triggers, rules, views, policies, defaults, checks, indexes, domains, casts). Two questions: the first is
 * quick and answers for most names; those of which it says `deep` need the second.
 */

import { bind, execute, parse, sync } from '../wire/write.ts';
import type { Kind, Names } from './known-code.ts';
import { plainly } from './plainly.ts';

/** Extensions whose functions in C change nothing in a session. */
const TRUSTED = `{btree_gin,btree_gist,citext,cube,earthdistance,fuzzystrmatch,hstore,intarray,ltree,pg_trgm,pgcrypto,postgis,postgis_raster,seg,tsm_system_rows,
tsm_system_time,unaccent,uuid-ossp,vector,bloom,dict_int,dict_xsyn,intagg,lo,moddatetime,insert_username,prefix,semver,ip4r,hll,h3}`;

/** Built-in functions that change a session; the catalog does not record that a view or a default depends on them. */
const SUSPECT = '(set_config|advisory|setseed|dblink|query_to_xml|(table|cursor|schema|database)_to_xml|ts_stat|ts_rewrite|replication_)';
/** They are followed as names; nothing records that a view or a default depends on them, either. */
const OF_SEQUENCES = '[[:<:]](nextval|setval|currval|lastval)[[:>:]]';
/** nextval() and setval() in an expression as it is stored, by their numbers: to write it as text would wait for who has locked the table. */
const DRAWING = ':funcid (1574|1576|1765) ';
const READING = '[[:<:]](currval|lastval)[[:>:]]';

/** The number of the first object that is not built in (FirstNormalObjectId). */
const OWN = '16384';

const trusted = (oid: string): string => `EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = ${oid} AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  AND d.deptype = 'e' AND x.extname = ANY ('${TRUSTED}'::pg_catalog.name[]))`;

/** The triggers by which a foreign key changes rows of another table: RI_FKey_cascade_, _setnull_ and _setdefault_, _del and _upd. */
const CASCADES = "'{1646,1647,1650,1651,1652,1653}'::pg_catalog.oid[]";

const depends = (classId: string, oid: string): string => `EXISTS (SELECT FROM pg_catalog.pg_depend d
  WHERE d.classid = 'pg_catalog.${classId}'::pg_catalog.regclass AND d.objid = ${oid}
  AND d.refclassid = ANY ('{pg_catalog.pg_proc,pg_catalog.pg_operator,pg_catalog.pg_opclass}'::pg_catalog.regclass[]))`;

const FUNCTIONS = String.raw`SELECT 'function', p.proname, l.lanname, ${trusted('p.oid')},
  CASE p.prokind WHEN 'a' THEN (SELECT pg_catalog.concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
    a.aggminvtransfn, a.aggmfinalfn) FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid)
  ELSE pg_catalog.concat_ws(' ; ', pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid),
    CASE WHEN l.lanname <> 'sql' OR p.prosrc <> '' THEN p.prosrc
    ELSE pg_catalog.regexp_replace(pg_catalog.pg_get_functiondef(p.oid), '^CREATE OR REPLACE \w+', '') END) END
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.proname = ANY ($1) AND p.oid >= ${OWN}`;

const BUILT_IN = `SELECT 'volatile', proname FROM pg_catalog.pg_proc WHERE proname = ANY ($1) AND oid < ${OWN} AND provolatile = 'v'`;

const RELATIONS = `SELECT 'relation', c.relname, pg_catalog.bool_or(c.relkind <> ALL ('{r,m}'::"char"[]) OR c.relhasrules OR c.relhassubclass OR c.relrowsecurity
  OR (c.relchecks > 0 AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
    AND (${depends('pg_constraint', 'k.oid')} OR pg_catalog.pg_get_constraintdef(k.oid) ~* '${SUSPECT}|${READING}')))
  OR (c.relhastriggers AND (
    EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgfoid = ANY (${CASCADES})))))
  OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid >= ${OWN})
  OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.adrelid = c.oid
    AND (${depends('pg_attrdef', 'f.oid')} OR pg_catalog.pg_get_expr(f.adbin, f.adrelid) ~* '${SUSPECT}|${READING}'))
  OR (c.relhasindex AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid
    AND (${depends('pg_class', 'i.indexrelid')}
      OR ((i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND pg_catalog.pg_get_indexdef(i.indexrelid) ~* '${SUSPECT}|${READING}'))))),
  pg_catalog.bool_or(EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attidentity <> '')
    OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f WHERE f.adrelid = c.oid AND f.adbin::pg_catalog.text ~ '${DRAWING}'))
FROM pg_catalog.pg_class c WHERE c.relname = ANY ($1) AND c.oid >= ${OWN} AND c.relkind = ANY ('{r,p,v,m,f}'::"char"[]) GROUP BY c.relname`;

const TYPES = `SELECT 'type', t.typname, pg_catalog.bool_or(t.oid >= ${OWN} AND (t.typtype NOT IN ('e', 'c')
  OR EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE (c.castsource = t.oid OR c.casttarget = t.oid) AND c.castfunc >= ${OWN})
  OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND a.atttypid >= ${OWN})))
FROM pg_catalog.pg_type t WHERE t.typname = ANY ($1) GROUP BY t.typname`;

const OPERATORS = `SELECT 'operator', o.oprname, p.proname FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
WHERE o.oprname = ANY ($1) AND o.oid >= ${OWN}`;

/** What runs wherever it fits: casts that nobody writes, and triggers of DDL. */
const ANYWHERE = `SELECT 'cast', p.proname FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
WHERE c.castfunc >= ${OWN} AND c.castcontext IN ('i', 'a')
UNION ALL SELECT 'event', p.proname FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid`;

const part = (how: string, classId: string, oid: string, from: string, text: string): string =>
  `SELECT r.name, ${how} AS how, 'pg_catalog.${classId}'::pg_catalog.regclass AS classid, ${oid} AS oid, ${text} AS text FROM ${from}`;

/** Everything that can run when names are read (r), written (w), or used as types (t), from one to the next. */
const DEEP = `WITH RECURSIVE
 reach AS (
   SELECT c.relname AS name, h.how, c.oid FROM pg_catalog.pg_class c, (VALUES ('r'), ('w')) h(how)
   WHERE c.relname = ANY ($1) AND c.oid >= ${OWN} AND c.relkind = ANY ('{r,p,v,m,f}'::"char"[])
   UNION SELECT r.name, n.how, n.oid FROM reach r, LATERAL (
     SELECT r.how, i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.oid
     UNION ALL SELECT r.how, t.tgconstrrelid FROM pg_catalog.pg_trigger t WHERE r.how = 'w' AND t.tgrelid = r.oid AND t.tgfoid = ANY (${CASCADES})
     UNION ALL SELECT r.how, d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       WHERE w.ev_class = r.oid AND (r.how = 'w' OR w.ev_type = '1')) n),
 types AS (
   SELECT r.name, 'w' AS how, a.atttypid AS oid FROM reach r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
   WHERE r.how = 'w' AND a.attnum > 0 AND a.atttypid >= ${OWN}
   UNION SELECT t.typname, 't', t.oid FROM pg_catalog.pg_type t WHERE t.typname = ANY ($1) AND t.oid >= ${OWN}
   UNION SELECT y.name, y.how, n.oid FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid, LATERAL (
     SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
     UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
     UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid) n WHERE n.oid >= ${OWN}),
 parts AS (
   ${part('r.how', 'pg_rewrite', 'w.oid', 'reach r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid', 'pg_catalog.pg_get_ruledef(w.oid)')}
   UNION ALL ${part('r.how', 'pg_policy', 'p.oid', 'reach r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid', "pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, r.oid), ' ', pg_catalog.pg_get_expr(p.polwithcheck, r.oid))")}
   UNION ALL ${part('r.how', 'pg_attrdef', 'f.oid', "reach r JOIN pg_catalog.pg_attrdef f ON f.adrelid = r.oid AND r.how = 'w'", 'pg_catalog.pg_get_expr(f.adbin, r.oid)')}
   UNION ALL ${part('r.how', 'pg_constraint', 'k.oid', "reach r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid AND r.how = 'w' AND k.contype IN ('c', 'x')", 'pg_catalog.pg_get_constraintdef(k.oid)')}
   UNION ALL ${part('r.how', 'pg_class', 'i.indexrelid', "reach r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid AND r.how = 'w'", "CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN '' ELSE pg_catalog.pg_get_indexdef(i.indexrelid) END")}
   UNION ALL ${part('r.how', 'pg_trigger', 't.oid', "reach r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND r.how = 'w' AND NOT t.tgisinternal", 'pg_catalog.pg_get_triggerdef(t.oid)')}
   UNION ALL ${part('r.how', 'pg_constraint', 'k.oid', 'types r JOIN pg_catalog.pg_constraint k ON k.contypid = r.oid', 'pg_catalog.pg_get_constraintdef(k.oid)')}
   UNION ALL ${part('r.how', 'pg_type', 't.oid', "types r JOIN pg_catalog.pg_type t ON t.oid = r.oid AND t.typtype = 'd' AND t.typdefaultbin IS NOT NULL", "pg_catalog.pg_get_expr(t.typdefaultbin, 'pg_catalog.pg_type'::pg_catalog.regclass)")}),
 needs AS (SELECT DISTINCT p.name, p.how, d.refclassid, d.refobjid FROM parts p JOIN pg_catalog.pg_depend d ON d.classid = p.classid AND d.objid = p.oid)
SELECT 'harm', name, how, '' FROM parts WHERE text ~* '${SUSPECT}'
UNION ALL SELECT DISTINCT 'runs', name, how, pg_catalog.lower(found[1]) FROM parts, pg_catalog.regexp_matches(text, '${OF_SEQUENCES}', 'gi') found
UNION ALL SELECT DISTINCT 'runs', r.name, r.how, 'nextval' FROM reach r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
  WHERE r.how = 'w' AND a.attnum > 0 AND a.attidentity <> ''
UNION ALL SELECT 'harm', r.name, r.how, '' FROM reach r JOIN pg_catalog.pg_class c ON c.oid = r.oid WHERE c.relkind = 'f'
UNION ALL SELECT 'harm', name, how, '' FROM needs WHERE refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid WHERE d.classid = refclassid AND d.objid = needs.refobjid
  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND x.extname = ANY ('${TRUSTED}'::pg_catalog.name[]))
UNION ALL SELECT 'runs', n.name, n.how, p.proname FROM needs n JOIN pg_catalog.pg_proc p ON p.oid = n.refobjid AND n.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
UNION ALL SELECT 'runs', n.name, n.how, p.proname FROM needs n JOIN pg_catalog.pg_operator o ON o.oid = n.refobjid AND n.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
  JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
UNION ALL SELECT 'runs', y.name, y.how, p.proname FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid AND t.typtype = 'b' AND t.typelem = 0
  JOIN pg_catalog.pg_proc p ON p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend) AND p.oid >= ${OWN}
UNION ALL SELECT 'runs', y.name, y.how, p.proname FROM types y JOIN pg_catalog.pg_cast c ON y.oid IN (c.castsource, c.casttarget) AND c.castfunc >= ${OWN}
  JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc WHERE y.how = 't'
UNION ALL SELECT DISTINCT 'through', r.name, r.how, c.relname FROM reach r JOIN pg_catalog.pg_class c ON c.oid = r.oid
UNION ALL SELECT DISTINCT 'through', y.name, y.how, t.typname FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid`;

const NAME_ARRAY = 1003;

function run(text: string, names?: string): Buffer {
  const types = names === undefined ? [] : [NAME_ARRAY];
  const values = names === undefined ? [] : [Buffer.from(names, 'latin1')];
  return Buffer.concat([parse('', text, types), bind('', '', [], values), execute('', 0)]);
}

const array = (names: readonly string[]): string => `{${names.map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

const TEXTS: readonly (readonly [Kind, string])[] = [
  ['function', FUNCTIONS],
  ['function', BUILT_IN],
  ['relation', RELATIONS],
  ['type', TYPES],
  ['operator', OPERATORS],
];

/** The quick question about names (ASCII) of each kind, as frames ending in Sync; `anywhere`: also about what runs without a name. */
export function quickQuestion(names: Names, anywhere: boolean): Buffer {
  const parts = TEXTS.filter(([kind]) => names[kind].size > 0).map(([kind, text]) => run(text, array([...names[kind]])));
  return Buffer.concat([plainly, ...parts, ...(anywhere ? [run(ANYWHERE)] : []), sync]);
}

/** The whole truth about relations and types of these names. */
export function deepQuestion(names: readonly string[]): Buffer {
  return Buffer.concat([plainly, run(DEEP, array(names)), sync]);
}
