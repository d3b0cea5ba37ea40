/**
 * What functions keep in their interpreters from call to call: `%_SHARED` of PL/Perl, `GD` and `SD` of PL/Python, globals of PL/Tcl and PL/v8. It is the
 * session's, no view shows it, and DISCARD ALL leaves it there. So it counts as what nobody can find: the session keeps its server connection.
 */

/** By the beginning of the language's name: what a body says that keeps something. Of other languages anything may. */
const KEEPS: readonly (readonly [language: string, words: RegExp])[] = [
  ['plperl', /_SHARED|\bour\b|\bstate\s*[$@%(]|[$@%]\w*::/],
  ['plpython', /\b(?:GD|SD|globals?)\b/],
  ['pltcl', /\b(?:GD|global|variable|upvar|namespace)\b|::/],
  ['plv8', /\bglobalThis\b|\bplv8\.\w+\s*=[^=]/],
  ['plsh', /$^/],
];
const READ_OTHERWISE: ReadonlySet<string> = new Set(['sql', 'plpgsql', 'c', 'internal']);

/** Whether a function's body, or a block of code, may keep something there. */
export function keepsData(language: string, body: string): boolean {
  if (READ_OTHERWISE.has(language)) return false;
  const words = KEEPS.find(([name]) => language.startsWith(name))?.[1];
  return words === undefined || words.test(body);
}

const LANGUAGE = /\blanguage\s+(['"]?)([a-z_][\w$]*)\1/gi;

/** The same of a text with such code in it: a DO block, a definition. */
export function keepsDataInText(text: string): boolean {
  for (const [, , language] of text.matchAll(LANGUAGE)) if (keepsData(language!.toLowerCase(), text)) return true;
  return false;
}
