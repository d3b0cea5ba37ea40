/**
 * The HTTP side of watching: /metrics for Prometheus, /healthz (the process lives) and /readyz (it can serve), over node:http
 * with small limits. It answers GET and HEAD, keeps no state and knows nothing of the pooler but the two things it is given.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AdminRead, TopologyRow } from '../admin/view.ts';
import { type Log, silentLog } from '../log.ts';
import type { Metrics } from './metrics.ts';

export interface HealthView extends Pick<AdminRead, 'topology' | 'shuttingDown'> {
  /** Clients can connect. */
  listening(): boolean;
}

export interface HttpOptions {
  readonly metrics: Pick<Metrics, 'contentType' | 'scrape'>;
  readonly health: HealthView;
  readonly log?: Log;
}

export interface MetricsHttp {
  /** Starts to listen; port 0 takes a free one. Resolves with the port; rejects when it is taken. */
  listen(port: number, host: string): Promise<number>;
  /** Stops, and ends open connections. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const TEXT = 'text/plain; charset=utf-8';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export function createMetricsHttp(options: HttpOptions): MetricsHttp {
  const log = options.log ?? silentLog;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 8192 });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => {
    answer(options, request).then(
      (said) => send(request, response, said),
      (error: unknown) => {
        log.error(`metrics: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        send(request, response, { status: 500, type: TEXT, body: 'internal error\n' });
      },
    );
  });
  return { listen: (port, host) => listen(server, port, host), close: () => close(server) };
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer({ metrics, health }: HttpOptions, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? '').split('?', 1)[0];
  const known = path === '/metrics' || path === '/healthz' || path === '/readyz';
  if (!known) return { status: 404, type: TEXT, body: 'not found\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
  if (path === '/metrics') return { status: 200, type: metrics.contentType, body: await metrics.scrape() };
  const reasons = path === '/healthz' ? [] : notReady(health);
  if (reasons.length > 0) return { status: 503, type: TEXT, body: `${reasons.join('\n')}\n` };
  return { status: 200, type: TEXT, body: path === '/healthz' ? 'alive\n' : 'ready\n' };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** Why no client should be sent here now; empty when it can serve. A host that nobody has asked yet is not held against it. */
export function notReady(health: HealthView): readonly string[] {
  if (health.shuttingDown()) return ['shutting down'];
  const reasons = health.listening() ? [] : ['not listening'];
  return [...reasons, ...deadDatabases(health.topology())];
}

function deadDatabases(hosts: readonly TopologyRow[]): string[] {
  const alive = new Map<string, boolean>();
  for (const { target, state } of hosts) alive.set(target, alive.get(target) === true || state !== 'down');
  return [...alive].filter(([, lives]) => !lives).map(([target]) => `database ${target}: no host answers`);
}
