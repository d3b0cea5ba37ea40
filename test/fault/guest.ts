/**
 * One client in a storm: it asks for what only it can have, in its own way of speaking, and notes whatever it gets that it should not.
 * A connection that goes away is no fault by itself; the storm counts how many may.
 */
import pg from 'pg';
import { frames, type RawClient, type RawFrame, type RawTarget, rawLogIn, rows } from '../support/raw-client.ts';

export type Way = 'simple' | 'unnamed' | 'named' | 'pg';
export type Cell = string | null;
/** What came back: rows, or the error's SQLSTATE. */
export type Answer = { readonly rows: readonly (readonly Cell[])[] } | { readonly error: string };

export class Lost extends Error {}

/** Speaks to Shardyard in one of the ways. */
export interface Speaker {
  ask(sql: string, values: readonly string[]): Promise<Answer>;
  /** Sends several in one write, and reads all answers. */
  askAll(asked: readonly (readonly [sql: string, values: readonly string[]])[]): Promise<readonly Answer[]>;
  cancel(): Promise<void>;
  /** Reads nothing for a moment. */
  pause(): void;
  resume(): void;
  destroy(): void;
  close(): Promise<void>;
}

const literal = (sql: string, values: readonly string[]): string =>
  values.reduce<string>((sofar, value, i) => sofar.replaceAll(`$${i + 1}`, /^\d+$/.test(value) ? value : `'${value}'`), sql);

export interface LogIn {
  readonly user: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export async function speak(target: RawTarget, way: Way, { user, parameters }: LogIn): Promise<Speaker> {
  if (way === 'pg') return await PgSpeaker.open(target, user, parameters);
  return new RawSpeaker(await rawLogIn(target, { user, database: 'postgres', parameters }), way);
}

class RawSpeaker implements Speaker {
  readonly #client: RawClient;
  readonly #way: Way;
  readonly #names = new Map<string, string>();

  constructor(client: RawClient, way: Way) {
    this.#client = client;
    this.#way = way;
  }

  #frames(sql: string, values: readonly string[]): readonly Buffer[] {
    const { bind, describe, execute, parse, query, sync } = frames;
    if (this.#way === 'simple') return [query(literal(sql, values))];
    if (this.#way === 'unnamed') return [parse(sql), bind({ values }), describe('P'), execute(), sync()];
    const known = this.#names.get(sql);
    const name = known ?? `s${this.#names.size}`;
    this.#names.set(sql, name);
    return [
      ...(known === undefined ? [parse(sql, name), sync()] : []),
      bind({ statement: name, values }),
      describe('P'),
      execute(),
      sync(),
    ];
  }

  async ask(sql: string, values: readonly string[]): Promise<Answer> {
    return (await this.askAll([[sql, values]]))[0]!;
  }

  async askAll(asked: readonly (readonly [string, readonly string[]])[]): Promise<readonly Answer[]> {
    const sent = asked.map(([sql, values]) => {
      const parts = this.#frames(sql, values);
      return { sql, parts, parsed: this.#way === 'named' && parts.length > 4 };
    });
    this.#client.send(...sent.flatMap(({ parts }) => parts));
    const answers: Answer[] = [];
    for (const { sql, parsed } of sent) {
      const first = await this.#answer();
      if (!parsed) answers.push(first);
      else {
        const second = await this.#answer();
        // A statement that could not be prepared has no name.
        if ('error' in first) this.#names.delete(sql);
        answers.push('error' in first ? first : second);
      }
    }
    return answers;
  }

  async #answer(): Promise<Answer> {
    let answer: readonly RawFrame[];
    try {
      answer = await this.#client.until('Z');
    } catch (error) {
      if (!this.#client.ended) throw error;
      throw new Lost(this.#client.pending.find(({ type }) => type === 'E')?.fields?.M ?? 'the connection ended', { cause: error });
    }
    const types = answer.map(({ type }) => type).join('');
    const error = answer.find(({ type }) => type === 'E')?.fields;
    if (error !== undefined) return { error: error.C ?? '' };
    if (!/^(N|S|1)*2?[Tn]?D*(N|S)*C?(N|S)*Z$/.test(types)) throw new Error(`frames ${types}`);
    return { rows: rows(answer) };
  }

  cancel(): Promise<void> {
    return this.#client.cancel();
  }
  pause(): void {
    this.#client.socket.pause();
  }
  resume(): void {
    this.#client.socket.resume();
  }
  destroy(): void {
    this.#client.destroy();
  }
  async close(): Promise<void> {
    await this.#client.close();
  }
}

class PgSpeaker implements Speaker {
  readonly #client: pg.Client;
  #ended = false;

  static async open({ port }: RawTarget, user: string, parameters: Readonly<Record<string, string>>): Promise<PgSpeaker> {
    const { TimeZone, application_name: name, statement_timeout: timeout, search_path: path } = parameters;
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user,
      database: 'postgres',
      ...(name === undefined ? {} : { application_name: name }),
    });
    const speaker = new PgSpeaker(client);
    await client.connect();
    if (TimeZone !== undefined) await client.query(`set timezone to '${TimeZone}'`);
    if (timeout !== undefined) await client.query(`set statement_timeout to '${timeout}'`);
    if (path !== undefined) await client.query(`set search_path to ${path}`);
    return speaker;
  }

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on('error', () => {});
    client.on('end', () => {
      this.#ended = true;
    });
  }

  async ask(text: string, values: readonly string[]): Promise<Answer> {
    try {
      const { rows } = await this.#client.query<Cell[]>({
        text,
        values: [...values],
        rowMode: 'array',
        types: { getTypeParser: () => String },
      });
      return { rows };
    } catch (error) {
      const { code } = error as { code?: string };
      if (this.#ended || code === undefined || !/^[0-9A-Z]{5}$/.test(code) || /^(57P|08|58)/.test(code)) throw new Lost(String(error));
      return { error: code };
    }
  }
  async askAll(asked: readonly (readonly [string, readonly string[]])[]): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const [sql, values] of asked) answers.push(await this.ask(sql, values));
    return answers;
  }
  /** Not offered by the driver. */
  async cancel(): Promise<void> {}
  pause(): void {}
  resume(): void {}
  destroy(): void {
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
  async close(): Promise<void> {
    await this.#client.end();
  }
}
