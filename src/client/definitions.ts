/**
 * Definitions that a session changes: what was learnt of the database is no longer believed, and statements are prepared anew. At once, for the
 * session itself, and again when its transaction is over, for the others. What only concerns its own temporary objects is nobody else's matter.
 */
import { STATUS_IDLE } from '../wire/codes.ts';
import type { Place } from './place.ts';
import type { Ran } from './ran.ts';
import { Temporary } from './temporary.ts';
import type { TextLook } from './text-look.ts';

export class Definitions {
  readonly temporary = new Temporary();
  readonly #database: string;
  readonly #place: Place;
  /** Texts that changed definitions in the open transaction: others see them when it is over. */
  #redefined: (TextLook | undefined)[] = [];

  constructor(database: string, place: Place) {
    this.#database = database;
    this.#place = place;
  }

  /** By this statement. `closed`: what is temporary is the session's own. */
  changedBy(statement: Ran, look: TextLook, status: number, closed: boolean): void {
    const own = this.temporary.isOwn(statement, look, status !== STATUS_IDLE) && closed;
    this.changed(look, status, own);
  }

  /** By a text that was looked at, or by who knows what; `status`: of the transaction; `own`: nobody but the session sees it. */
  changed(look: TextLook | undefined, status: number, own = false): void {
    if (look?.isNews(own, status) === false) return;
    if (!own) this.#place.definitionsChanged(this.#database);
    this.#place.learnt.codeChanged(this.#database, look?.text);
    if (status !== STATUS_IDLE && !own) this.#redefined.push(look);
  }

  /** An exchange is over; `status`: of the transaction after it. */
  answered(failed: boolean, status: number): void {
    if (failed) this.temporary.forget();
    if (status !== STATUS_IDLE) return;
    this.temporary.transactionEnded();
    for (const look of this.#redefined.splice(0)) this.changed(look, status);
  }
}
