/**
 * A transaction on a sharded database before any statement has shown its shard: BEGIN and what may follow it without rows are answered here
 * and kept; they go to the server in front of the first statement that has a shard. If none comes, nothing was ever sent.
 */
import type { Plan } from '../../routing/index.ts';
import { STATUS_FAILED, STATUS_IDLE, STATUS_TRANSACTION } from '../wire/codes.ts';
import { query } from '../wire/write.ts';
import { commandTag, type LocalAnswer, localAnswer, onlyText } from './local.ts';
import type { Request } from './request.ts';
import type { StatementNames } from './statements.ts';

export class HeldBack {
  #texts: string[] = [];

  /** Answers a request that is held back; the status is the session's from now on. */
  answer(verb: Extract<Plan, { kind: 'transaction' }>['verb'], request: Request, names: StatementNames, status: number): LocalAnswer {
    const text = onlyText(request);
    const ends = verb === 'commit' || verb === 'rollback';
    if (ends) this.#texts = [];
    else this.#texts.push(text);
    const next = ends ? STATUS_IDLE : STATUS_TRANSACTION;
    const tag = ends && status === STATUS_FAILED ? 'ROLLBACK' : commandTag(text);
    return { frames: localAnswer(request, names, tag, next), status: next };
  }

  /** What was kept, as Query frames in order; it is no longer kept. */
  take(): Buffer[] {
    const frames = this.#texts.map((text) => query(Buffer.from(text, 'latin1')));
    this.#texts = [];
    return frames;
  }
}
