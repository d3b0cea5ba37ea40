/**
 * The grammar of the console: one command, `CMD [arg] ;` or `SET key = value ;`, words in any case, arguments bare,
 * "quoted" or 'quoted'. PgBouncer's, and a little wider: a bare argument may have any character that means nothing else.
 * What the commands mean is `commands.ts`.
 */

export type Command =
  | { readonly kind: 'empty' }
  | { readonly kind: 'command'; readonly name: string; readonly args: readonly string[] }
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  /** Not of this grammar. */
  | { readonly kind: 'invalid' };

interface Token {
  readonly kind: 'word' | 'quoted' | '=' | ';';
  readonly text: string;
}

/** Some drivers test a connection with a comment alone. */
const LEADING_COMMENTS = /^(?:\s|--[^\n]*(?:\n|$))+/;
const TOKEN = /\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^\s"';=]+)|(=)|(;))/y;

/** `name` is in lower case; arguments are as written, without their quotes. */
export function parseCommand(text: string): Command {
  const tokens = tokenize(text.replace(LEADING_COMMENTS, '').trimEnd());
  if (tokens === undefined) return { kind: 'invalid' };
  while (tokens.at(-1)?.kind === ';') tokens.pop();
  const [first, ...rest] = tokens;
  if (first === undefined) return { kind: 'empty' };
  const name = first.text.toLowerCase();
  if (first.kind === ';' || first.kind === '=') return { kind: 'invalid' };
  if (name === 'set' && first.kind === 'word') return parseSet(rest);
  if (rest.some((token) => token.kind === ';' || token.kind === '=')) return { kind: 'invalid' };
  return { kind: 'command', name, args: rest.map((token) => token.text) };
}

/** undefined when a quote is not closed. */
function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length; ) {
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    tokens.push(tokenOf(match));
  }
  return tokens;
}

function tokenOf(match: RegExpExecArray): Token {
  const [, double, single, word, equals] = match;
  if (double !== undefined) return { kind: 'quoted', text: double.replaceAll('""', '"') };
  if (single !== undefined) return { kind: 'quoted', text: single.replaceAll("''", "'") };
  if (word !== undefined) return { kind: 'word', text: word };
  return equals === undefined ? { kind: ';', text: ';' } : { kind: '=', text: '=' };
}

function parseSet(tokens: readonly Token[]): Command {
  const [key, sign, value, ...more] = tokens;
  if (key === undefined || sign === undefined || value === undefined || more.length > 0) return { kind: 'invalid' };
  const isAssignment = sign.kind === '=' || (sign.kind === 'word' && sign.text.toLowerCase() === 'to');
  const isNamed = (token: Token): boolean => token.kind === 'word' || token.kind === 'quoted';
  if (!isAssignment || !isNamed(key) || !isNamed(value)) return { kind: 'invalid' };
  return { kind: 'set', key: key.text, value: value.text };
}
