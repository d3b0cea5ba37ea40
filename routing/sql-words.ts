/**
 * What a statement's text is made of, to hold against what a tree was made of: its names, literals, parameters and operators, without
 * the keywords that only give it its shape. Keywords outside the list make a statement unreadable for node-sql-parser's adapter.
 */
import { type Scan, type Span, Token } from './scan.ts';
import { kindAt, nameAt, wordsOf, written } from './words.ts';

const set = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Keywords whose trees are trusted. They may not be names as well. */
const SHAPE = set(`
  all and any array as asc between by case conflict cross default delete desc distinct do else end exists false first from full group
  having ilike in inner insert into is join last left like limit not nothing null nulls offset on or order outer recursive returning right
  select set then true union update using values when where with`);

/** Types of a cast that the tree gives by other words. */
const TYPES = set('bigint int8 int4 int2 int integer smallint text varchar uuid');

/** Every other keyword of Postgres that is reserved or has a grammar of its own. */
const TRAPS = set(`
  analyse analyze asymmetric authorization binary both cast check collate collation column concurrently constraint create
  current_catalog current_date current_role current_schema current_time current_timestamp current_user deferrable except fetch for foreign
  freeze grant initially intersect isnull lateral leading localtime localtimestamp natural notnull only overlaps placing primary references
  session_user similar some symmetric system_user table tablesample to trailing unique user variadic verbose window
  bit boolean char character coalesce dec decimal extract float greatest grouping inout interval json json_array json_arrayagg json_exists
  json_object json_objectagg json_query json_scalar json_serialize json_table json_value least merge_action national nchar none normalize
  nullif numeric out overlay position precision real row setof substring time timestamp treat trim xmlattributes xmlconcat xmlelement
  xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
  over filter within partition rollup cube sets ordinality escape at zone materialized overriding escape interval date datetime
  unknown share temp temporary unlogged operator uescape of cursor current rows range exclude within regexp rlike sounds div mod xor
  match against binary collate explain prepare declare copy merge call execute ignore replace straight_join force index key
  year month day hour minute second if ifnull convert signed unsigned value timestamptz timetz double float8 float4 bool bytea jsonb oid
  max min sum count avg group_concat`);

/** Names, literals, parameters and operators of the statement, or undefined when it has something that the adapter does not read. */
export function textBag(scanned: Scan, span: Span): readonly string[] | undefined {
  const w = wordsOf(scanned, span);
  const bag: string[] = [];
  for (let i = span.first; i < span.last; i++) {
    const entry = entryOf(kindAt(w, i), written(w, i), nameAt(w, i));
    if (entry === undefined) return undefined;
    if (entry !== '') bag.push(entry);
  }
  return bag;
}

/** One token's entry; empty for what only gives shape, undefined for what cannot be read. */
function entryOf(kind: number, text: string, name: string | undefined): string | undefined {
  switch (kind) {
    case Token.word:
      if (SHAPE.has(name!) || TYPES.has(name!)) return '';
      return TRAPS.has(name!) && !AGGREGATES.has(name!) ? undefined : `name ${name}`;
    case Token.quoted:
      // The tree does not tell "T" from t: only names that are the same either way, and no keywords.
      return name !== undefined && /^[a-z_][a-z0-9_]*$/.test(name) && !isKeyword(name) ? `name ${name}` : undefined;
    case Token.string:
      return /^'[^'\\\n]*'$/.test(text) ? `string ${text}` : undefined;
    case Token.param:
      return `param ${text}`;
    case Token.number:
      return /^(0|[1-9]\d{0,14})$/.test(text) ? `number ${text}` : undefined;
    case Token.operator:
      return text === '*' ? '' : OPERATORS.has(text) ? `operator ${text === '!=' ? '<>' : text}` : undefined;
    case Token.open:
    case Token.close:
      return text === '(' || text === ')' ? '' : undefined;
    default:
      return '';
  }
}

const AGGREGATES = set('max min sum count avg');
const OPERATORS = set('= <> != < > <= >= + - || / %');

/** True for a word that is a keyword to this adapter in any way. */
export function isKeyword(name: string): boolean {
  return SHAPE.has(name) || TYPES.has(name) || TRAPS.has(name);
}
