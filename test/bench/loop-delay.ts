/**
 * Delay of Shardyard's event loop, as its metrics tell it. The metric is the time between two turns of a timer of 10 ms (prom-client, by
 * `monitorEventLoopDelay`), so that these 10 ms are taken off. Reading it starts it anew: each reading is for the time since the one before.
 */
const TIMER_MS = 10;
const FAMILY = /^nodejs_eventloop_lag_p99_seconds(?:\{[^}]*\})? ([\d.e+-]+)$/m;

/** p99 in milliseconds in a page of metrics; undefined when it is not there, or nothing was measured. */
export function loopDelayIn(page: string): number | undefined {
  const seconds = Number(FAMILY.exec(page)?.[1] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.max(seconds * 1000 - TIMER_MS, 0) : undefined;
}

/** p99 in milliseconds since the last time it was asked; undefined without metrics. */
export async function readLoopDelayMs(metricsPort: number | undefined, signal: AbortSignal): Promise<number | undefined> {
  if (metricsPort === undefined) return undefined;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(5_000)]);
    const page = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { signal: limit });
    return loopDelayIn(await page.text());
  } catch {
    return undefined;
  }
}
