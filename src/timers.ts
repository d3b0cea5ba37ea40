/**
 * Time, in two small things: a monotonic clock that tests can replace, and one coarse tick for everything that has a deadline. A timer for
 * each client would cost more than it tells: the timeouts of a pooler are seconds.
 */

/** Milliseconds from some start; never goes back. */
export interface Clock {
  nowMs(): number;
}

/** The time at which the chunk arrived that is being dealt with; 0 when none is. */
let arrivedMs = 0;

/** The system's. It stands still while one chunk is dealt with: what happens in that moment happens at the same time, and is asked for often. */
export const systemClock: Clock = { nowMs: () => (arrivedMs === 0 ? performance.now() : arrivedMs) };

/** Bytes have come, and are dealt with until `chunkDealtWith`. */
export function chunkArrived(): void {
  arrivedMs = performance.now();
}
export function chunkDealtWith(): void {
  arrivedMs = 0;
}

/** Deadlines are noticed at most this late. */
export const TICK_MS = 100;

/** Calls `tick` about ten times a second until stopped; does not keep the process alive. */
export function everyTick(clock: Clock, tick: (nowMs: number) => void): { stop(): void } {
  const timer = setInterval(() => tick(clock.nowMs()), TICK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
