/**
 * `SELECT pg_terminate_backend(n)` and `pg_cancel_backend(n)` of a process id that BackendKeyData has told a client: it is a session of ours, and
 * no process. The session is ended or cancelled as Postgres would do it, under the same rights; the server, which knows no such process, is
 * asked all the same, and what it says of that is put right. Process ids of servers are not touched: they mean servers.
 *
 * `SELECT pg_isolation_test_session_is_blocked(n, '{…}')`, by which Postgres's isolation tester sees whether a session waits for others, is asked
 * also of the processes that serve these sessions at the moment, in front of the client's own question.
 */
import { askFirst } from '../relay/bring.ts';
import { ClientExchange, type ExchangeClient } from '../relay/exchange.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { boundParameters } from '../wire/read.ts';
import { query } from '../wire/write.ts';
import type { Request } from './request.ts';

export interface Signal {
  readonly kind: 'terminate' | 'cancel';
  readonly pid: number;
}

/** Does this session wait for one of these? */
export interface BlockedBy {
  readonly kind: 'blocked';
  readonly pid: number;
  readonly others: readonly number[];
}

/** One call, alone, of a number or of the only parameter. */
const CALL =
  /^\s*select\s+(?:pg_catalog\s*\.\s*)?pg_(terminate|cancel)_backend\s*\(\s*(?:'?(\d{1,10})'?|\$1)\s*(?:::\s*\w+\s*)?(?:,\s*\d+\s*)?\)\s*(?:as\s+\w+\s*)?;?\s*$/i;

const BLOCKED =
  /^\s*select\s+(?:pg_catalog\s*\.\s*)?pg_isolation_test_session_is_blocked\s*\(\s*(?:'?(\d{1,10})'?|\$1)\s*,\s*'\{(\d{1,10}(?:,\d{1,10})*)\}'\s*\)\s*;?\s*$/i;

/** What a request asks for, when that is all it does. */
export function processCallOf(request: Request): Signal | BlockedBy | undefined {
  const shape = request.simpleShape ?? (request.executedFrom.length === 1 ? request.executedFrom[0]?.shape : undefined);
  if (shape?.namesProcess !== true) return undefined;
  const text = request.text ?? '';
  const [, kind, number] = CALL.exec(text) ?? [];
  if (kind !== undefined) {
    const pid = numberOf(request, number);
    return pid === undefined ? undefined : { kind: kind.toLowerCase() as Signal['kind'], pid };
  }
  const [, whom, others] = BLOCKED.exec(text) ?? [];
  const pid = others === undefined ? undefined : numberOf(request, whom);
  return pid === undefined ? undefined : { kind: 'blocked', pid, others: others!.split(',').map(Number) };
}

const numberOf = (request: Request, literal: string | undefined): number | undefined =>
  literal === undefined ? boundNumber(request) : Number(literal);

function boundNumber({ items, bytes }: Request): number | undefined {
  const binds = items.filter(({ type }) => type === code.BIND);
  const value = binds.length === 1 ? boundParameters(bytes, binds[0]!.rest!, binds[0]!.end)?.[0] : undefined;
  if (value?.bytes === undefined || value.bytes === null) return undefined;
  if (value.format === 0) return Number(value.bytes.toString('latin1'));
  return value.bytes.length === 4 ? value.bytes.readInt32BE(0) : undefined;
}

const [FALSE_TEXT, TRUE_TEXT] = [0x66, 0x74];

/** What the server says of a process that it does not know is put right: false becomes true where that is so. */
abstract class ProcessCall extends ClientExchange {
  readonly reads = true;

  constructor(client: ExchangeClient, simple: boolean, startedMs: number) {
    super(client, simple, false, startedMs);
  }

  protected abstract readonly isTrue: boolean;

  override answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (!super.answer(server, type, chunk, start, end)) return false;
    if (type !== code.DATA_ROW || !this.isTrue) return true;
    const row = Buffer.from(chunk.subarray(start, end));
    const last = row.length - 1;
    row[last] = row[last] === FALSE_TEXT ? TRUE_TEXT : row[last] === 0 ? 1 : row[last]!;
    server.flushSlice();
    this.deliver(row, 0, row.length);
    return false;
  }
}

/** The server does not know the process; the client hears that the signal was sent. */
export class SignalExchange extends ProcessCall {
  protected readonly isTrue = true;
  readonly #pid: number;

  constructor(client: ExchangeClient, simple: boolean, startedMs: number, { pid }: Signal) {
    super(client, simple, startedMs);
    this.#pid = pid;
  }

  override answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (type === code.NOTICE_RESPONSE && chunk.toString('latin1', start, end).includes(`${this.#pid}`)) return false;
    return super.answer(server, type, chunk, start, end);
  }
}

/** The server is asked first of the processes that serve the sessions. */
export class BlockedExchange extends ProcessCall {
  protected isTrue = false;

  /** Stands right in front of the exchange. `processOf`: of the session that was told this number, if there is one, and something serves it. */
  ask(server: Server, { pid, others }: BlockedBy, processOf: (pid: number) => number | undefined): void {
    const process = processOf(pid);
    if (process === undefined) return;
    const list = others.map(processOf).filter((other) => other !== undefined);
    const question = `SELECT pg_catalog.pg_isolation_test_session_is_blocked(${process}, '{${list.join(',')}}')`;
    askFirst(server, this, query(question), (chunk, start, end) => {
      if (chunk[start] === code.DATA_ROW) this.isTrue = chunk[end - 1] === TRUE_TEXT;
    });
  }
}
