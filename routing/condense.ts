/**
 * Facts of a long text made small. A script of 200,000 INSERTs gives as many statements, each looked at by everyone whom its facts pass; a
 * single INSERT of 20,000 rows gives that many values of its key. Where nobody routes by values, what is left out here is missed by nobody.
 */
import type { Facts, FunctionName, Relation, Statement, Verb } from './facts.ts';

/** Shorter scripts stay as they are. */
const MANY = 1000;
/** Different names that one statement may stand for. */
const MOST_NAMES = 500;

/** Statements that leave nothing behind but rows, and so need not be told apart by whether they were reached before an error. */
const QUIET: ReadonlySet<Verb> = new Set<Verb>(['select', 'insert', 'update', 'delete', 'merge', 'begin', 'commit']);

/**
 * The same facts without what only a router by values reads: pins are gone, and more than a thousand statements without any effect on the
 * session become one that uses all that they use. Never says less of what may happen to the session.
 */
export function condense(facts: Facts): Facts {
  const { statements } = facts;
  if (statements.length <= MANY || !statements.every(isQuiet)) return { ...facts, statements: statements.map(withoutPins) };
  return { ...facts, statements: [asOne(statements)] };
}

function isQuiet({ verb, effects, copy }: Statement): boolean {
  return QUIET.has(verb) && effects.length === 0 && copy === undefined;
}

function withoutPins(statement: Statement): Statement {
  if (statement.relations.every(({ pins }) => pins.length === 0)) return statement;
  return { ...statement, relations: statement.relations.map((relation) => ({ ...relation, pins: [] })) };
}

const nameOf = ({ schema, name }: FunctionName): string => `${schema ?? ''}\0${name}`;

function asOne(statements: readonly Statement[]): Statement {
  const relations = new Map<string, Relation>();
  const functions = new Map<string, FunctionName>();
  const [operators, builtIns, words, fields] = [new Set<string>(), new Set<string>(), new Set<string>(), new Set<string>()];
  let parsed = true;
  for (const statement of statements) {
    for (const relation of statement.relations)
      relations.set(`${relation.access}\0${nameOf(relation)}`, { ...relation, pins: [], assigns: [] });
    for (const fn of statement.functions) functions.set(nameOf(fn), fn);
    for (const operator of statement.operators) operators.add(operator);
    for (const name of statement.builtIns ?? []) builtIns.add(name);
    for (const word of statement.words ?? []) words.add(word);
    for (const field of statement.fields ?? []) fields.add(field);
    if (statement.words !== undefined) parsed = false;
  }
  const names = relations.size + functions.size + operators.size + words.size + fields.size;
  return {
    verb: statements.find(({ verb }) => verb !== 'begin' && verb !== 'commit')?.verb ?? 'other',
    start: statements[0]!.start,
    end: statements.at(-1)!.end,
    readOnly: false,
    relations: [...relations.values()],
    functions: [...functions.values()],
    builtIns: [...builtIns],
    operators: [...operators],
    effects: names > MOST_NAMES ? [{ kind: 'opaque' }] : [],
    ...(parsed ? {} : { words: [...words] }),
    ...(fields.size === 0 ? {} : { fields: [...fields] }),
    opaque: `it has ${statements.length} statements`,
  };
}
