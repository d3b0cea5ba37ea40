/**
 * A text that statements were run from, looked at for what they may have done besides their effects. Each look is taken once, when it is first
 * wanted: a script has thousands of statements, and all of them are of one text.
 */
import { namesIn } from './function-body.ts';
import { keepsDataInText } from './interpreters.ts';
import type { Use } from './known-code.ts';
import { type NamedSettings, namedSettingsInText } from './named-settings.ts';
import { MAY_DEFINE, MAY_DROP, type Origin, textOf } from './ran.ts';

/** DDL that may run the code which it names: expressions of indexes, defaults of new columns, checks on what is there. */
const RUNS_CODE = /^\s*(?:alter|create\s+(?:unique\s+)?index|refresh)\b|--|\/\*/i;
/** The temporary schema by its name. */
export const PG_TEMP = /\bpg_temp/i;

const CUTS_SHORT = /\bon\s+commit\b|\bcascade\b|--|\/\*/i;
const MAKES_INDEX = /^\s*create\s+(?:unique\s+)?index\b(?![\s\S]*(?:--|\/\*))[^;]*;?\s*$/i;

const EVENT: Use = { kind: 'event', name: '' };
/** A name that nobody has: never harmless. */
const NOT_A_NAME: Use = { kind: 'function', name: '' };

export class TextLook {
  readonly origin: Origin;
  #text: string | undefined;
  #mayDrop: boolean | undefined;
  #mayDefine: boolean | undefined;
  #cutsShort: boolean | undefined;
  #namesTemporary: boolean | undefined;
  #settings: NamedSettings | undefined;
  #ddlUses: readonly Use[] | undefined;
  readonly #told = new Set<string>();

  constructor(origin: Origin) {
    this.origin = origin;
  }

  get text(): string {
    this.#text ??= textOf(this.origin);
    return this.#text;
  }

  /** DDL in it may take something temporary away. */
  get mayDrop(): boolean {
    this.#mayDrop ??= MAY_DROP.test(this.text);
    return this.#mayDrop;
  }

  /** A block of code in it may change definitions. */
  get mayDefine(): boolean {
    this.#mayDefine ??= MAY_DEFINE.test(this.text);
    return this.#mayDefine;
  }

  /** What it makes may be gone at the end of the transaction, or more go than what it names. */
  get cutsShort(): boolean {
    this.#cutsShort ??= CUTS_SHORT.test(this.text);
    return this.#cutsShort;
  }

  /** It makes an index, and does nothing else. */
  get makesIndex(): boolean {
    return MAKES_INDEX.test(this.text);
  }

  get namesTemporary(): boolean {
    this.#namesTemporary ??= PG_TEMP.test(this.text);
    return this.#namesTemporary;
  }

  /** Parameters with a dot in their names that it sets. */
  get settings(): NamedSettings {
    this.#settings ??= keepsDataInText(this.text) ? { names: [], madeUp: true } : namedSettingsInText(this.text);
    return this.#settings;
  }

  /** What its DDL may run by the words of the text; always the same array. */
  get ddlUses(): readonly Use[] {
    if (this.#ddlUses === undefined) {
      const names = RUNS_CODE.test(this.text) ? namesIn(this.text) : [];
      this.#ddlUses = names === undefined ? [NOT_A_NAME] : [EVENT, ...names.map((name): Use => ({ kind: 'word', name }))];
    }
    return this.#ddlUses;
  }

  /** Nobody was told yet of definitions that it changed; `own`: nobody but the session sees them; `status`: of the transaction. */
  isNews(own: boolean, status: number): boolean {
    return this.#told.size !== this.#told.add(`${own} ${status}`).size;
  }
}

/** The look at the text of the statements that are looked at now: those of one text come one after the other. */
export class Looks {
  #last: TextLook | undefined;
  /** What was found out about last, or will be; of one answer. */
  doubted: readonly Use[] | undefined;

  at(origin: Origin): TextLook {
    if (this.#last === undefined || this.#last.origin !== origin) this.#last = new TextLook(origin);
    return this.#last;
  }

  /** The answer is over. */
  forget(): void {
    this.#last = undefined;
    this.doubted = undefined;
  }
}
