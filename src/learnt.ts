/**
 * What sessions have learnt of databases, for all of them: what code hides in their functions and triggers, and who reads currval(). Hidden
 * code is believed for a while only: definitions may be changed by others than us.
 */
import { afterChange, type HiddenCode } from './client/hidden-code.ts';

const BELIEVED_MS = 60_000;
const CHANGED_MS = 5000;

export class Learnt {
  readonly #code = new Map<string, { readonly code: HiddenCode; readonly untilMs: number }>();
  readonly #currval = new Set<string>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  hiddenCode(database: string): HiddenCode | undefined {
    const known = this.#code.get(database);
    if (known === undefined) return undefined;
    if (known.untilMs > this.#nowMs()) return known.code;
    this.#code.delete(database);
    return undefined;
  }

  learnHiddenCode(database: string, code: HiddenCode): void {
    this.#code.set(database, { code, untilMs: this.#nowMs() + BELIEVED_MS });
  }

  /** A definition with code in it has changed by this text: known well enough for a moment, then read again. */
  codeChanged(database: string, text: string): void {
    const known = this.#code.get(database);
    if (known === undefined) return;
    const untilMs = known.code.everywhere ? known.untilMs : Math.min(known.untilMs, this.#nowMs() + CHANGED_MS);
    this.#code.set(database, { code: afterChange(known.code, text), untilMs });
  }

  usesCurrval(database: string, user: string): boolean {
    return this.#currval.has(`${database}\0${user}`);
  }

  learnCurrval(database: string, user: string): void {
    this.#currval.add(`${database}\0${user}`);
  }
}
