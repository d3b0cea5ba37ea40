/**
 * Answers without a server: to BEGIN and its like while a sharded transaction has no shard yet, and refusals. The request is answered
 * frame by frame, as a server would, whether it came as a Query or through the extended protocol.
 */

import type { Reported } from '../server/reported.ts';
import * as code from '../wire/codes.ts';
import { latin1 } from '../wire/read.ts';
import { bindComplete, closeComplete, commandComplete, noData, parameterDescription, parseComplete, readyForQuery } from '../wire/write.ts';
import type { Request } from './request.ts';
import type { StatementNames } from './statements.ts';

/** An answer of our own, as frames; the session's transaction status after it, and what its client has then been told of parameters. */
export interface LocalAnswer {
  readonly frames: Buffer;
  readonly status: number;
  readonly reported?: Reported;
}

/** The command tag that Postgres gives a statement which it executes without rows, by its first words. */
export function commandTag(text: string): string {
  const words = text
    .replace(/\/\*[\s\S]*?\*\/|--[^\n]*/g, ' ')
    .trim()
    .toUpperCase()
    .split(/[\s;]+/);
  switch (words[0]) {
    case 'START':
      return 'START TRANSACTION';
    case 'END':
      return 'COMMIT';
    case 'ABORT':
      return 'ROLLBACK';
    default:
      return words[0] ?? '';
  }
}

/**
 * The frames that answer every item of a request whose statement has this tag, ReadyForQuery included when the request is complete, and
 * before that what else is to be told.
 */
export function localAnswer(request: Request, names: StatementNames, tag: string, status: number, last: Buffer = NOTHING): Buffer {
  const frames: Buffer[] = [];
  for (const item of request.items) {
    switch (item.type) {
      case code.QUERY:
        names.unnamed = undefined;
        frames.push(commandComplete(tag), last, readyForQuery(status));
        break;
      case code.PARSE:
        if (item.name === '') names.unnamed = item.prepared;
        else if (item.prepared !== undefined) names.named.set(item.name!, item.prepared);
        frames.push(parseComplete);
        break;
      case code.BIND:
        frames.push(bindComplete);
        break;
      case code.DESCRIBE:
        if (item.target === code.TARGET_STATEMENT) frames.push(parameterDescription([]));
        frames.push(noData);
        break;
      case code.EXECUTE:
        frames.push(commandComplete(tag));
        break;
      case code.CLOSE:
        if (item.target === code.TARGET_STATEMENT) names.named.delete(item.name!);
        frames.push(closeComplete);
        break;
      case code.SYNC:
        frames.push(last, readyForQuery(status));
        break;
    }
  }
  return Buffer.concat(frames);
}

const NOTHING = Buffer.alloc(0);

/** The text of the request's only statement: of its Query, or of the statement that it executes. */
export function onlyText(request: Request): string {
  const first = request.items[0];
  if (first?.type === code.QUERY) return latin1(request.bytes, first.start + 5, first.end - 1);
  const prepared = request.items.find((item) => item.type === code.BIND || item.type === code.PARSE)?.prepared;
  const body = prepared?.body ?? Buffer.from([0]);
  return latin1(body, 0, body.indexOf(0));
}
