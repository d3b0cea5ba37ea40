/**
 * What is wrong with a configuration, for the operator: all problems at once, each with its place. A password never
 * appears: whoever makes a problem leaves `found` out where it could be one.
 */

export interface ConfigProblem {
  readonly file: string;
  /** From 1; 0 when the problem is the file as a whole. */
  readonly line: number;
  readonly key?: string;
  readonly found?: string;
  /** What would have been right, in words. */
  readonly allowed?: string;
  /** The nearest known name. */
  readonly nearest?: string;
  /** One sentence that says it all; it repeats key, found, allowed and nearest where they help. */
  readonly message: string;
}

/** `file:line: message`, or `file: message` for the file as a whole. */
export function problemText(problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  return `${place}: ${problem.message}`;
}

/** Thrown by `loadConfig` and `setSetting`; nothing of the configuration was taken. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(problemText).join('\n'));
    this.name = 'ConfigError';
    this.problems = Object.freeze([...problems]);
  }
}
