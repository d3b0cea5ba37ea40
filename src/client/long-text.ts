/**
 * A session's long texts. A Query or Parse whose text is too long for the event loop stays with the client until a thread has read the text
 * (`reader.ts`); then the frame is shown again, and all goes on as with a short one, in the same order. Only this client waits.
 *
 * The frame is shown three times: it gets in line, it hands its bytes over when it is its turn, and it is taken when the text is known. No
 * copy of it is held meanwhile but the one that is read.
 */
import * as code from '../wire/codes.ts';
import { latin1, stringEnd } from '../wire/read.ts';
import type { Output } from './output.ts';
import { IDLE, type Phase } from './phase.ts';
import { LOOP_LIMIT, type Turn } from './reader.ts';
import type { Request } from './request.ts';
import type { Text, Texts } from './statements.ts';

/** The session, as the reading of its texts needs it. */
export interface LongTextOwner {
  readonly phase: Phase;
  readonly request: Request;
  readonly output: Pick<Output, 'reading'>;
  readonly isSharded: boolean;
  readonly place: { readonly texts: Texts };
  /** Nothing more belongs to what is under way. */
  complete: boolean;
  enter(phase: Phase): void;
  /** Frames that were not taken are shown again. */
  inputWanted(): void;
}

/** What is to be done with a frame: take it, leave it with the client, or pass over it (its Query was cancelled). */
export type Seen = 'take' | 'leave' | 'drop';

export class LongText {
  readonly #owner: LongTextOwner;
  /** `line`: not its turn yet; `turn`: its bytes are wanted; `read`: by the thread; `dropped`: cancelled, and the frame is still there. */
  #step: 'none' | 'line' | 'turn' | 'read' | 'dropped' = 'none';
  #turn: Turn | undefined;

  constructor(owner: LongTextOwner) {
    this.#owner = owner;
  }

  /** A whole Query or Parse that is about to be added to the request. */
  see(type: number, chunk: Buffer, start: number, end: number): Seen {
    if (this.#step === 'none') return end - start <= LOOP_LIMIT ? 'take' : this.#seeLong(type, chunk, start, end);
    if (this.#step === 'dropped') {
      this.#step = 'none';
      return 'drop';
    }
    this.handOver(type, chunk, start, end);
    return 'leave';
  }

  #seeLong(type: number, chunk: Buffer, start: number, end: number): Seen {
    const { request, output, place } = this.#owner;
    if (request.foreknown !== undefined) return 'take';
    const text = textIn(type, chunk, start, end);
    const length = text.end - text.start;
    if (length <= LOOP_LIMIT || place.texts.knows(chunk, text.start, text.end, output.reading)) return 'take';
    this.#wait(type, {
      text: length <= place.texts.cachedLimit ? latin1(chunk, text.start, text.end) : undefined,
      length,
      frame: end - start,
    });
    this.handOver(type, chunk, start, end);
    return 'leave';
  }

  /** Lengths are in bytes; `text`: to be kept. */
  #wait(type: number, long: { readonly text: string | undefined; readonly length: number; readonly frame: number }): void {
    const owner = this.#owner;
    const { texts } = owner.place;
    const reading = owner.output.reading;
    let inside = false;
    this.#step = 'line';
    this.#turn = texts.reader.read(long.length, {
      turn: () => {
        this.#step = 'turn';
        if (inside) this.#show();
      },
      done: (facts) => this.#known(texts.learn(long.text, reading, facts), long.frame),
    });
    inside = true;
    if (owner.phase.at !== 'idle') return;
    owner.complete = type === code.QUERY;
    owner.enter({ at: 'waiting', reads: true, line: { leave: () => this.#leave(type) } });
  }

  /** Its turn has come: the bytes are in the frame. */
  #show(): void {
    this.#owner.inputWanted();
    // It is not there any more; or it will come again, and get in line again.
    if (this.#step !== 'turn') return;
    this.end();
    this.#goOn();
  }

  /** The frame is shown: its text goes to the thread, if it is its turn. */
  handOver(type: number, chunk: Buffer, start: number, end: number): void {
    if (this.#step !== 'turn') return;
    this.#step = 'read';
    const text = textIn(type, chunk, start, end);
    this.#turn!.start(chunk.subarray(text.start, text.end), this.#owner.output.reading, this.#owner.isSharded);
  }

  #known(text: Text, length: number): void {
    const owner = this.#owner;
    this.#step = 'none';
    this.#turn = undefined;
    if (owner.phase.at === 'closed') return;
    owner.request.foreknown = { text, length };
    this.#goOn();
    owner.inputWanted();
  }

  #goOn(): void {
    const { phase } = this.#owner;
    if (phase.at === 'waiting' && phase.reads === true) this.#owner.enter(IDLE);
  }

  /** The client has cancelled its statement, or is gone. */
  #leave(type: number): void {
    this.end();
    if (type === code.QUERY) this.#step = 'dropped';
  }

  /** The frame is passed over, or the session is over. */
  end(): void {
    this.#turn?.leave();
    this.#turn = undefined;
    this.#step = 'none';
    this.#owner.request.foreknown = undefined;
  }
}

/** Where the text stands in a Query or Parse; empty where the frame is malformed. */
function textIn(type: number, chunk: Buffer, start: number, end: number): { readonly start: number; readonly end: number } {
  const from = type === code.QUERY ? start + 5 : (stringEnd(chunk, start + 5, end) ?? end) + 1;
  const to = stringEnd(chunk, from, end);
  return to === undefined ? { start: end, end } : { start: from, end: to };
}
