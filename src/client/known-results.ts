/**
 * What a client was told of the results of its named statements, and that it is still so. A client that has described a statement once reads its
 * rows, and writes its parameters, by that ever after. A server that has the statement refuses it when its columns have changed; one that lacks
 * it would prepare it anew and give other columns. So before a statement is brought to such a server for a client that is not told the columns in
 * the same request, the server is asked what they are there, unless that was found out a moment ago.
 */
import type { Prepared } from '../server/prepared.ts';
import type { Label } from '../server/settings.ts';
import * as code from '../wire/codes.ts';
import { Described } from './sql-prepared.ts';

/** When something was found out, and under which definitions and settings. */
export interface Moment {
  readonly generation: number;
  readonly label: Label;
  readonly atMs: number;
}

interface Known extends Moment {
  /** Types of the parameters; undefined: the client was told of a portal, which has none. */
  readonly types: string | undefined;
  readonly columns: string;
}

/** For so long nobody is thought to have changed a definition behind our back. */
const BELIEVED_MS = 5000;

/** Of one session. */
export class KnownResults {
  /** Made when there is something to keep: most sessions have none. */
  #known: WeakMap<Prepared, Known> | undefined;
  #changed: WeakSet<Prepared> | undefined;

  /** Whether there is something to learn from the answer to a Describe, or to ask a server that lacks the statement. */
  isSure(prepared: Prepared, { generation, label, atMs }: Moment): boolean {
    const known = this.#known?.get(prepared);
    return known !== undefined && known.generation === generation && known.label === label && atMs - known.atMs < BELIEVED_MS;
  }

  /** The client was told something of it that may not be so any more. */
  isDoubtful(prepared: Prepared, moment: Moment): boolean {
    return this.#known?.has(prepared) === true && !this.isSure(prepared, moment);
  }

  /** What sees the answer to a Describe that the client gets; undefined when nothing can be learnt from it. */
  learner(prepared: Prepared, moment: Moment, ofStatement: boolean): ((chunk: Buffer, start: number, end: number) => void) | undefined {
    if (this.isSure(prepared, moment) && this.#changed?.has(prepared) !== true) return undefined;
    const described = new Described();
    return (chunk, start, end) => {
      described.see(chunk, start, end);
      if (chunk[start] !== code.ROW_DESCRIPTION && chunk[start] !== code.NO_DATA) return;
      const types = ofStatement ? described.types.join() : this.#known?.get(prepared)?.types;
      this.#known ??= new WeakMap();
      this.#known.set(prepared, { ...moment, types, columns: interned(described.result) });
      this.#changed?.delete(prepared);
    };
  }

  /** The types of its parameters as the client was told them. */
  types(prepared: Prepared): readonly number[] {
    const types = this.#known?.get(prepared)?.types ?? '';
    return types === '' ? [] : types.split(',').map(Number);
  }

  /** How many parameters it has; undefined: the client was not told. */
  parameters(prepared: Prepared): number | undefined {
    return this.#known?.get(prepared)?.types === undefined ? undefined : this.types(prepared).length;
  }

  /** Nothing that was found out before is believed. */
  doubt(prepared: Prepared): void {
    const known = this.#known?.get(prepared);
    if (known !== undefined) this.#known?.set(prepared, { ...known, atMs: Number.NEGATIVE_INFINITY });
  }

  /** A server has told what the statement is now; false: not what the client knows. */
  confirm(prepared: Prepared, { types, result }: Described, moment: Moment): boolean {
    const known = this.#known!.get(prepared)!;
    const same = known.columns === result && (known.types === undefined || known.types === types.join());
    if (same) {
      this.#known!.set(prepared, { ...known, ...moment });
      this.#changed?.delete(prepared);
    } else {
      this.#changed ??= new WeakSet();
      this.#changed.add(prepared);
    }
    return same;
  }

  /** It is not held against it what a server has told of it before. */
  forgive(prepared: Prepared): void {
    this.#changed?.delete(prepared);
  }

  /** Were it another one now, a definition would have changed that nobody has told us of. */
  isCurrent(prepared: Prepared, { generation, label }: Moment): boolean {
    const known = this.#known?.get(prepared);
    return known !== undefined && known.generation === generation && known.label === label;
  }

  /** A server that lacks the statement was found to give other columns. */
  isChanged(prepared: Prepared): boolean {
    return this.#changed?.has(prepared) === true;
  }
}

/** Many sessions know the same. Emptied when it is large: then some of them have copies. */
const texts = new Map<string, string>();
const TEXTS_LIMIT = 10_000;

function interned(text: string): string {
  const found = texts.get(text);
  if (found !== undefined) return found;
  if (texts.size >= TEXTS_LIMIT) texts.clear();
  texts.set(text, text);
  return text;
}
