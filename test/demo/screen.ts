/**
 * What the demo prints: plain lines that can be read, copied and piped. On a terminal there is colour and one progress line that
 * replaces itself; elsewhere neither, so that a log of the demo is text.
 */

export interface Screen {
  /** What is being done now: the progress line, or a line of its own where it cannot be replaced. */
  progress(text: string): void;
  /** Takes the progress line away. */
  progressOver(): void;
  title(text: string): void;
  /** A line as it is; without text an empty one. */
  say(text?: string): void;
  /** Rows in columns; numbers stand on the right. The first row is the heading. */
  table(rows: readonly (readonly (string | number)[])[]): void;
  dim(text: string): string;
  strong(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

/** Seconds since the demo's process began, for the progress line. */
const elapsed = (): string => `${(performance.now() / 1000).toFixed(1).padStart(5)} s`;

export function createScreen(out: NodeJS.WriteStream): Screen {
  const terminal = out.isTTY === true && process.env.TERM !== 'dumb';
  const colour = terminal && (process.env.NO_COLOR ?? '') === '';
  const paint = (code: number) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const strong = paint(1);
  const say = (text = ''): void => void out.write(`${text}\n`);
  return {
    progress: (text) => void out.write(terminal ? `\r\x1b[2K${elapsed()}  ${text} ` : `${elapsed()}  ${text}\n`),
    progressOver: () => void out.write(terminal ? '\r\x1b[2K' : ''),
    title: (text) => say(`\n${strong(text)}\n${'-'.repeat(text.length)}`),
    say,
    table: (rows) => {
      for (const line of columns(rows)) say(`  ${line}`);
    },
    dim: paint(2),
    strong,
    good: paint(32),
    bad: paint(31),
  };
}

/** The rows as lines, each column as wide as its widest cell. */
export function columns(rows: readonly (readonly (string | number)[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => String(row[at] ?? '').length)));
  const isNumber = widths.map((_, at) => rows.slice(1).every((row) => typeof row[at] === 'number'));
  const pad = (cell: string | number, at: number): string =>
    isNumber[at] ? String(cell).padStart(widths[at] ?? 0) : String(cell).padEnd(widths[at] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}
