/**
 * Reads long texts where they stall nobody: in a thread, one text after the other. There are two of them, so that a text of some kB never
 * waits for one of many MB. A thread is started when it is first needed, and never keeps the process alive; the one for large texts ends when it has
 * had nothing to do for a while, for its memory stays as large as its largest text made it. Whatever goes wrong in a thread makes a text
 * unread, never an error.
 *
 * Who wants a text read stands in line without its bytes; they are asked for when it is its turn.
 */
import { Worker } from 'node:worker_threads';
import type { Facts, ParserName } from '../../routing/index.ts';
import { NOT_READ, type TextReading } from './read-text.ts';
import type { ReadPart, ToRead } from './reading-thread.ts';

/** Texts above this size, in bytes, are not read on the event loop: a parser takes about 0.5 µs for each byte. */
export const LOOP_LIMIT = 8 * 1024;
/** Texts above this size are read in the thread for large ones. */
const LARGE = 128 * 1024;
const IDLE_MS = 10_000;
/** Heap of a thread: a text that needs more stays unread. */
const HEAP_MB = 512;

const THREAD = new URL(`./reading-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

/** Someone who waits for a text to be read. Called once each, `turn` perhaps before `Reader.read` returns. */
export interface Waiting {
  /** The thread is free: `Turn.start` must follow, at once or soon. */
  turn(): void;
  done(facts: Facts): void;
}

/** A place in line, then at the thread. */
export interface Turn {
  /** Hands over a text's bytes (a copy is made). */
  start(bytes: Buffer, reading: TextReading, byValues: boolean): void;
  /** Nobody wants it read any more; nothing is called from now on. */
  leave(): void;
}

/** One thread and the line in front of it. */
class Lane {
  readonly #parser: () => ParserName;
  readonly #failed: (error: Error) => void;
  readonly #large: boolean;
  readonly #line: Waiting[] = [];
  #thread: Worker | undefined;
  /** Whose turn it is; undefined also while a text is read that nobody wants any more. */
  #current: Waiting | undefined;
  #busy = false;
  #parts: unknown[] = [];
  #idle: NodeJS.Timeout | undefined;

  constructor(parser: () => ParserName, failed: (error: Error) => void, large: boolean) {
    this.#parser = parser;
    this.#failed = failed;
    this.#large = large;
  }

  enter(waiting: Waiting): Turn {
    this.#line.push(waiting);
    if (!this.#busy) this.#next();
    return {
      start: (bytes, reading, byValues) => {
        if (this.#current === waiting) this.#start(bytes, reading, byValues);
      },
      leave: () => this.#leave(waiting),
    };
  }

  #next(): void {
    this.#current = this.#line.shift();
    this.#busy = this.#current !== undefined;
    clearTimeout(this.#idle);
    if (this.#busy) this.#current!.turn();
    else if (this.#large && this.#thread !== undefined) this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
  }

  #start(bytes: Buffer, reading: TextReading, byValues: boolean): void {
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    const { encoding, standardConformingStrings } = reading;
    const toRead: ToRead = { bytes: copy, reading: { encoding, standardConformingStrings }, parser: this.#parser(), byValues };
    this.#reading = true;
    this.#thread ??= this.#launch();
    this.#thread.postMessage(toRead, [copy.buffer]);
  }
  #reading = false;

  #launch(): Worker {
    const thread = new Worker(THREAD, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB }, execArgv: [] });
    thread.unref();
    thread.on('message', (part: ReadPart) => {
      if (this.#thread === thread) this.#take(part);
    });
    thread.on('error', (error) => this.#failed(error));
    thread.on('exit', () => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      if (this.#reading) this.#done(NOT_READ);
    });
    return thread;
  }

  #take({ statements, understood, params, last }: ReadPart): void {
    this.#parts.push(...statements);
    if (!last) return;
    const all = this.#parts as Facts['statements'];
    this.#done({ statements: all, understood, params });
  }

  #done(facts: Facts): void {
    const waiting = this.#current;
    this.#parts = [];
    this.#reading = false;
    waiting?.done(facts);
    this.#next();
  }

  #leave(waiting: Waiting): void {
    const at = this.#line.indexOf(waiting);
    if (at >= 0) this.#line.splice(at, 1);
    if (this.#current !== waiting) return;
    this.#current = undefined;
    if (this.#reading) {
      // A large text that nobody wants is not read to its end.
      if (!this.#large) return;
      this.#reading = false;
      this.#parts = [];
      this.#end();
    }
    this.#next();
  }

  #end(): void {
    const thread = this.#thread;
    this.#thread = undefined;
    thread?.terminate().catch(() => {});
  }

  stop(): void {
    clearTimeout(this.#idle);
    this.#line.length = 0;
    this.#current = undefined;
    this.#reading = false;
    this.#end();
  }
}

export class Reader {
  readonly #small: Lane;
  readonly #large: Lane;
  /** Told when a thread ends by a mistake of ours, or for want of memory. */
  onFailure: (error: Error) => void = () => {};

  constructor(parser: () => ParserName) {
    const failed = (error: Error): void => this.onFailure(error);
    this.#small = new Lane(parser, failed, false);
    this.#large = new Lane(parser, failed, true);
  }

  /** Stands in line for a text of this length, in bytes. */
  read(length: number, waiting: Waiting): Turn {
    return (length > LARGE ? this.#large : this.#small).enter(waiting);
  }

  /** Ends the threads; who waits is told nothing. */
  stop(): void {
    this.#small.stop();
    this.#large.stop();
  }
}
