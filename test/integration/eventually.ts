/** Waiting for what nobody tells: a state of the server or of the console that is asked for again and again until it holds. */

const LIMIT_MS = 45_000;
const PAUSE_MS = 15;

/** Resolves with what `look` returns as soon as it does not throw; after the limit it rejects with what it threw last. */
export async function eventually<T>(look: () => T | Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
