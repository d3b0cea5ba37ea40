/**
 * Where clients come in: TCP addresses and the Unix socket, as PgBouncer makes them. A socket file that nobody answers on is replaced, one
 * that somebody answers on is fatal, and the file is removed at the end.
 */
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import net from 'node:net';

export interface ListenOptions {
  /** Comma list of addresses or `*`; empty for none. */
  readonly addresses: string;
  readonly port: number;
  /** Folder of the Unix socket; `@name` for an abstract one; empty for none. */
  readonly socketDir: string;
  readonly socketMode: number;
  readonly backlog: number;
}

export interface Listener {
  /** Texts for the log: where clients can connect. */
  readonly where: readonly string[];
  /** Port of the first TCP address, for who asked for port 0. */
  readonly port: number;
  closeTcp(): void;
  close(): void;
  readonly listening: boolean;
}

/** An accepted socket, its handle not yet read from. */
export type Accept = (socket: net.Socket, unix: boolean) => void;

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function open(options: net.ListenOptions, accept: (socket: net.Socket) => void): Promise<net.Server> {
  const server = net.createServer({ pauseOnConnect: true, noDelay: true });
  server.on('connection', accept);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.removeListener('error', reject);
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/** Postgres's and PgBouncer's name of the socket file. */
export function socketPath(folder: string, port: number): string {
  return folder.startsWith('@') ? `\0${folder.slice(1)}/.s.PGSQL.${port}` : `${folder}/.s.PGSQL.${port}`;
}

async function openSocket(options: ListenOptions, accept: Accept): Promise<net.Server> {
  const path = socketPath(options.socketDir, options.port);
  const isFile = !path.startsWith('\0');
  if (isFile && existsSync(path)) {
    if (await answers(path)) throw new Error(`unix socket is in use, cannot continue: ${path}`);
    unlinkSync(path);
  }
  const server = await open({ path, backlog: options.backlog }, (socket) => accept(socket, true));
  if (isFile) chmodSync(path, options.socketMode);
  return server;
}

/** Opens everything or throws, with nothing left open. */
export async function listen(options: ListenOptions, accept: Accept): Promise<Listener> {
  const tcp: net.Server[] = [];
  let unix: net.Server | undefined;
  const where: string[] = [];
  const closeTcp = () => {
    for (const server of tcp.splice(0)) server.close();
  };
  try {
    for (const address of options.addresses.split(',').map((part) => part.trim())) {
      if (address === '') continue;
      const at = address === '*' ? { port: options.port } : { host: address, port: options.port };
      const server = await open({ ...at, backlog: options.backlog }, (socket) => accept(socket, false));
      tcp.push(server);
      const bound = server.address() as net.AddressInfo;
      where.push(`listening on ${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`);
    }
    if (options.socketDir !== '') {
      unix = await openSocket(options, accept);
      where.push(`listening on unix:${socketPath(options.socketDir, options.port).replace('\0', '@')}`);
    }
  } catch (error) {
    closeTcp();
    unix?.close();
    throw error;
  }
  const first = tcp[0]?.address() as net.AddressInfo | undefined;
  return {
    where,
    port: first?.port ?? options.port,
    closeTcp,
    close: () => {
      closeTcp();
      unix?.close();
      unix = undefined;
    },
    get listening() {
      return tcp.length > 0 || unix !== undefined;
    },
  };
}
