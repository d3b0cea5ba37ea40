/** Statements that a test runs on a server directly, as its superuser and over the socket folder: to prepare data, and to see the truth. */
import pg from 'pg';
import type { Postgres } from './postgres-server.ts';

/** Runs `work` with a superuser's connection to `database` of the server itself; the connection ends with it. */
export async function withClient<T>(server: Postgres, work: (client: pg.Client) => Promise<T>, database = 'postgres'): Promise<T> {
  const { socketDir, port, user, password } = server;
  const client = new pg.Client({ host: socketDir, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Rows of one statement (several may be given with `;`, then the last one's) run on the server itself. */
export function query<Row extends pg.QueryResultRow>(server: Postgres, sql: string, database?: string): Promise<readonly Row[]> {
  return withClient(
    server,
    async (client) => {
      const result = await client.query<Row>(sql);
      return (Array.isArray(result) ? (result.at(-1) as pg.QueryResult<Row>) : result).rows;
    },
    database,
  );
}
