/**
 * What a console command answers, as data, and its bytes. A table's columns carry their own way of reading a row, so that
 * name, order, type and value stand together in one place (`show.ts`).
 */
import { STATUS_IDLE } from '../wire/codes.ts';
import type { MessageFields } from '../wire/errors.ts';
import {
  type ColumnDescription,
  commandComplete,
  dataRow,
  emptyQuery,
  errorResponse,
  noticeResponse,
  readyForQuery,
  rowDescription,
} from '../wire/write.ts';

export type Reply =
  | {
      readonly kind: 'rows';
      readonly columns: readonly ColumnDescription[];
      /** Read when they are sent. */
      readonly rows: Iterable<readonly (string | null)[]>;
      readonly tag: string;
    }
  | { readonly kind: 'done'; readonly tag: string; readonly notice?: MessageFields }
  | { readonly kind: 'error'; readonly error: MessageFields }
  | { readonly kind: 'empty' }
  /** No answer: the process is about to end, and that is the answer. */
  | { readonly kind: 'none' };

/** Rows in one piece of an answer: they are the work of a millisecond or two. */
const PIECE_ROWS = 250;

/** The whole answer to one Query, ReadyForQuery included, in pieces, so that a table of all clients need not be written in one go. */
export function* encodePieces(reply: Reply): Generator<Buffer, void> {
  if (reply.kind !== 'rows') {
    yield encodeReply(reply);
    return;
  }
  let frames = [rowDescription(reply.columns)];
  for (const row of reply.rows) {
    frames.push(dataRow(row));
    if (frames.length < PIECE_ROWS) continue;
    yield Buffer.concat(frames);
    frames = [];
  }
  yield Buffer.concat([...frames, commandComplete(reply.tag), readyForQuery(STATUS_IDLE)]);
}

/** The same in one piece. */
export function encodeReply(reply: Reply): Buffer {
  switch (reply.kind) {
    case 'rows':
      return Buffer.concat([...encodePieces(reply)]);
    case 'done':
      return Buffer.concat([
        ...(reply.notice === undefined ? [] : [noticeResponse(reply.notice)]),
        commandComplete(reply.tag),
        readyForQuery(STATUS_IDLE),
      ]);
    case 'error':
      return Buffer.concat([errorResponse(reply.error), readyForQuery(STATUS_IDLE)]);
    case 'empty':
      return Buffer.concat([emptyQuery, readyForQuery(STATUS_IDLE)]);
    case 'none':
      return Buffer.alloc(0);
  }
}

/** One column of a table over rows of R. */
export interface Column<R> extends ColumnDescription {
  readonly value: (row: R) => string | null;
}

/** Postgres's types (pg_type): text, int4, int8, numeric. */
const TEXT = { typeOid: 25, typeSize: -1 };
const INT4 = { typeOid: 23, typeSize: 4 };
const INT8 = { typeOid: 20, typeSize: 8 };
const NUMERIC = { typeOid: 1700, typeSize: -1 };
const INT4_MAX = 2 ** 31 - 1;

/** The keys of R whose values fit V: a column may be made from its name alone when the row has that key. */
type KeyOf<R, V> = { [K in keyof R]-?: R[K] extends V ? K : never }[keyof R] & string;

/** Columns over rows of R: each takes a key of the row, or a name and how to read it. Undefined is shown as NULL. */
export function columnsOf<R>(): {
  text(key: KeyOf<R, string | null | undefined>): Column<R>;
  text(name: string, read: (row: R) => string | null | undefined): Column<R>;
  int4(key: KeyOf<R, number | undefined>): Column<R>;
  int4(name: string, read: (row: R) => number | undefined): Column<R>;
  int8(name: string, read: (row: R) => number | undefined): Column<R>;
  numeric(name: string, read: (row: R) => number): Column<R>;
  /** With three decimals: milliseconds down to the microsecond. */
  decimal(key: KeyOf<R, number | undefined>): Column<R>;
} {
  const byKey = (name: string) => (row: R) => (row as Record<string, unknown>)[name];
  const column = (type: { typeOid: number; typeSize: number }, show: (value: unknown) => string) => {
    return (name: string, read: (row: R) => unknown = byKey(name)): Column<R> => ({
      name,
      ...type,
      value: (row) => {
        const value = read(row);
        return value === undefined || value === null ? null : show(value);
      },
    });
  };
  return {
    text: column(TEXT, String),
    int4: column(INT4, (value) => String(Math.min(Math.trunc(Number(value)), INT4_MAX))),
    int8: column(INT8, (value) => String(Math.trunc(Number(value)))),
    numeric: column(NUMERIC, (value) => BigInt(Math.trunc(Number(value))).toString()),
    decimal: column(NUMERIC, (value) => Number(value).toFixed(3)),
  };
}

/** A table as the answer of a SHOW. */
export function table<R>(columns: readonly Column<R>[], rows: readonly R[]): Reply {
  return { kind: 'rows', columns, rows: { [Symbol.iterator]: () => valuesOf(columns, rows) }, tag: 'SHOW' };
}

function* valuesOf<R>(columns: readonly Column<R>[], rows: readonly R[]): Generator<readonly (string | null)[]> {
  for (const row of rows) yield columns.map((column) => column.value(row));
}
