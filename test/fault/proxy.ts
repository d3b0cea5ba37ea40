/** A wire between Shardyard and Postgres that can be cut: the connection is gone on both sides, without a goodbye. */
import net from 'node:net';

export interface Wire {
  readonly port: number;
  /** Cuts a connection that has logged in, the `which`-th of them; false when there is none. */
  cut(which: number): boolean;
  cutAll(): void;
  stop(): Promise<void>;
}

/** More than a log-in's answer: what is cut before is not a server connection yet. */
const LOGGED_IN_BYTES = 1000;

export async function startProxy(to: { readonly port: number }): Promise<Wire> {
  const pairs = new Set<readonly [net.Socket, net.Socket]>();
  const server = net.createServer({ noDelay: true }, (here) => {
    const there = net.connect({ port: to.port, host: '127.0.0.1', noDelay: true });
    const pair = [here, there] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [there, here] as const]) {
      one.pipe(other);
      one.on('error', () => {});
      one.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const destroyAll = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    cut: (which) => {
      const open = [...pairs].filter(([, there]) => there.bytesRead > LOGGED_IN_BYTES);
      const pair = open[which % open.length];
      pair?.[0].resetAndDestroy();
      pair?.[1].destroy();
      return pair !== undefined;
    },
    cutAll: destroyAll,
    stop: async () => {
      destroyAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
