/**
 * The answers that a server owes for the frames of one exchange, where they are not simply all the client's: an answer to a frame of ours
 * is absorbed, and an answer that the server was not asked for (it has the statement already) is put back in its place.
 * An exchange without such frames has no list at all.
 */
import * as code from '../wire/codes.ts';

/** Which frame the answer is to. `nothing`: the server was not asked, `give` is the whole answer. */
export type OwedTo = 'parse' | 'bind' | 'describe' | 'execute' | 'close' | 'nothing';

export interface Owed {
  readonly to: OwedTo;
  /** Not for the client. */
  readonly absorb?: boolean;
  /** Sees each frame of the answer. */
  readonly sees?: ((chunk: Buffer, start: number, end: number) => void) | undefined;
  /** Sent to the client in this place (with `nothing`). */
  readonly give?: Buffer;
  /** Undoes what was believed when the frame was sent: the server did not get to it, or refused it (`refused`). */
  readonly undo?: (refused: boolean) => void;
  /** Changes the error that answers this frame, when one does. */
  readonly mendError?: (frame: Buffer) => Buffer;
}

/** Whose answer the answer to a frame of this type is. */
export const OWED_TO: Record<number, OwedTo> = {
  [code.PARSE]: 'parse',
  [code.BIND]: 'bind',
  [code.DESCRIBE]: 'describe',
  [code.EXECUTE]: 'execute',
  [code.CLOSE]: 'close',
};

/** Answers that go to the client as they come. */
export const OWED: Readonly<Record<OwedTo, Owed>> = {
  parse: { to: 'parse' },
  bind: { to: 'bind' },
  describe: { to: 'describe' },
  execute: { to: 'execute' },
  close: { to: 'close' },
  nothing: { to: 'nothing' },
};

/** Does this answer frame complete what is owed? */
function completes(to: OwedTo, type: number): boolean {
  switch (to) {
    case 'parse':
      return type === code.PARSE_COMPLETE;
    case 'bind':
      return type === code.BIND_COMPLETE;
    case 'describe':
      return type === code.ROW_DESCRIPTION || type === code.NO_DATA;
    case 'execute':
      return type === code.COMMAND_COMPLETE || type === code.EMPTY_QUERY_RESPONSE || type === code.PORTAL_SUSPENDED;
    case 'close':
      return type === code.CLOSE_COMPLETE;
    case 'nothing':
      return false;
  }
}

/**
 * Puts the client's own name for a statement where an error's message has ours: no client shall see a name that it never gave. Names are the
 * bytes that travelled, in whatever encoding the client has.
 */
export function renameInError(frame: Buffer, ours: Buffer, clients: Buffer): Buffer {
  const [from, to] = [`"${ours.toString('latin1')}"`, `"${clients.toString('latin1')}"`];
  const fields = frame.toString('latin1', 5).split('\0');
  const mended = fields.map((field) => (field.startsWith('M') ? field.replaceAll(from, () => to) : field)).join('\0');
  if (mended.length === frame.length - 5 && from.length !== to.length) return frame;
  const out = Buffer.allocUnsafe(5 + mended.length);
  out[0] = frame[0]!;
  out.writeUInt32BE(4 + mended.length, 1);
  out.write(mended, 5, 'latin1');
  return out;
}

/** Errors about a statement of ours (its name with the NUL that ends it) speak of the client's. */
export function renaming(ours: Buffer, clients: string): (error: Buffer) => Buffer {
  return (error) => renameInError(error, ours.subarray(0, -1), Buffer.from(clients, 'latin1'));
}

export class OwedList {
  readonly #list: Owed[] = [];
  #at = 0;
  readonly #give: (frame: Buffer) => void;

  /** `give` sends a frame to the client. */
  constructor(give: (frame: Buffer) => void) {
    this.#give = give;
  }

  push(owed: Owed): void {
    this.#list.push(owed);
  }

  /** Puts back every answer whose turn has come without the server. */
  pump(): void {
    while (this.#list[this.#at]?.to === 'nothing') {
      this.#give(this.#list[this.#at]!.give!);
      this.#at += 1;
    }
  }

  /** Whether answers of ours are next in line, so that what the server sent must leave first. */
  get givesNext(): boolean {
    return this.#list[this.#at]?.to === 'nothing';
  }

  /** Shows an answer frame to whoever asked for it. */
  show(chunk: Buffer, start: number, end: number): void {
    this.#list[this.#at]?.sees?.(chunk, start, end);
  }

  /** Takes one answer frame; true when the client gets it. */
  take(type: number): boolean {
    const owed = this.#list[this.#at];
    if (owed === undefined) return true;
    if (completes(owed.to, type)) this.#at += 1;
    return owed.absorb !== true;
  }

  /** What the server refused, once it has. */
  refused: OwedTo | undefined;

  /** The server refused the frame whose turn it is; it will not get to the rest. Returns the error as the client shall see it. */
  fail(frame: Buffer): Buffer {
    const failed = this.#list[this.#at];
    this.refused = failed?.to;
    const rest = this.#list.slice(this.#at).reverse();
    this.#at = this.#list.length;
    for (const owed of rest) owed.undo?.(owed === failed);
    return failed?.mendError?.(frame) ?? frame;
  }

  /** Everything owed has come, but for what is put back. */
  get done(): boolean {
    return this.#at === this.#list.length;
  }
}
