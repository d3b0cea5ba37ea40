import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { TopologyRow } from '../../src/admin/view.ts';
import { createMetricsHttp, type HealthView, type HttpOptions, notReady } from '../../src/metrics/http.ts';

const healthy: HealthView = { listening: () => true, shuttingDown: () => false, topology: () => [] };
const metrics: HttpOptions['metrics'] = {
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  scrape: async () => 'shardyard_clients 5\n',
};

/** Runs `check` with the address of a server that is there as long. */
async function serving(options: Partial<HttpOptions>, check: (url: string) => Promise<void>): Promise<void> {
  const http = createMetricsHttp({ metrics, health: healthy, ...options });
  const port = await http.listen(0, '127.0.0.1');
  try {
    await check(`http://127.0.0.1:${port}`);
  } finally {
    await http.close();
  }
}

function host(change: Partial<TopologyRow>): TopologyRow {
  return { database: 'shop', target: 'shop', host: 'a', port: 5432, state: 'up', epoch: 1, ...change };
}

test('/metrics answers with the text and its type', async () => {
  await serving({}, async (url) => {
    const response = await fetch(`${url}/metrics?x=1`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), metrics.contentType);
    assert.equal(await response.text(), 'shardyard_clients 5\n');
  });
});

test('HEAD has the length and no body', async () => {
  await serving({}, async (url) => {
    const response = await fetch(`${url}/metrics`, { method: 'HEAD' });
    assert.equal(response.headers.get('content-length'), '20');
    assert.equal(await response.text(), '');
  });
});

test('another method is refused, another path is not found', async () => {
  await serving({}, async (url) => {
    const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
    assert.equal((await fetch(`${url}/`)).status, 404);
    assert.equal((await fetch(`${url}/metrics/x`, { method: 'POST' })).status, 404);
  });
});

test('/healthz is well even while the pooler shuts down, /readyz is not', async () => {
  await serving({ health: { ...healthy, shuttingDown: () => true } }, async (url) => {
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, await ready.text()], [503, 'shutting down\n']);
  });
});

test('/readyz is well when clients can come and hosts answer', async () => {
  await serving({ health: { ...healthy, topology: () => [host({})] } }, async (url) => {
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n']);
  });
});

test('one host of a database that may live is enough, and each shard is looked at for itself', () => {
  const topology = (): TopologyRow[] => [
    host({ state: 'down' }),
    host({ host: 'b', state: 'unknown' }),
    host({ database: 'all', target: 'shop_0', state: 'up' }),
    host({ database: 'all', target: 'shop_1', state: 'down' }),
    host({ database: 'shop_1', target: 'shop_1', state: 'down' }),
  ];
  assert.deepEqual(notReady({ ...healthy, topology }), ['database shop_1: no host answers']);
});

test('all reasons are told at once', () => {
  const health = { ...healthy, listening: () => false, topology: () => [host({ state: 'down' })] };
  assert.deepEqual(notReady(health), ['not listening', 'database shop: no host answers']);
});

test('a mistake while scraping is a 500 without its details', async () => {
  const scrape = (): Promise<string> => Promise.reject(new Error('secret'));
  await serving({ metrics: { ...metrics, scrape } }, async (url) => {
    const response = await fetch(`${url}/metrics`);
    assert.deepEqual([response.status, await response.text()], [500, 'internal error\n']);
  });
});

test('a taken port is an error of listen', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  assert.ok(address !== null && typeof address === 'object');
  await assert.rejects(createMetricsHttp({ metrics, health: healthy }).listen(address.port, '127.0.0.1'), { code: 'EADDRINUSE' });
  taken.close();
  await once(taken, 'close');
});

test('close ends connections that are kept alive, and may be called before listen', async () => {
  const http = createMetricsHttp({ metrics, health: healthy });
  await http.close();
  const port = await http.listen(0, '127.0.0.1');
  await (await fetch(`http://127.0.0.1:${port}/healthz`)).text();
  await http.close();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});
