/**
 * What a session ran of which it is not known whether it can have changed anything in it. Known code (`known-code.ts`) says it at once; where it
 * does not know, the server is asked before the client hears that its statement is done, as often as one name leads to the next. What stays
 * unknown counts as harmful.
 */
import type { Statement } from '../../routing/index.ts';
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { DATA_ROW } from '../wire/codes.ts';
import { deepQuestion, quickQuestion } from './code-question.ts';
import { allNames, countNames, deepNames, type Judgement, type KnownCode, type Use } from './known-code.ts';
import { rowValues } from './rows.ts';

/** Rounds of questions, from a name to those that it leads to. */
const ROUNDS = 10;
/** Names in one question. */
const ASKED_LIMIT = 2000;

type Looked = Pick<Statement, 'effects' | 'relations' | 'operators' | 'words' | 'fields'>;

const ofStatements = new WeakMap<Looked, readonly Use[]>();

/** What a statement uses that may run code of the user's own; `inText`: what DDL may run by the words of its text. Code without a name (DO, say) is not in it. */
export function usesOf(statement: Looked, inText: () => readonly Use[]): readonly Use[] {
  let uses = ofStatements.get(statement);
  if (uses === undefined) {
    uses = statement.effects.some(({ kind }) => kind === 'ddl') ? usesOfDdl(statement, inText()) : usesOfPlain(statement);
    ofStatements.set(statement, uses);
  }
  return uses;
}

/** A name without its schema. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function usesOfPlain({ effects, relations, operators, words, fields }: Looked): readonly Use[] {
  const uses: Use[] = relations.map(({ access, name }) => ({ kind: access, name }));
  for (const name of words ?? []) uses.push({ kind: 'word', name });
  for (const { kind, name } of effects) if (kind === 'opaque' && name !== undefined) uses.push({ kind: 'function', name: lastPart(name) });
  for (const name of fields ?? []) uses.push({ kind: 'field', name });
  for (const operator of operators) {
    if (operator.startsWith('.')) {
      uses.push({ kind: 'field', name: operator.slice(1) });
      continue;
    }
    const name = lastPart(operator.replace(/^::/, ''));
    if (operator.startsWith('::')) uses.push({ kind: 'type', name: name.replaceAll('[]', '') });
    else uses.push({ kind: 'operator', name });
  }
  return uses;
}

/** What DDL writes it defines; what it reads (CREATE TABLE AS) runs. */
function usesOfDdl(statement: Looked, inText: readonly Use[]): readonly Use[] {
  const uses = usesOfPlain(statement).filter(({ kind }) => kind !== 'write');
  return uses.length === 0 ? inText : [...inText, ...uses];
}

/** Something that ran, and whom to tell when it was not harmless. */
export interface Doubt {
  readonly uses: readonly Use[];
  /** `madeUp`: what ran may have set parameters of which nobody knows the names. */
  readonly harmful: (madeUp: boolean | undefined) => void;
}

/** `madeUp` of what ran; undefined where it has no name, or none that is known: it may have called any function. */
export function makesUp(uses: readonly Use[], { verdict, madeUp }: Judgement): boolean | undefined {
  return verdict === 'unknown' || uses.some(({ name }) => name === '') ? undefined : madeUp;
}

export class Doubts {
  #open: Doubt[] = [];

  get any(): boolean {
    return this.#open.length > 0;
  }

  add(doubt: Doubt): void {
    this.#open.push(doubt);
  }

  /** Finds out about all of them; `done` is told whether the server is still there. */
  settle(server: Server, known: KnownCode, done: (ok: boolean) => void, rounds = ROUNDS): void {
    const unknown = this.#open.map(({ uses }) => known.judge(uses)).filter(({ verdict }) => verdict === 'unknown');
    const names = allNames(unknown.map(({ wanted }) => wanted));
    if (unknown.length === 0 || rounds === 0 || countNames(names) > ASKED_LIMIT) return this.#close(known, done);
    const { changes } = known;
    ask(server, quickQuestion(names, !known.knowsAnywhere), (status, quick) => {
      if (status === 0) return done(false);
      if (quick === undefined) return this.#close(known, done);
      const deep = deepNames(quick);
      const learn = (rows: readonly Row[]): void => {
        known.learn({ names, quick, deep: rows, changes });
        this.settle(server, known, done, rounds - 1);
      };
      if (deep.length === 0) return learn([]);
      ask(server, deepQuestion(deep), (deepStatus, rows) => {
        if (deepStatus === 0) return done(false);
        if (rows === undefined) return this.#close(known, done);
        learn(rows);
      });
    });
  }

  #close(known: KnownCode, done: (ok: boolean) => void): void {
    const doubts = this.#open;
    this.#open = [];
    for (const { uses, harmful } of doubts) {
      const judgement = known.judge(uses);
      if (judgement.verdict === 'harmful' || judgement.verdict === 'unknown') harmful(makesUp(uses, judgement));
    }
    done(true);
  }
}

type Row = readonly (string | null)[];

/** Rows of all answers, or undefined where the server refused; status 0: it is gone. */
function ask(server: Server, frames: Buffer, done: (status: number, rows: readonly Row[] | undefined) => void): void {
  const rows: Row[] = [];
  const row = (chunk: Buffer, start: number, end: number): void => {
    if (chunk[start] === DATA_ROW) rows.push(rowValues(chunk, start, end));
  };
  server.unnamed = undefined;
  server.enqueue(new InternalExchange((_, outcome) => done(outcome.status, outcome.ok ? rows : undefined), row));
  server.send(frames);
}
