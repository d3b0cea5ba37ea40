/**
 * From one statement's tree (or from its words, for a utility statement) to what Facts say of it: verb, tables with pins, functions,
 * session effects, read-only or not. Every rule about wrappers is here: what EXPLAIN, PREPARE, DECLARE, COPY and CREATE TABLE AS
 * do with the query inside them.
 */
import type { Utility } from './clauses.ts';
import { effectsOfCall, qualified } from './effects.ts';
import type { Effect, FunctionName, Relation, Statement, Verb } from './facts.ts';
import { classify, isHostView, runsHiddenSql } from './functions.ts';
import { type Findings, noFindings, walkParts, walkStatement } from './levels.ts';
import type { Call, Expr, Into, Parsed, Query, Tree } from './query.ts';
import type { Span } from './scan.ts';

type Draft = { -readonly [K in keyof Statement]: Statement[K] };

/** A statement of which nothing is known but where it is and why nothing is known. */
export function unknownStatement(span: Pick<Span, 'start' | 'end'>, verb: Verb, opaque: string): Draft {
  return { verb, start: span.start, end: span.end, readOnly: false, relations: [], functions: [], operators: [], effects: [], opaque };
}

function draft(span: Span, verb: Verb, operators: readonly string[]): Draft {
  return { verb, start: span.start, end: span.end, readOnly: false, relations: [], functions: [], operators, effects: [] };
}

/** A utility statement by its words; `parsed` adds the expressions that it evaluates. */
export function utilityStatement(span: Span, utility: Utility, parsed?: Parsed): Statement {
  const made = draft(span, utility.verb, parsed?.operators ?? []);
  made.relations = utility.relations ?? [];
  made.readOnly = utility.readOnly ?? false;
  if (utility.transaction !== undefined) made.transaction = utility.transaction;
  const found = noFindings();
  if (parsed?.tree.kind === 'utility') walkParts(parsed.tree.parts, found);
  made.functions = functionsOf(found.calls);
  made.effects = distinct([...utility.effects, ...found.calls.flatMap(effectsOfCall)]);
  if (utility.verb === 'do') made.opaque = 'it runs code that the text does not show';
  return made;
}

/** A statement that its parser has read. */
export function treeStatement(span: Span, parsed: Parsed): Statement {
  const made = ofTree(parsed.tree, span, parsed.operators);
  made.effects = distinct(made.effects);
  return made;
}

function ofTree(tree: Tree, span: Span, operators: readonly string[]): Draft {
  switch (tree.kind) {
    case 'query':
      return ofQuery(tree.query, span, operators);
    case 'explain': {
      const made = ofTree(tree.inner, span, operators);
      // Without ANALYZE nothing runs; but EXPLAIN EXECUTE still needs the prepared statement.
      const effects = tree.analyze ? made.effects : made.effects.filter((effect) => effect.kind === 'execute');
      return { ...made, verb: 'explain', effects, readOnly: tree.analyze ? made.readOnly : effects.length === 0 };
    }
    case 'prepare': {
      const made = ofTree(tree.inner, span, operators);
      // Its `$n` are EXECUTE's arguments, not what the client binds.
      const relations = made.relations.map(withoutParams);
      return { ...made, verb: 'prepare', relations, readOnly: false, effects: [{ kind: 'prepare', name: tree.name }, ...made.effects] };
    }
    case 'execute': {
      const made = ofParts('execute', tree.args, span, operators);
      made.effects = [{ kind: 'execute', name: tree.name }, ...made.effects];
      made.opaque = 'it runs a statement that was prepared earlier';
      return made;
    }
    case 'declare': {
      const made = ofTree(tree.inner, span, operators);
      const hold: readonly Effect[] = tree.hold ? [{ kind: 'hold', name: tree.name }] : [];
      return { ...made, verb: 'declare', readOnly: false, effects: [...hold, ...made.effects] };
    }
    case 'copy':
      return ofCopy(tree, span, operators);
    case 'create_as': {
      const made = ofTree(tree.inner, span, operators);
      const effects = [
        ...intoEffects(tree.into),
        ...(tree.executed ? made.effects : made.effects.filter((effect) => effect.kind === 'execute')),
      ];
      return { ...made, verb: 'ddl', readOnly: false, relations: [intoRelation(tree.into), ...made.relations], effects };
    }
    case 'call': {
      const made = ofParts('call', [tree.call], span, operators);
      made.effects = [{ kind: 'opaque' }, ...made.effects];
      made.opaque = 'it runs code that the text does not show';
      return made;
    }
    case 'utility':
      return ofParts('other', tree.parts, span, operators);
  }
}

function ofParts(verb: Verb, parts: readonly Expr[], span: Span, operators: readonly string[]): Draft {
  const found = noFindings();
  walkParts(parts, found);
  return { ...draft(span, verb, operators), ...ofFindings(found), readOnly: false };
}

function ofQuery(query: Query, span: Span, operators: readonly string[]): Draft {
  const found = noFindings();
  walkStatement(query, found);
  const made: Draft = { ...draft(span, verbOf(query), operators), ...ofFindings(found) };
  if ('returning' in query.body && query.body.returning.length > 0) made.returning = true;
  const into = query.body.kind === 'select' ? query.body.into : intoOfSet(query);
  if (into !== undefined) {
    made.relations = [intoRelation(into), ...made.relations];
    made.effects = [...intoEffects(into), ...made.effects];
    made.readOnly = false;
  }
  return made;
}

function verbOf(query: Query): Verb {
  const { kind } = query.body;
  return kind === 'set' || kind === 'values' ? 'select' : kind;
}

/** SELECT … INTO t … UNION …: INTO stands in the first arm. */
function intoOfSet(query: Query): Into | undefined {
  if (query.body.kind !== 'set') return undefined;
  const first = query.body.arms[0];
  return first?.body.kind === 'select' ? first.body.into : first && intoOfSet(first);
}

function intoRelation(into: Into): Relation {
  const schema = into.schema === undefined ? {} : { schema: into.schema };
  return { ...schema, name: into.name, access: 'write', pins: [], assigns: [] };
}

function intoEffects(into: Into): readonly Effect[] {
  return [{ kind: 'ddl' }, ...(into.temporary ? [{ kind: 'temp', name: into.name } as const] : [])];
}

type Found = Pick<Statement, 'relations' | 'functions' | 'builtIns' | 'fields' | 'effects' | 'readOnly'> & { opaque?: string };

function ofFindings(found: Findings): Found {
  const harmless = found.calls.every((call) => classify(call) !== 'other') && !found.relations.some((r) => isHostView(r.schema, r.name));
  const effects = found.calls.flatMap(effectsOfCall);
  return {
    relations: found.relations,
    functions: functionsOf(found.calls),
    ...builtInsOf(found.calls),
    ...(found.fields.size === 0 ? {} : { fields: [...found.fields] }),
    effects,
    readOnly: !found.writes && !found.locks && harmless && effects.every((effect) => effect.kind === 'opaque' && effect.name !== undefined),
    ...(found.calls.some((call) => runsHiddenSql(call.fn)) ? { opaque: 'it reads tables that the text does not name' } : {}),
  };
}

function ofCopy(tree: Extract<Tree, { kind: 'copy' }>, span: Span, operators: readonly string[]): Draft {
  const made = tree.inner === undefined ? ofParts('copy', tree.parts, span, operators) : ofTree(tree.inner, span, operators);
  const { table } = tree;
  if (table !== undefined) {
    const schema = table.schema === undefined ? {} : { schema: table.schema };
    made.relations = [{ ...schema, name: table.name, access: tree.into ? 'write' : 'read', pins: [], assigns: [] }, ...made.relations];
    made.readOnly = !tree.into && made.functions.length === 0 && !isHostView(table.schema, table.name);
  }
  return { ...made, verb: 'copy', copy: tree.direction, readOnly: made.readOnly && tree.direction === 'out' };
}

function withoutParams(relation: Relation): Relation {
  const pins = relation.pins.filter((pin) => pin.operands.every((operand) => operand.kind !== 'param'));
  return pins.length === relation.pins.length ? relation : { ...relation, pins };
}

/** The functions that are not known as harmless, each once. */
export function functionsOf(calls: readonly Call[]): readonly FunctionName[] {
  const found = new Map<string, FunctionName>();
  for (const call of calls) if (classify(call) !== 'harmless') found.set(qualified(call.fn), call.fn);
  return [...found.values()];
}

function builtInsOf(calls: readonly Call[]): Pick<Statement, 'builtIns'> {
  const names = new Set(calls.filter((call) => classify(call) === 'harmless').map(({ fn }) => fn.name));
  return names.size === 0 ? {} : { builtIns: [...names] };
}

/** Each effect once, in order. */
export function distinct(effects: readonly Effect[]): readonly Effect[] {
  if (effects.length < 2) return effects;
  const found = new Map<string, Effect>();
  for (const effect of effects) {
    const key = JSON.stringify([effect.kind, effect.name, effect.value]);
    if (!found.has(key)) found.set(key, effect);
  }
  return [...found.values()];
}
