/** A Bind under other names. It is what a prepared statement costs most often, so it is put together where it leaves, without a buffer of its own. */
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';

const HEAD = Buffer.from([code.BIND, 0, 0, 0, 0]);
const UNNAMED = Buffer.from([0]);

/** The name of a portal (latin1), with the NUL that ends it. */
export function portalName(portal: string): Buffer {
  return portal === '' ? UNNAMED : Buffer.from(`${portal}\0`, 'latin1');
}

/** `statement`: the name with its NUL; [start, end) of `bytes`: what follows the names in the client's Bind. */
export function sendBind(server: Server, portal: string, statement: Buffer, bytes: Buffer, start: number, end: number): void {
  const name = portalName(portal);
  HEAD.writeUInt32BE(4 + name.length + statement.length + end - start, 1);
  server.send(HEAD);
  server.send(name);
  server.send(statement);
  server.send(bytes, start, end);
}
