/** Facts as a few lines of text, for golden cases: one line for a statement, then its relations with pins, functions, operators and effects. */

import { qualified } from '../../routing/effects.ts';
import type { Effect, Facts, Operand, Pin, Relation, Statement } from '../../routing/facts.ts';

export function factsText(facts: Facts, text: string): string {
  const head = `${facts.understood ? 'understood' : 'not understood'}${facts.params > 0 ? `, $1..$${facts.params}` : ''}`;
  return [head, ...facts.statements.flatMap((statement) => statementLines(statement, text, facts.statements.length > 1))].join('\n');
}

function statementLines(s: Statement, text: string, several: boolean): readonly string[] {
  const words = [s.verb, s.readOnly ? 'read-only' : undefined, s.copy === undefined ? undefined : `copy ${s.copy}`];
  const lines = [words.filter((word) => word !== undefined).join(', ')];
  if (several) lines.push(`  text: ${JSON.stringify(text.slice(s.start, s.end))}`);
  lines.push(...s.relations.map((relation) => `  ${relationText(relation)}`));
  if (s.functions.length > 0) lines.push(`  functions: ${s.functions.map(qualified).join(' ')}`);
  if (s.operators.length > 0) lines.push(`  operators: ${s.operators.join(' ')}`);
  if (s.words !== undefined) lines.push(`  words: ${s.words.join(' ')}`);
  if (s.effects.length > 0) lines.push(`  effects: ${s.effects.map(effectText).join(', ')}`);
  if (s.transaction !== undefined) lines.push(`  transaction: ${JSON.stringify(s.transaction)}`);
  if (s.opaque !== undefined) lines.push(`  opaque: ${s.opaque}`);
  return lines;
}

function relationText(relation: Relation): string {
  const parts = [relation.access, qualified(relation), ...relation.pins.map(pinText)];
  if (relation.assigns.length > 0) parts.push(`assigns ${relation.assigns.join(',')}`);
  if (relation.columnsUnknown) parts.push('columns unknown');
  return parts.join(' ');
}

function pinText(pin: Pin): string {
  const through =
    pin.through === undefined
      ? ''
      : ` through ${pin.through.map((c) => `${c.schema === undefined ? '' : `${c.schema}.`}${c.table}.${c.column}`).join(',')}`;
  return `[${pin.column} = ${pin.operands.map(operandText).join(' | ')}${through}]`;
}

function operandText(operand: Operand): string {
  if (operand.kind === 'param') return `$${operand.index}`;
  if (operand.kind === 'null') return 'null';
  return operand.type === 'integer' ? operand.text : operand.type === 'string' ? JSON.stringify(operand.text) : `other(${operand.text})`;
}

function effectText(effect: Effect): string {
  const value = effect.value === undefined ? '' : ` = ${JSON.stringify(effect.value)}`;
  return effect.name === undefined && effect.value === undefined ? effect.kind : `${effect.kind}(${effect.name ?? ''}${value})`;
}
