/**
 * A session script as data: what one client says, step by step. Data, so that it can be printed, repeated and made smaller. A step is what
 * is sent in one write; its answer is awaited before the next step, so that the order of events is the script's and nobody else's.
 */
import { frames } from '../support/raw-client.ts';

export type Item =
  | { readonly item: 'parse'; readonly name: string; readonly sql: string }
  | { readonly item: 'bind'; readonly portal: string; readonly statement: string; readonly values: readonly (string | null)[] }
  | { readonly item: 'describe'; readonly what: 'S' | 'P'; readonly name: string }
  | { readonly item: 'execute'; readonly portal: string; readonly rows: number }
  | { readonly item: 'close'; readonly what: 'S' | 'P'; readonly name: string }
  | { readonly item: 'flush' }
  | { readonly item: 'sync' };

export type Step =
  /** One Query with these statements. */
  | { readonly step: 'query'; readonly statements: readonly string[] }
  /** Several Queries in one write. */
  | { readonly step: 'queries'; readonly texts: readonly string[] }
  /** The extended protocol; a Sync is added at the end. */
  | { readonly step: 'extended'; readonly items: readonly Item[] }
  | { readonly step: 'copy'; readonly sql: string; readonly data: readonly string[]; readonly fail: boolean }
  /** A FunctionCall, arguments in text format. */
  | { readonly step: 'call'; readonly oid: number; readonly name: string; readonly values: readonly string[] }
  /** pg_sleep, and a CancelRequest once it sleeps. */
  | { readonly step: 'cancel' }
  /** The session ends (`drop`: without Terminate) and another begins. */
  | { readonly step: 'reconnect'; readonly drop: boolean; readonly login: Login }
  /** Steps that mean something only together. */
  | { readonly step: 'group'; readonly steps: readonly Step[] };

export interface Login {
  readonly user: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Script {
  /** Whose schema, lock keys and channels it uses: 1 to `CLIENTS`. */
  readonly slot: number;
  readonly login: Login;
  readonly steps: readonly Step[];
  /** `terminate`; `drop`: the socket is closed; else the socket is closed right after this Query was sent. */
  readonly end: 'terminate' | 'drop' | { readonly during: string };
}

/** The scripts that run at the same time. */
export type Round = readonly Script[];

export const text = (statements: readonly string[]): string => statements.join('; ');

function itemFrame(item: Item): Buffer {
  switch (item.item) {
    case 'parse':
      return frames.parse(item.sql, item.name);
    case 'bind':
      return frames.bind(item);
    case 'describe':
      return frames.describe(item.what, item.name);
    case 'execute':
      return frames.execute(item.portal, item.rows);
    case 'close':
      return frames.close(item.what, item.name);
    case 'flush':
      return frames.flush();
    case 'sync':
      return frames.sync();
  }
}

/** What a plain step sends, and how many ReadyForQuery answer it. */
export function sending(step: Exclude<Step, { step: 'reconnect' | 'group' | 'cancel' }>): {
  readonly bytes: Buffer;
  readonly answers: number;
} {
  switch (step.step) {
    case 'query':
      return { bytes: frames.query(text(step.statements)), answers: 1 };
    case 'queries':
      return { bytes: Buffer.concat(step.texts.map(frames.query)), answers: step.texts.length };
    case 'extended':
      return {
        bytes: Buffer.concat([...step.items.map(itemFrame), frames.sync()]),
        answers: 1 + step.items.filter(({ item }) => item === 'sync').length,
      };
    case 'copy': {
      const end = step.fail ? frames.copyFail('the client does not want to') : frames.copyDone();
      return { bytes: Buffer.concat([frames.query(step.sql), ...step.data.map(frames.copyData), end]), answers: 1 };
    }
    case 'call':
      return { bytes: frames.functionCall(step.oid, step.values), answers: 1 };
  }
}

const quoted = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));

function printItem(item: Item): string {
  switch (item.item) {
    case 'parse':
      return `Parse ${quoted(item.name)} ${quoted(item.sql)}`;
    case 'bind':
      return `Bind portal ${quoted(item.portal)} of ${quoted(item.statement)} (${item.values.map(quoted).join(', ')})`;
    case 'describe':
      return `Describe ${item.what} ${quoted(item.name)}`;
    case 'execute':
      return `Execute ${quoted(item.portal)}${item.rows > 0 ? `, ${item.rows} rows` : ''}`;
    case 'close':
      return `Close ${item.what} ${quoted(item.name)}`;
    case 'flush':
      return 'Flush';
    case 'sync':
      return 'Sync';
  }
}

const printLogin = ({ user, parameters }: Login): string => `log in as ${user} ${JSON.stringify(parameters)}`;

/** A step as lines that a person can follow. */
export function printStep(step: Step): readonly string[] {
  switch (step.step) {
    case 'query':
      return [`Query ${text(step.statements)}`];
    case 'queries':
      return ['in one write:', ...step.texts.map((sql) => `  Query ${sql}`)];
    case 'extended':
      return [[...step.items.map(printItem), 'Sync'].join(' · ')];
    case 'copy':
      return [`Query ${step.sql} · CopyData ${quoted(step.data.join(''))} · ${step.fail ? 'CopyFail' : 'CopyDone'}`];
    case 'call':
      return [`FunctionCall ${step.name}(${step.values.join(', ')})`];
    case 'cancel':
      return ['Query select pg_sleep(60), cancelled'];
    case 'reconnect':
      return [step.drop ? 'drop the connection' : 'Terminate', printLogin(step.login)];
    case 'group':
      return step.steps.flatMap(printStep);
  }
}

/** A script as lines; the step at `mark` (0: the log-in) has an arrow. */
export function printScript({ slot, login, steps, end }: Script, mark?: number): readonly string[] {
  const arrow = (at: number): string => (at === mark ? '→' : ' ');
  const last =
    typeof end === 'string' ? (end === 'drop' ? 'drop the connection' : 'Terminate') : `drop the connection during ${end.during}`;
  return [
    `client ${slot}`,
    `${arrow(0)} ${printLogin(login)}`,
    ...steps.flatMap((step, i) => printStep(step).map((line) => `${arrow(i + 1)} ${line}`)),
    `  ${last}`,
  ];
}
