/**
 * Who reads pg_prepared_statements must see the statements of its own session, under its own names, and nobody else's. So in front of such a
 * request the names that we give on servers are taken away, and what the session has prepared through the protocol comes to be there as the
 * client calls it. From then on the session keeps that server, as long as it has any of them.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { frame, ofStatement, sync } from '../wire/write.ts';
import type { Request } from './request.ts';
import { sendAlone } from './sql-bring.ts';
import type { SessionState } from './state.ts';

/** Something that the request executes reads pg_prepared_statements, or may do so when there is more of it (`complete` is false). */
export function listsPrepared({ simpleShape, executedFrom, items }: Request, complete: boolean): boolean {
  if (simpleShape !== undefined) return simpleShape.listsPrepared;
  for (const prepared of executedFrom) if (prepared?.shape.listsPrepared === true) return true;
  return !complete && items.some(({ prepared }) => prepared?.shape.listsPrepared === true);
}

/** `inTransaction`: what the server lacks is not prepared, since the transaction would fail where that cannot be done any more. */
export function listOwnNames(server: Server, state: SessionState, { items }: Request, inTransaction: boolean): void {
  if (state.policy.state.actions.prepare === 'ignore') return;
  const { names } = state;
  const there = new Set(server.prepared.takeAll());
  sendAlone(
    server,
    [...there].map(({ name }) => ofStatement(code.CLOSE, name)),
  );
  for (const [name, prepared] of [...names.named]) {
    if (inTransaction && !there.has(prepared)) continue;
    const undo = state.keptByName(name, server);
    server.enqueue(
      new InternalExchange((_, { ok }) => {
        if (!ok) undo();
      }),
    );
    server.send(Buffer.concat([frame(code.PARSE, [Buffer.from(`${name}\0`, 'latin1'), prepared.body]), sync]));
  } // What it parses itself is there by its own name at once.
  for (const { type, name } of items) if (type === code.PARSE && name !== undefined && name !== '') state.keptByName(name, server);
}
