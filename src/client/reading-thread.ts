/**
 * The thread that reads long texts, one after the other, for `reader.ts`. It gets a text's bytes, which become its own, and gives Facts back, in
 * parts: what arrives at once is taken in at once by the event loop on the other side.
 */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { condense, loadParsers, type ParserName } from '../../routing/index.ts';
import { latin1 } from '../wire/read.ts';
import { readText, type TextReading } from './read-text.ts';

/** A text to read. */
export interface ToRead {
  readonly bytes: Uint8Array;
  readonly reading: TextReading;
  readonly parser: ParserName;
  /** Statements are routed by the values in them. */
  readonly byValues: boolean;
}

/** A part of its facts; `last` with the last statements. */
export interface ReadPart {
  readonly statements: readonly unknown[];
  readonly understood: boolean;
  readonly params: number;
  readonly last: boolean;
}

/** A parser's tree of a text takes some hundred times its memory. */
const PARSED_LIMIT = 1024 * 1024;
/** Values of keys are all handed over, which takes its time too. */
const PARSED_BY_VALUES_LIMIT = 512 * 1024;
/** Statements in one part. */
const PART = 200;

function read({ bytes, reading, parser, byValues }: ToRead): void {
  const text = latin1(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  const found = readText(text, reading, parser, byValues ? PARSED_BY_VALUES_LIMIT : PARSED_LIMIT);
  const { statements, understood, params } = byValues ? found : condense(found);
  let at = 0;
  do {
    const part: ReadPart = { statements: statements.slice(at, at + PART), understood, params, last: at + PART >= statements.length };
    parentPort?.postMessage(part);
    at += PART;
  } while (at < statements.length);
}

// To Linux a thread has a priority of its own: where cores are few, the event loop goes first.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
await loadParsers();
parentPort?.on('message', read);
