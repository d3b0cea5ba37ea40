/**
 * Which parameters of the user's own (`app.x`) a piece of code can set, by their names. No view of Postgres lists those that a session has set, so an
 * audit must ask for them one by one; where code makes up a name, or runs SQL that is not in it, nobody knows what to ask for (`madeUp`). So it is with
 * what no question finds at all: the seed of random(), libraries, connections of dblink, a replication origin.
 *
 * Nothing is parsed: words and strings are looked at, strings as SQL that may be run. One name too many costs nothing, `madeUp` too often a pin.
 */

export interface NamedSettings {
  /** With a dot, folded. */
  readonly names: readonly string[];
  readonly madeUp: boolean;
}

interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'block' | 'mark';
  readonly text: string;
}

const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?\*\/|(?<quote>'(?:[^']|'')*(?:'|$))|"(?<quoted>(?:[^"]|"")*)"|\$(?<tag>\w*)\$(?<block>[\s\S]*?)(?:\$\k<tag>\$|$)|(?<word>[a-z_\x80-\uffff][\w$\x80-\uffff]*)|\d[\w.]*|\S/gi;

/** Names in codes: nobody reads them here. */
const IN_CODES = /\bu&["']/i;
const PLAIN = /^[a-z_][\w$]*(?:\.[a-z_0-9$]+)*$/i;
const COMMAND =
  /^\s*(?:select|insert|update|delete|merge|with|create|alter|drop|truncate|copy|analyze|vacuum|refresh|reindex|cluster|grant|revoke|comment|lock|call|set|reset|notify|listen|unlisten|prepare|execute|deallocate|declare|fetch|move|close|explain|values|table|import|security|discard|do)\b/i;
/** What RAISE says is not run. */
const SAID = new Set(['raise', 'notice', 'exception', 'warning', 'info', 'log', 'debug']);
/** Leaves what an audit does not see. */
const NOT_FOUND = /^(?:setseed|load|dblink\w*|pg_replication_origin_session_setup)$/;
/** Behind these a string is code, where there can be code. */
const STARTS_CODE = /^(?:do|as|sql|plpgsql)$/;
/** Strings in strings in strings. */
const DEPTH_LIMIT = 6;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const { 0: all, groups = {} } of text.matchAll(TOKEN)) {
    if (all.startsWith('--') || all.startsWith('/*')) continue;
    if (groups.quote !== undefined) tokens.push({ kind: 'string', text: groups.quote.slice(1, -1).replaceAll("''", "'") });
    else if (groups.quoted !== undefined) tokens.push({ kind: 'quoted', text: groups.quoted.replaceAll('""', '"') });
    else if (groups.block !== undefined) tokens.push({ kind: 'block', text: groups.block });
    else if (groups.word !== undefined) tokens.push({ kind: 'word', text: fold(groups.word) });
    else tokens.push({ kind: 'mark', text: all });
  }
  return tokens;
}

const isEnd = ({ kind, text }: Token): boolean => kind === 'mark' && text === ';';

/** An opening parenthesis, the end of a text that goes on elsewhere, or the string that LOAD has. */
function isCallOr(token: Token | undefined, string: boolean): boolean {
  return string ? token?.kind === 'string' : token === undefined || token.text === '(';
}

/** As Postgres folds names of parameters: letters of ASCII only. */
export function fold(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** A name that can be asked for, and means the same in every encoding. */
export function isPlainName(name: string): boolean {
  return PLAIN.test(name);
}

/** The body of a function in SQL or PL/pgSQL. */
export function namedSettings(body: string): NamedSettings {
  return lookAt(body, true);
}

/** What a client has sent, with such code in it: its own EXECUTE is that of a prepared statement. */
export function namedSettingsInText(text: string): NamedSettings {
  return lookAt(text, false);
}

function lookAt(text: string, isCode: boolean): NamedSettings {
  const look = new Look();
  if (IN_CODES.test(text)) look.madeUp = true;
  else look.at(text, isCode, true, 0);
  return { names: [...look.names], madeUp: look.madeUp };
}

/** Code in a language that is not read here: SQL with SET in it may have any name there. */
export function setsInOtherLanguage(body: string): boolean {
  return /set_config|\bset\s/i.test(body);
}

class Look {
  readonly names = new Set<string>();
  madeUp = false;

  /** `holdsCode`: strings behind DO and AS are code. */
  at(text: string, isCode: boolean, holdsCode: boolean, depth: number): void {
    const tokens = tokensOf(text);
    if (depth > DEPTH_LIMIT) this.madeUp = true;
    if (this.madeUp) return;
    let updates = false;
    tokens.forEach((token, i) => {
      const before = tokens[i - 1]?.text ?? '';
      if (isEnd(token)) updates = false;
      else if (token.kind === 'string' && !SAID.has(before)) this.#string(token, isCode, holdsCode && STARTS_CODE.test(before), depth);
      else if (token.kind === 'block') this.#within(token, holdsCode, depth);
      else if (token.kind === 'mark' || token.kind === 'string') return;
      else if (token.text === 'set_config') this.#setConfig(tokens, i + 1);
      else if (NOT_FOUND.test(token.text) && isCallOr(tokens[i + 1], token.text === 'load')) this.madeUp = true;
      else if (token.kind === 'quoted') return;
      else if (token.text === 'update' || token.text === 'alter') updates = true;
      else if (token.text === 'set' && !updates) this.#set(tokens, i + 1);
      else if (token.text === 'execute' && isCode) this.#execute(tokens, i + 1);
    });
  }

  /** In what is no code a string is a value: it may have names in it, and makes up none. */
  #string(token: Token, inCode: boolean, isCode: boolean, depth: number): void {
    const before = this.madeUp;
    this.#within(token, isCode, depth);
    if (!inCode && !isCode) this.madeUp = before;
  }

  #within({ text }: Token, isCode: boolean, depth: number): void {
    this.at(text, isCode, isCode, depth + 1);
  }

  #name(name: string): void {
    if (!isPlainName(name) || fold(name) === 'seed') this.madeUp = true;
    else if (name.includes('.')) this.names.add(fold(name));
  }

  /** Only a name that stands there whole is one. */
  #setConfig(tokens: readonly Token[], at: number): void {
    if (tokens[at] !== undefined && tokens[at].text !== '(') return;
    const name = tokens[at + 1];
    const after = tokens[at + 2]?.text === ':' && tokens[at + 3]?.text === ':' ? at + 5 : at + 2;
    if (name?.kind === 'string' && tokens[after]?.text === ',') this.#name(name.text);
    else this.madeUp = true;
  }

  #set(tokens: readonly Token[], start: number): void {
    let at = start;
    if (tokens[at]?.text === 'local') return;
    if (tokens[at]?.text === 'session') at += 1;
    const first = tokens[at];
    if (first === undefined || first.text === '%') this.madeUp = true;
    else if (first.kind === 'word' || first.kind === 'quoted') {
      let name = first.text;
      for (at += 1; tokens[at]?.text === '.'; at += 2) name += `.${tokens[at + 1]?.text ?? ''}`;
      // A text that ends here goes on elsewhere.
      if (tokens[at] === undefined && !/^(?:null|default)$/.test(name)) this.madeUp = true;
      else if (name.includes('.') || name === 'seed') this.#name(name);
    }
  }

  /** What EXECUTE runs must begin with a string that is here, or with a variable that was given one. */
  #execute(tokens: readonly Token[], start: number): void {
    let at = start;
    while (tokens[at]?.text === '(' || /^(?:immediate|format|concat|e)$/.test(tokens[at]?.kind === 'word' ? tokens[at]!.text : '')) at += 1;
    const first = tokens[at];
    if (first === undefined || /^(?:function|procedure|on)$/.test(first.text)) return;
    if (first.kind === 'string' || first.kind === 'block') {
      if (!COMMAND.test(first.text)) this.madeUp = true;
    } else if (first.kind === 'mark' || !this.#isGiven(tokens, first.text)) this.madeUp = true;
  }

  /** Every value that the variable is given begins with a command that stands here. */
  #isGiven(tokens: readonly Token[], variable: string): boolean {
    let given = false;
    for (let i = 0; i < tokens.length; i++) {
      if (tokens[i]!.text !== variable || tokens[i]!.kind === 'string') continue;
      const end = tokens.findIndex((token, at) => at > i && isEnd(token));
      const rest = tokens.slice(i + 1, end < 0 ? undefined : end);
      const assigns = rest.findIndex(({ text }) => text === '=' || text === 'default');
      const isInto = tokens[i - 1]?.text === 'into';
      const begin = tokens.findLastIndex((token, at) => at < i && isEnd(token));
      if (!isInto && (assigns < 0 || assigns > 3)) continue;
      const expression = isInto ? tokens.slice(begin + 1, i) : rest.slice(assigns + 1);
      if (!isInto && expression[0]?.text === variable) continue;
      if (!expression.some(({ kind, text }) => (kind === 'string' || kind === 'block') && COMMAND.test(text))) return false;
      given = true;
    }
    return given;
  }
}
