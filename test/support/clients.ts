/** Raw clients of a suite: opened by its tests, and gone after each of them. */
import { afterEach } from 'node:test';
import { type LogInOptions, type RawClient, type RawTarget, rawLogIn } from './raw-client.ts';

/** Called inside a suite; `target` is asked when a client is opened. Whoever is not named otherwise is `postgres`, in the database `postgres`. */
export function clientsOf(target: () => RawTarget): (options?: Partial<LogInOptions>) => Promise<RawClient> {
  const open: RawClient[] = [];
  afterEach(() => {
    for (const client of open.splice(0)) client.destroy();
  });
  return async (options = {}) => {
    const client = await rawLogIn(target(), { user: 'postgres', database: 'postgres', ...options });
    open.push(client);
    return client;
  };
}
