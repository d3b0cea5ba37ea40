/**
 * Clauses that several utility statements share: transaction modes and lists of tables. Each reads from the current word on and
 * gives undefined when the words do not fit.
 */
import type { Effect, Relation, TransactionOptions, Verb } from './facts.ts';
import { Token } from './scan.ts';
import { done, kindAt, nameAt, take, takeAll, takeQualified, takeSymbol, type Words } from './words.ts';

/** What the words of a utility statement say. */
export interface Utility {
  readonly verb: Verb;
  readonly effects: readonly Effect[];
  readonly transaction?: TransactionOptions;
  readonly relations?: readonly Relation[];
  readonly readOnly?: boolean;
  /** Only its outline was read: a parser should read the rest before the statement is taken as well formed. */
  readonly outline?: boolean;
  /** It may evaluate expressions (defaults, index expressions), which only a parser sees. */
  readonly evaluates?: boolean;
}

/** Transaction modes to the end of the statement, commas optional; of two that say the same thing the last holds. */
export function readModes(w: Words): TransactionOptions | undefined {
  const modes: { -readonly [K in keyof TransactionOptions]: TransactionOptions[K] } = {};
  while (!done(w)) {
    if (takeAll(w, 'isolation', 'level')) {
      const isolation = readIsolation(w);
      if (isolation === undefined) return undefined;
      modes.isolation = isolation;
    } else if (takeAll(w, 'read', 'only')) modes.readOnly = true;
    else if (takeAll(w, 'read', 'write')) modes.readOnly = false;
    else if (takeAll(w, 'deferrable')) modes.deferrable = true;
    else if (takeAll(w, 'not', 'deferrable')) modes.deferrable = false;
    else return undefined;
    if (kindAt(w) === Token.comma) {
      w.at++;
      if (done(w)) return undefined;
    }
  }
  return modes;
}

function readIsolation(w: Words): NonNullable<TransactionOptions['isolation']> | undefined {
  if (takeAll(w, 'serializable')) return 'serializable';
  if (takeAll(w, 'repeatable', 'read')) return 'repeatable read';
  if (takeAll(w, 'read', 'committed')) return 'read committed';
  if (takeAll(w, 'read', 'uncommitted')) return 'read uncommitted';
  return undefined;
}

/** `[ONLY] a.b [*], …`: tables that the statement takes hold of. */
export function readTables(w: Words): readonly Relation[] | undefined {
  const relations: Relation[] = [];
  do {
    if (nameAt(w, w.at + 1) !== undefined || kindAt(w, w.at + 1) === Token.open) take(w, 'only');
    const parenthesis = takeSymbol(w, '(');
    const names = takeQualified(w);
    if (names === undefined) return undefined;
    if (parenthesis) takeSymbol(w, ')');
    takeSymbol(w, '*');
    relations.push(tableNamed(names));
  } while (takeSymbol(w, ','));
  return relations;
}

/** A table that a utility statement changes: nothing pins it. */
export function tableNamed(names: readonly string[]): Relation {
  const name = names[names.length - 1]!;
  const schema = names.length > 1 ? { schema: names[names.length - 2]! } : {};
  return { ...schema, name, access: 'write', pins: [], assigns: [] };
}
