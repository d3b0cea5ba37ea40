/**
 * What sessions have learnt of databases, for all of them: what code hides behind their names, what their functions do to parameters, and who
 * reads currval(). Code is believed for a while only: definitions may be changed by others than us.
 */
import { afterChange, type HiddenCode } from './client/hidden-code.ts';
import { KnownCode } from './client/known-code.ts';

const BELIEVED_MS = 60_000;
/** Who has drawn so often and has asked for nothing of it will hardly do so. */
const EARLY_DRAWS = 1000;

interface Believed<T> {
  readonly value: T;
  readonly untilMs: number;
}

export class Learnt {
  readonly #hidden = new Map<string, Believed<HiddenCode>>();
  readonly #known = new Map<string, Believed<KnownCode>>();
  readonly #currval = new Set<string>();
  readonly #draws = new Map<string, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  #believed<T>(all: Map<string, Believed<T>>, database: string): T | undefined {
    const found = all.get(database);
    return found !== undefined && found.untilMs > this.#nowMs() ? found.value : undefined;
  }

  knownCode(database: string): KnownCode {
    const believed = this.#believed(this.#known, database);
    if (believed !== undefined) return believed;
    const value = new KnownCode();
    this.#known.set(database, { value, untilMs: this.#nowMs() + BELIEVED_MS });
    return value;
  }

  hiddenCode(database: string): HiddenCode | undefined {
    return this.#believed(this.#hidden, database);
  }

  learnHiddenCode(database: string, value: HiddenCode): void {
    this.#hidden.set(database, { value, untilMs: this.#nowMs() + BELIEVED_MS });
  }

  codeChanged(database: string, text: string | undefined): void {
    this.#believed(this.#known, database)?.changed(text);
    const hidden = this.#hidden.get(database);
    if (hidden === undefined) return;
    // An extension brings functions that its text does not show.
    if (text === undefined || EXTENSION.test(text)) this.#hidden.delete(database);
    else this.#hidden.set(database, { ...hidden, value: afterChange(hidden.value, text) });
  }

  usesCurrval(database: string, user: string): boolean {
    return this.#currval.has(`${database}\0${user}`);
  }

  learnCurrval(database: string, user: string): void {
    this.#currval.add(`${database}\0${user}`);
  }

  drawsEarly(database: string, user: string): boolean {
    const key = `${database}\0${user}`;
    const draws = this.#draws.get(key) ?? 0;
    if (draws < EARLY_DRAWS) this.#draws.set(key, draws + 1);
    return draws < EARLY_DRAWS;
  }
}

const EXTENSION = /\bextension\b/i;
