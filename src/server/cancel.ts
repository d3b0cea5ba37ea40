/**
 * Cancel requests to servers. One goes over a connection of its own, and Postgres signals the backend before it closes that connection: so
 * until it is closed the server must not run anyone else's statement (`Server.cancelsPending`, `Pool.cancelDone`).
 */
import { Channel } from '../wire/channel.ts';
import { CANCEL_REQUEST } from '../wire/codes.ts';
import { addressOf } from './connect.ts';
import type { Server } from './server.ts';

/** A request that gets no answer for so long is given up; its server is closed rather than used again. */
const CANCEL_TIMEOUT_MS = 10_000;

/** Asks the server's host to cancel what the server runs now. */
export function sendCancel(server: Server): void {
  const { host, port, pid, secret } = server.identity;
  if (secret.length === 0) return;
  server.cancelsPending += 1;
  const packet = Buffer.alloc(12 + secret.length);
  packet.writeInt32BE(packet.length, 0);
  packet.writeInt32BE(CANCEL_REQUEST, 4);
  packet.writeInt32BE(pid, 8);
  secret.copy(packet, 12);
  let failed = false;
  const timer = setTimeout(() => {
    failed = true;
    channel.destroy();
  }, CANCEL_TIMEOUT_MS);
  const owner = {
    onChunk: () => {},
    onDrain: () => {},
    onClose: (error: Error | undefined) => {
      clearTimeout(timer);
      // Postgres ends the connection by closing it; a reset after the request was read comes to the same.
      if (failed || (error !== undefined && channel.sentBytes === 0)) server.closeNeeded = true;
      server.owner.cancelDone(server);
    },
  };
  const channel: Channel = Channel.connect(addressOf({ host, port }), owner, () => channel.write(packet));
}
