/**
 * What a process wrote to its log so far, and waiting for a line in it. Waiting ends with the process, and after a limit: a test that
 * waits for a line that never comes says so itself, with the log, instead of being killed as hanging.
 */

/** No line that a test waits for takes so long, on a busy machine either. */
const WAIT_LIMIT_MS = 60_000;

export interface LogWait {
  readonly pattern: RegExp;
  /** The length that the log had when waiting made sense; 0: all of it counts. */
  readonly from: number;
  /** Rejects after so long; Infinity never does. */
  readonly limitMs?: number | undefined;
}

export class ProcessLog {
  readonly #name: string;
  readonly #watchers = new Set<() => void>();
  #text = '';
  #ended = true;

  /** `name`: of whose log it is, for messages. */
  constructor(name: string) {
    this.#name = name;
  }

  get text(): string {
    return this.#text;
  }

  /** A process writes to it from now on. */
  began(): void {
    this.#ended = false;
  }

  add(text: string): void {
    this.#text += text;
    this.#tell();
  }

  ended(): void {
    this.#ended = true;
    this.#tell();
  }

  /** Resolves when the log has a match; rejects when the process ends without one, or after the limit. */
  wait({ pattern, from, limitMs = WAIT_LIMIT_MS }: LogWait): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(limit);
        this.#watchers.delete(look);
        settle();
      };
      const fail = (why: string): void =>
        finish(() => reject(new Error(`${this.#name} ${why} ${pattern} in its log:\n${this.#text.slice(from)}`)));
      const look = (): void => {
        if (pattern.test(this.#text.slice(from))) finish(resolve);
        else if (this.#ended) fail('ended without');
      };
      const limit = limitMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => fail(`has, after ${limitMs} ms, no`), limitMs);
      this.#watchers.add(look);
      look();
    });
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }
}
