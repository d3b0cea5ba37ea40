/** The commands that connect to nothing: `check` prints what a configuration was understood to say, `route` where a statement would go. */
import { accessSync, constants } from 'node:fs';
import { analyze, type Catalog, explain, findDatabase, loadParsers, type Operands, route, type View } from '../routing/index.ts';
import { ConfigError, type ConfigProblem, problemText } from './config/error.ts';
import { databaseFor, loadConfig } from './config/load.ts';
import { nearest } from './config/nearest.ts';
import { describeConfig } from './describe.ts';

/** Lines for stdout and stderr, and the exit status. */
export interface Outcome {
  readonly out: readonly string[];
  readonly err: readonly string[];
  readonly status: 0 | 1;
}

const failed = (err: readonly string[]): Outcome => ({ out: [], err, status: 1 });

/** Each problem on a line, and how many there are. */
export function problemLines(problems: readonly ConfigProblem[]): readonly string[] {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [...problems.map(problemText), `${count} in the configuration`];
}

function warnings(authFile: string | undefined): readonly string[] {
  if (authFile === undefined || authFile === '') return [];
  try {
    accessSync(authFile, constants.R_OK);
    return [];
  } catch {
    return [`warning: auth_file "${authFile}" cannot be read from here; paths are relative to the folder of the start`];
  }
}

/** `shardyard check FILE`. */
export function check(file: string): Outcome {
  try {
    const config = loadConfig(file);
    return { out: describeConfig(config), err: warnings(config.settings.auth_file), status: 0 };
  } catch (error) {
    if (error instanceof ConfigError) return failed(problemLines(error.problems));
    throw error;
  }
}

/**
 * What is taken for granted because no server is asked: what is named is a plain table, operators are Postgres's own. A function that is
 * not a known built-in stays unknown, so that a statement with one counts as a write.
 */
const assumed: Catalog = { volatility: () => undefined, isPlainRelation: () => true, isVolatileOperator: () => false };
const view: View = { inTransaction: false, pinned: false, readOnly: false, catalog: assumed, clientEncoding: 'UTF8' };
const assumption = 'assumed: outside of a transaction, client_encoding UTF8, every relation a plain table (no server was asked)';

/** Parameters as a client sends them in text format, with no type said. */
function textOperands(params: readonly string[]): Operands {
  const values = params.map((param) => ({ format: 'text', bytes: Buffer.from(param), type: 0 }) as const);
  return (index) => values[index - 1];
}

export interface RouteQuestion {
  readonly file: string;
  readonly database: string;
  readonly sql: string;
  readonly params: readonly string[];
}

async function answerRoute({ file, database: name, sql, params }: RouteQuestion): Promise<Outcome> {
  const config = loadConfig(file);
  const database = databaseFor(config, name) === undefined ? undefined : findDatabase(config.topology, name);
  if (database === undefined) {
    const near = nearest(name, [...config.databases.keys()]);
    return failed([`no such database: ${name}${near === undefined ? '' : `; did you mean "${near}"?`}`]);
  }
  await loadParsers();
  const plan = route(analyze(sql, config.settings.sql_parser), textOperands(params), database, view);
  return { out: [...explain(plan, database), assumption], err: [], status: 0 };
}

/** `shardyard route FILE --database NAME SQL PARAMETER…`. The status is 0 for a refusal as well: it is an answer. */
export async function answer(question: RouteQuestion): Promise<Outcome> {
  try {
    return await answerRoute(question);
  } catch (error) {
    if (error instanceof ConfigError) return failed(problemLines(error.problems));
    throw error;
  }
}
