/**
 * `SELECT pg_terminate_backend(n)` and `pg_cancel_backend(n)` of a process id that BackendKeyData has told a client: it is a session of ours, and
 * no process. The session is ended or cancelled as Postgres would do it, under the same rights; the server, which knows no such process, is
 * asked all the same, and what it says of that is put right. Process ids of servers are not touched: they mean servers.
 */
import { ClientExchange, type ExchangeClient } from '../relay/exchange.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { boundParameters } from '../wire/read.ts';
import type { Request } from './request.ts';

export interface Signal {
  readonly kind: 'terminate' | 'cancel';
  readonly pid: number;
}

/** One call, alone, of a number or of the only parameter. */
const CALL =
  /^\s*select\s+(?:pg_catalog\s*\.\s*)?pg_(terminate|cancel)_backend\s*\(\s*(?:'?(\d{1,10})'?|\$1)\s*(?:::\s*\w+\s*)?(?:,\s*\d+\s*)?\)\s*(?:as\s+\w+\s*)?;?\s*$/i;

/** What a request asks for, when that is all it does. */
export function signalOf(request: Request): Signal | undefined {
  const shape = request.simpleShape ?? (request.executedFrom.length === 1 ? request.executedFrom[0]?.shape : undefined);
  if (shape?.signals !== true) return undefined;
  const [, kind, number] = CALL.exec(request.text ?? '') ?? [];
  if (kind === undefined) return undefined;
  const pid = number === undefined ? boundNumber(request) : Number(number);
  return pid === undefined ? undefined : { kind: kind.toLowerCase() as Signal['kind'], pid };
}

function boundNumber({ items, bytes }: Request): number | undefined {
  const binds = items.filter(({ type }) => type === code.BIND);
  const value = binds.length === 1 ? boundParameters(bytes, binds[0]!.rest!, binds[0]!.end)?.[0] : undefined;
  if (value?.bytes === undefined || value.bytes === null) return undefined;
  if (value.format === 0) return Number(value.bytes.toString('latin1'));
  return value.bytes.length === 4 ? value.bytes.readInt32BE(0) : undefined;
}

const [FALSE_TEXT, TRUE_TEXT] = [0x66, 0x74];

/** The server does not know the process; the client hears that the signal was sent. */
export class SignalExchange extends ClientExchange {
  readonly reads = true;
  readonly #pid: number;

  constructor(client: ExchangeClient, simple: boolean, startedMs: number, pid: number) {
    super(client, simple, false, startedMs);
    this.#pid = pid;
  }

  override answer(server: Server, type: number, chunk: Buffer, start: number, end: number): boolean {
    if (type === code.NOTICE_RESPONSE && chunk.toString('latin1', start, end).includes(`${this.#pid}`)) return false;
    if (!super.answer(server, type, chunk, start, end)) return false;
    if (type !== code.DATA_ROW) return true;
    const row = Buffer.from(chunk.subarray(start, end));
    const last = row.length - 1;
    row[last] = row[last] === FALSE_TEXT ? TRUE_TEXT : row[last] === 0 ? 1 : row[last]!;
    server.flushSlice();
    this.deliver(row, 0, row.length);
    return false;
  }
}
