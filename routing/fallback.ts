/**
 * What can be said of a text that no parser has read: it is too long, nests too deeply, or is not in the grammar that we have.
 * Verbs by their first word, session effects by the names that stand before a parenthesis; everything else is left open, and each
 * statement says why. Nothing here is ever read-only, and no relation is claimed; what may be one is among the statement's words.
 */
import { effectsOfCall } from './effects.ts';
import type { Effect, FunctionName, Statement, Verb } from './facts.ts';
import { classifyName, isBuiltInType } from './functions.ts';
import type { Call } from './query.ts';
import { type Scan, type Span, Token } from './scan.ts';
import { distinct, functionsOf, unknownStatement, utilityStatement } from './statement.ts';
import { readUtility } from './utility.ts';
import { kindAt, nameAt, type Words, wordAt, wordsOf, written } from './words.ts';

/**
 * Facts of every statement by the lexer alone. `readable` says that the text was not refused by a parser, only spared from it: then
 * calls and INTO tell every effect that a plain query can have. Otherwise anything may happen.
 */
export function statementsByWords(scanned: Scan, opaque: string, readable: boolean): readonly Statement[] {
  let before: Names | undefined;
  return scanned.statements.map((span) => {
    const statement = byWords(scanned, span, opaque, readable, before);
    if (statement.words !== undefined) before = { words: statement.words, operators: statement.operators };
    return statement;
  });
}

function byWords(scanned: Scan, span: Span, opaque: string, readable: boolean, before: Names | undefined): Statement {
  const utility = readUtility(scanned, span);
  if (utility !== undefined) {
    const made = utilityStatement(span, utility);
    const sure = utility.outline !== true || (readable && utility.evaluates !== true);
    const whole = utility.outline === true && sure ? namesOf(wordsOf(scanned, span), before) : NO_NAMES;
    const hidden = sure && whole !== undefined ? [] : [HIDDEN];
    return { ...made, ...whole, readOnly: false, opaque, effects: distinct([...made.effects, ...hidden]) };
  }
  const w = wordsOf(scanned, span);
  const verb = verbOf(w);
  const calls = callsOf(w);
  const effects: Effect[] = [...statementEffects(verb, w), ...temporary(w), ...calls.flatMap(effectsOfCall)];
  const names = readable && PLAIN.has(verb) ? namesOf(w, before) : undefined;
  if (names === undefined) effects.push(HIDDEN);
  return { ...unknownStatement(span, verb, opaque), ...names, functions: functionsOf(calls), effects: distinct(effects) };
}

const HIDDEN: Effect = { kind: 'opaque' };
const NO_NAMES = {};
/** What IN, LIKE, BETWEEN, SIMILAR TO, DISTINCT FROM, CASE and their negations call. */
const MEANT_BY_WORDS = ['=', '<>', '>=', '<=', '<', '>', '~~', '!~~', '~~*', '!~~*', '~', '!~'];
/** A statement with more different names says nothing by them. */
const MOST_NAMES = 500;

interface Names {
  readonly words: readonly string[];
  readonly operators: readonly string[];
}

/**
 * Every name and operator that stands in the statement; undefined when not all can be read, or there are too many. `before`: those of the
 * statement before it, given again where they are the same, as in scripts of many thousands.
 */
function namesOf(w: Words, before: Names | undefined): Names | undefined {
  const [words, operators] = [new Set<string>(), new Set(MEANT_BY_WORDS)];
  for (let i = w.at; i < w.last; i++) {
    const kind = kindAt(w, i);
    if (kind === Token.word || kind === Token.quoted) {
      const name = nameAt(w, i);
      if (name === undefined) return undefined;
      words.add(name);
    } else if (kind === Token.operator) for (const operator of operatorsOf(written(w, i))) operators.add(operator);
    if (words.size + operators.size > MOST_NAMES) return undefined;
  }
  const found = { words: [...words], operators: [...operators] };
  return before !== undefined && same(found.words, before.words) && same(found.operators, before.operators) ? before : found;
}

function same(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, i) => name === others[i]);
}

/** An operator as the parsers name it; a run that the grammar cuts in two counts as each of its parts. */
function operatorsOf(run: string): readonly string[] {
  const [name, ...more] = [run === '!=' ? '<>' : run];
  const cut = /^(.+?)([+-]+)$/.exec(run);
  return cut === null ? [name!, ...more] : [name!, cut[1]!, ...cut[2]!];
}

const PLAIN: ReadonlySet<Verb> = new Set<Verb>(['select', 'insert', 'update', 'delete', 'merge']);

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['select', 'select'],
  ['values', 'select'],
  ['table', 'select'],
  ['insert', 'insert'],
  ['update', 'update'],
  ['delete', 'delete'],
  ['merge', 'merge'],
  ['copy', 'copy'],
  ['explain', 'explain'],
  ['prepare', 'prepare'],
  ['execute', 'execute'],
  ['declare', 'declare'],
  ['call', 'call'],
  ['do', 'do'],
  ['create', 'ddl'],
  ['alter', 'ddl'],
  ['drop', 'ddl'],
  ['set', 'set'],
  ['reset', 'reset'],
  ['begin', 'begin'],
  ['start', 'begin'],
  ['commit', 'commit'],
  ['end', 'commit'],
  ['rollback', 'rollback'],
  ['abort', 'rollback'],
  ['show', 'show'],
  ['listen', 'listen'],
  ['lock', 'lock'],
  ['load', 'load'],
  ['discard', 'discard'],
]);

function verbOf(w: Words): Verb {
  const first = wordAt(w);
  if (first !== 'with' && kindAt(w) !== Token.open) return VERBS.get(first ?? '') ?? 'other';
  // WITH … and ( … : the verb is the first one outside of parentheses; a parenthesis can hold only a SELECT.
  let depth = 0;
  for (let i = w.at; i < w.last; i++) {
    const kind = kindAt(w, i);
    if (kind === Token.open) depth++;
    else if (kind === Token.close) depth--;
    else if (depth === 0 && i > w.at) {
      const verb = VERBS.get(wordAt(w, i) ?? '');
      if (verb !== undefined && PLAIN.has(verb)) return verb;
    }
  }
  return 'select';
}

function statementEffects(verb: Verb, w: Words): readonly Effect[] {
  const name = nameAt(w, w.at + 1);
  if (verb === 'ddl') return [{ kind: 'ddl' }];
  if (verb === 'prepare' || verb === 'execute') return [{ kind: verb, ...(name === undefined ? {} : { name }) }];
  if (verb === 'declare') return [{ kind: 'hold', ...(name === undefined ? {} : { name }) }];
  return [];
}

/** CREATE TEMP …, INTO TEMP …, and any name in pg_temp. */
function temporary(w: Words): readonly Effect[] {
  for (let i = w.at; i < w.last; i++) {
    const name = nameAt(w, i);
    if (name === undefined) continue;
    if (/^pg_temp(_\d+)?$/.test(name)) return [{ kind: 'temp' }];
    const before = wordAt(w, i - 1);
    if (
      (name === 'temp' || name === 'temporary') &&
      (before === 'create' || before === 'into' || before === 'local' || before === 'global' || before === 'replace')
    ) {
      return [{ kind: 'temp' }];
    }
  }
  return [];
}

/** Words that stand before a parenthesis and call nothing. */
const NO_CALL: ReadonlySet<string> = new Set(
  `all and any array as between bit by case cast char character coalesce conflict copy cube current_time current_timestamp dec decimal default
   distinct else except exists extract filter float from greatest group grouping having ilike in insert intersect interval into is join key
   lateral least like limit localtime localtimestamp not nullif numeric offset on only or order over overlay partition position precision
   returning rollup row select set sets similar some substring table then time timestamp to trim union using values varchar varying when
   where with within without update xmlelement xmlforest xmlparse xmlroot xmlserialize xmlconcat xmlexists xmltable json_table json_object
   json_array json_scalar json_serialize json json_exists json_query json_value treat normalize unique primary references check`
    .trim()
    .split(/\s+/),
);

/** Every name that stands before a parenthesis, unless it surely is no call. */
function callsOf(w: Words): readonly Call[] {
  const found = new Map<string, Call>();
  for (let i = w.at + 1; i < w.last; i++) {
    if (kindAt(w, i) !== Token.open || w.scanned.text[w.scanned.starts[i]!] !== '(') continue;
    const fn = calledAt(w, i - 1);
    if (fn !== undefined) found.set(`${fn.schema ?? ''}.${fn.name}`, { kind: 'call', fn, args: [{ kind: 'other', parts: [] }] });
  }
  return [...found.values()];
}

function calledAt(w: Words, index: number): FunctionName | undefined {
  const name = nameAt(w, index);
  if (name === undefined) return kindAt(w, index) === Token.quoted ? { name: 'U&' } : undefined;
  const qualifiedName = kindAt(w, index - 1) === Token.dot;
  const schema = qualifiedName ? nameAt(w, index - 2) : undefined;
  if (!qualifiedName && kindAt(w, index) === Token.word && NO_CALL.has(name)) return undefined;
  if (!qualifiedName && isBuiltInType(undefined, name) && classifyName(name) !== 'other') return undefined;
  // INSERT INTO t (…): the first parenthesis after INTO is a list of columns.
  let before = index - 1;
  while (kindAt(w, before) === Token.dot) before -= 2;
  if (wordAt(w, before) === 'into') return undefined;
  return { ...(schema === undefined ? {} : { schema }), name };
}
