/**
 * Makes a round smaller while it still differs: fewer clients, fewer steps, fewer statements and frames, simpler log-ins and ends. Greedy:
 * what can be left out is left out, larger parts first, until nothing can.
 */
import type { Round, Script, Step } from './script.ts';

const without = <T>(list: readonly T[], from: number, count: number): readonly T[] => [...list.slice(0, from), ...list.slice(from + count)];
const replaced = <T>(list: readonly T[], at: number, value: T): readonly T[] => list.map((each, i) => (i === at ? value : each));

/** Lists with a part left out: halves, quarters, …, single ones. */
function* shorter<T>(list: readonly T[], least: number): Generator<readonly T[]> {
  for (let size = Math.ceil(list.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = list.length - size; from > -size; from -= size) {
      const rest = without(list, Math.max(from, 0), from < 0 ? size + from : size);
      if (rest.length >= least && rest.length < list.length) yield rest;
    }
  }
}

function* simplerStep(step: Step): Generator<Step> {
  switch (step.step) {
    case 'query':
      for (const statements of shorter(step.statements, 1)) yield { ...step, statements };
      break;
    case 'queries':
      for (const texts of shorter(step.texts, 1)) yield { ...step, texts };
      break;
    case 'extended':
      for (const items of shorter(step.items, 1)) yield { ...step, items };
      break;
    case 'reconnect':
      if (Object.keys(step.login.parameters).length > 0) yield { ...step, login: { ...step.login, parameters: {} } };
      if (step.drop) yield { ...step, drop: false };
      break;
    default:
  }
}

function* simplerScript(script: Script): Generator<Script> {
  for (const steps of shorter(script.steps, 0)) yield { ...script, steps };
  if (script.end !== 'terminate') yield { ...script, end: 'terminate' };
  if (Object.keys(script.login.parameters).length > 0) yield { ...script, login: { ...script.login, parameters: {} } };
  for (const [at, step] of script.steps.entries()) {
    for (const simpler of simplerStep(step)) yield { ...script, steps: replaced(script.steps, at, simpler) };
  }
}

function* simplerRound(round: Round): Generator<Round> {
  yield* shorter(round, 1);
  for (const [at, script] of round.entries()) {
    for (const simpler of simplerScript(script)) yield replaced(round, at, simpler);
  }
}

/** The smallest found; `over` ends the search early. */
export async function shrink(round: Round, differs: (round: Round) => Promise<boolean>, over: () => boolean): Promise<Round> {
  let smallest = round;
  for (let found = true; found; ) {
    found = false;
    for (const candidate of simplerRound(smallest)) {
      if (over()) return smallest;
      if (!(await differs(candidate))) continue;
      smallest = candidate;
      found = true;
      break;
    }
  }
  return smallest;
}
