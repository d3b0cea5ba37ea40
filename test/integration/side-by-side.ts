/**
 * The same conversation with Postgres itself and through Shardyard: a script of frames is run on a connection of its own to each,
 * and every frame that came back is compared, byte for byte, but for process ids, table ids, and
 * the source lines in errors. Postgres is the oracle; nothing here knows what is right.
 */
import assert from 'node:assert/strict';
import { frames, type LogInOptions, type RawClient, type RawFrame, type RawTarget, rawLogIn } from '../support/raw-client.ts';

/** One side of a conversation: what is sent goes to the client, all that is received is noted. */
export interface Side {
  readonly client: RawClient;
  /** Sends frames in one write. */
  send(...parts: readonly Buffer[]): void;
  /** Notes the frames up to and with the `times`-th of this type. */
  until(type: string, times?: number): Promise<readonly RawFrame[]>;
  /** Sends a Query and notes its whole answer. */
  query(sql: string): Promise<readonly RawFrame[]>;
  /** Notes everything until the other side closes the connection. */
  untilEnd(): Promise<readonly RawFrame[]>;
}

const LIMIT_MS = 45_000;

export type Script = (side: Side) => Promise<unknown>;

/** A frame as a line of text: what must be the same on both sides. */
export function line({ type, body, fields, columns }: RawFrame): string {
  if (type === 'A') return `A ${JSON.stringify(body.subarray(4).toString('latin1'))}`;
  if (fields !== undefined) {
    const { F: _file, L: _line, R: _routine, ...told } = fields;
    return `${type} ${JSON.stringify(told)}`;
  }
  // Each side makes temporary tables of its own.
  if (columns !== undefined) return `T ${JSON.stringify(columns.map((column) => Object.values({ ...column, table: column.table > 0 })))}`;
  return `${type} ${JSON.stringify(body.length > 2000 ? `${body.length} bytes` : body.toString('latin1'))}`;
}

/** Runs the script on a fresh connection; the frames that came back, as lines. */
export async function answersOf(target: RawTarget, script: Script, options: Partial<LogInOptions> = {}): Promise<readonly string[]> {
  const client = await rawLogIn(target, { user: 'postgres', database: 'postgres', password: 'postgres', ...options });
  const noted: string[] = [];
  const note = (answer: readonly RawFrame[]): readonly RawFrame[] => {
    noted.push(...answer.map(line));
    return answer;
  };
  const side: Side = {
    client,
    send: (...parts) => client.send(...parts),
    until: async (type, times = 1) => {
      let last: readonly RawFrame[] = [];
      for (let i = 0; i < times; i++) last = note(await client.until(type));
      return last;
    },
    query: async (sql) => note(await client.query(sql)),
    untilEnd: async () => note(await client.untilEnd()),
  };
  // Longer than this means that something hangs: the connection's end then ends every wait.
  const limit = setTimeout(() => client.destroy(), LIMIT_MS);
  try {
    await script(side);
    if (client.ended) return noted;
    client.send(frames.sync(), frames.terminate());
    await side.untilEnd();
  } catch (error) {
    noted.push(`! ${error}`);
  } finally {
    clearTimeout(limit);
    client.destroy();
  }
  return noted;
}

/** Fails unless the script gets the same answers from Postgres and through Shardyard. */
export async function sameAnswers(direct: RawTarget, through: RawTarget, script: Script, options: Partial<LogInOptions> = {}) {
  const expected = await answersOf(direct, script, options);
  const actual = await answersOf(through, script, options);
  assert.deepEqual(actual, expected);
  return expected;
}
