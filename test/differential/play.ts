/** Plays one script on one side: a connection, its steps, its end. The answers, step by step, are its transcript. */
import { frames, type RawClient, type RawFrame, type RawTarget, rawLogIn, rows, ServerRefusal } from '../support/raw-client.ts';
import { requests, toRenew } from './renewal.ts';
import { type Item, type Login, type Script, type Step, sending } from './script.ts';
import { lines } from './transcript.ts';

/** What a player must know of the side it plays on. */
export interface Side {
  readonly target: RawTarget;
  readonly database: string;
  /** Statements are prepared again here by hand where Shardyard does it (`renewal.ts`). */
  readonly renews: boolean;
  /** Resolves when an ended session of this slot holds nothing any more; rejects when that takes too long. */
  settled(slot: number): Promise<void>;
  /** Resolves when a session of this database runs exactly this text, or `over` says that nobody waits for that. */
  running(sql: string, over: () => boolean): Promise<void>;
}

/** Lines of the log-in, then of each step. */
export type Transcript = readonly (readonly string[])[];

/** A step that takes longer hangs. */
const STEP_LIMIT_MS = 6_000;

class Player {
  readonly #side: Side;
  readonly #slot: number;
  #client: RawClient | undefined;

  constructor(side: Side, slot: number) {
    this.#side = side;
    this.#slot = slot;
  }

  async logIn({ user, parameters }: Login): Promise<readonly string[]> {
    try {
      this.#client = await rawLogIn(this.#side.target, { user, database: this.#side.database, password: user, parameters });
      return lines(this.#client.greeting, this.#client.pid);
    } catch (error) {
      if (error instanceof ServerRefusal) return lines([error.frame], 0);
      throw error;
    }
  }

  async step(step: Step): Promise<readonly string[]> {
    switch (step.step) {
      case 'group': {
        const all: string[] = [];
        for (const each of step.steps) all.push(...(await this.step(each)));
        return all;
      }
      case 'reconnect':
        await this.end(step.drop);
        await this.#side.settled(this.#slot);
        return await this.logIn(step.login);
      case 'cancel':
        return await this.#cancel();
      case 'extended':
        return this.#side.renews ? await this.#renewing(step.items) : await this.#plain(step);
      default:
        return await this.#plain(step);
    }
  }

  async #plain(step: Parameters<typeof sending>[0]): Promise<readonly string[]> {
    const { bytes, answers } = sending(step);
    this.#client?.send(bytes);
    return await this.#answers(answers);
  }

  async #renewing(items: readonly Item[]): Promise<readonly string[]> {
    const client = this.#client;
    const all: string[] = [];
    for (const request of requests(items)) {
      const { bytes } = sending({ step: 'extended', items: request });
      client?.send(bytes);
      const { received, after } = await this.#receive(1);
      const name = after === undefined ? toRenew(request, received) : undefined;
      const sql = name === undefined ? undefined : await this.#textOf(name);
      if (after !== undefined) return [...all, ...lines(received, client?.pid ?? 0), ...after];
      if (sql === undefined) all.push(...lines(received, client!.pid));
      else {
        all.push(
          ...lines(
            received.filter(({ type }) => type === 'A' || type === 'S'),
            client!.pid,
          ),
        );
        client!.send(frames.close('S', name), frames.parse(sql, name), bytes);
        // Close and Parse are ours.
        const again = await this.#receive(1);
        const own = ['3', '1'];
        const given = again.received.filter(({ type }) => type !== own[0] || own.shift() === undefined);
        all.push(...lines(given, client!.pid), ...(again.after ?? []));
      }
    }
    return all;
  }

  /** The text of a statement that was parsed, by itself or as it is prepared again; the unnamed one stays what it is. */
  async #textOf(name: string): Promise<string | undefined> {
    const sql = `SELECT statement FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql AND name = '${name}'`;
    const asking = [frames.parse(sql, 'harness'), frames.bind({ statement: 'harness' }), frames.execute(), frames.close('S', 'harness')];
    this.#client!.send(...asking, frames.sync());
    const { received } = await this.#receive(1);
    return rows(received)[0]?.[0] ?? undefined;
  }

  async #answers(count: number): Promise<readonly string[]> {
    const { received, after } = await this.#receive(count);
    return [...lines(received, this.#client?.pid ?? 0), ...(after ?? [])];
  }

  /** What comes up to so many ReadyForQuery; `after`: what else happened. */
  async #receive(count: number): Promise<{ readonly received: readonly RawFrame[]; readonly after?: readonly string[] }> {
    const client = this.#client;
    if (client === undefined || client.ended) return { received: [], after: ['no connection'] };
    const received: RawFrame[] = [];
    let hangs = false;
    const limit = setTimeout(() => {
      hangs = true;
      client.destroy();
    }, STEP_LIMIT_MS);
    try {
      for (let left = count; left > 0; left--) received.push(...(await client.until('Z')));
    } catch {
      received.push(...(await client.untilEnd()));
      return { received, after: [hangs ? `hangs: no answer within ${STEP_LIMIT_MS} ms` : 'the connection was closed'] };
    } finally {
      clearTimeout(limit);
    }
    return { received };
  }

  async #cancel(): Promise<readonly string[]> {
    const client = this.#client;
    if (client === undefined || client.ended) return ['no connection'];
    const sql = `select pg_sleep(60) /* ${this.#slot} */`;
    client.send(frames.query(sql));
    // In a failed transaction it never sleeps: then the answer comes first.
    let answered = false;
    const answer = this.#answers(1).finally(() => {
      answered = true;
    });
    await this.#side.running(sql, () => answered);
    if (!answered) await client.cancel();
    return await answer;
  }

  async end(drop: boolean): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    if (drop || client.ended) return client.destroy();
    await client.close();
  }

  abandon(sql: string): void {
    this.#client?.send(frames.query(sql));
    this.#client?.destroy();
  }
}

/** Resolves with what came back when the script is over. */
export async function play(side: Side, { slot, login, steps, end }: Script): Promise<Transcript> {
  const player = new Player(side, slot);
  const transcript: (readonly string[])[] = [];
  try {
    transcript.push(await player.logIn(login));
    for (const step of steps) transcript.push(await player.step(step));
    if (typeof end === 'object') player.abandon(end.during);
    else await player.end(end === 'drop');
    await side.settled(slot);
  } catch (error) {
    transcript.push([`failed: ${error instanceof Error ? error.message : error}`]);
    await player.end(true);
  }
  return transcript;
}
