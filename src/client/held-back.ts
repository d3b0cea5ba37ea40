/**
 * A transaction of which nothing was sent yet: BEGIN and what may follow it without rows are answered here and kept; they go to the server in
 * front of the first statement that needs it. On a sharded database that is the one that has a shard; if none comes, nothing was ever sent.
 *
 * Elsewhere it saves a round trip, and a server connection for the time between. now() is the time of BEGIN, so BEGIN waits for a moment only
 * (`DEFER_MS`), then it goes alone; and only in sessions whose statements have followed their BEGIN at once before.
 */
import type { Plan } from '../../routing/index.ts';
import { STATUS_FAILED, STATUS_IDLE, STATUS_TRANSACTION } from '../wire/codes.ts';
import { query } from '../wire/write.ts';
import { commandTag, type LocalAnswer, localAnswer, onlyText } from './local.ts';
import type { Request } from './request.ts';
import type { StatementNames } from './statements.ts';

/** For so long BEGIN waits for the first statement. */
const DEFER_MS = 2;
/** So many statements in a row must have come within that time. */
const QUICK_BEFORE = 3;

/** Commands that an aborted transaction of which nothing was sent can be told: all others are refused. */
const ENDS: ReadonlySet<string> = new Set(['commit', 'rollback', 'rollback_to']);

export class HeldBack {
  #texts: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the server had begun the open transaction, until something follows. */
  #begunAtMs: number | undefined;
  /** Statements that came at once behind their BEGIN, in a row. */
  #quick = 0;

  /** Answers a request that is held back; the status is the session's from now on. */
  answer(verb: Extract<Plan, { kind: 'transaction' }>['verb'], request: Request, names: StatementNames, status: number): LocalAnswer {
    const text = onlyText(request);
    const ends = verb === 'commit' || verb === 'rollback';
    if (ends) this.take();
    else this.#texts.push(text);
    const next = ends ? STATUS_IDLE : STATUS_TRANSACTION;
    const tag = ends && status === STATUS_FAILED ? 'ROLLBACK' : commandTag(text);
    return { frames: localAnswer(request, names, tag, next), status: next };
  }

  /** `open` is called when nothing has been taken for a moment. */
  waitNoLonger(open: () => void): void {
    this.#timer ??= setTimeout(() => {
      this.#quick = 0;
      open();
    }, DEFER_MS);
  }

  /** The session's statements come so soon behind BEGIN that it can wait for them. */
  get pays(): boolean {
    return this.#quick >= QUICK_BEFORE;
  }

  /** A server has begun a transaction, and the client knows. */
  begun(nowMs: number): void {
    this.#begunAtMs = nowMs;
  }

  /** The client's next request. */
  followed(nowMs: number): void {
    if (this.#begunAtMs === undefined) return;
    this.#quick = nowMs - this.#begunAtMs <= DEFER_MS ? this.#quick + 1 : 0;
    this.#begunAtMs = undefined;
  }

  get any(): boolean {
    return this.#texts.length > 0;
  }

  /** What was kept, as Query frames in order; it is no longer kept. */
  take(): Buffer[] {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    const frames = this.#texts.map((text) => query(Buffer.from(text, 'latin1')));
    this.#texts = [];
    return frames;
  }

  /** May a session whose transaction has failed before anything of it was sent run this? */
  static mayFollowFailure({ verb }: Request): boolean {
    return verb !== undefined && ENDS.has(verb);
  }
}
