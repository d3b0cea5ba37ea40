/**
 * How many parameters a statement has for Postgres once it is prepared, by its text: those of it that are analyzed at Parse have the highest `$n`
 * that they name. What a statement only carries (PREPARE, CREATE FUNCTION) is analyzed later, and its `$n` are not its own.
 */
import type { Facts, Verb } from './facts.ts';
import { scan } from './scan.ts';

const ANALYZED: ReadonlySet<Verb> = new Set<Verb>(['select', 'insert', 'update', 'delete', 'merge']);
/** What they carry is looked at when they run. */
const UTILITY: ReadonlySet<Verb> = new Set<Verb>(['prepare', 'execute', 'do', 'set']);
/** Longer texts are not looked at for this. */
const TEXT_LIMIT = 64 * 1024;

/** `declared`: the types that Parse gave; undefined where the text does not tell. */
export function parametersOf({ statements }: Pick<Facts, 'statements'>, text: string, declared: number): number | undefined {
  const verb = statements.length === 1 ? statements[0]!.verb : undefined;
  if (!text.includes('$') || (verb !== undefined && UTILITY.has(verb))) return declared;
  if (verb === undefined || !ANALYZED.has(verb) || text.length > TEXT_LIMIT) return undefined;
  const { params, backslash, problem } = scan(text);
  return backslash || problem !== undefined ? undefined : Math.max(params, declared);
}
