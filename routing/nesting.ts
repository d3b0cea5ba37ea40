/**
 * How deeply a text can nest, bounded from its tokens alone and in one pass: parentheses and CASE open a level, operators chain in an
 * expression (`a + b + c` is a tree as deep as it is long), joins and set operations chain in their level. The bound is what keeps
 * recursive parsers from texts that would exhaust their stack, so it may only be too high.
 */

/** For each open level: what chains in its expression, what chains in the level as a whole, and whether CASE opened it. */
export interface Nesting {
  readonly chains: number[];
  readonly kept: number[];
  readonly cases: boolean[];
  /** Of all open levels together, and the highest so far. */
  sum: number;
  depth: number;
}

export function noNesting(): Nesting {
  return { chains: [0], kept: [0], cases: [false], sum: 0, depth: 0 };
}

/** What a word does to the nesting bound: opens a level, closes one, adds one to it, or starts a fresh expression in it. */
const WORDS: ReadonlyMap<string, 'open' | 'close' | 'add' | 'keep' | 'fresh'> = new Map([
  ['case', 'open'],
  ['end', 'close'],
  ['not', 'add'],
  ['collate', 'add'],
  ['at', 'add'],
  ['is', 'add'],
  ['isnull', 'add'],
  ['notnull', 'add'],
  ['in', 'add'],
  ['like', 'add'],
  ['ilike', 'add'],
  ['similar', 'add'],
  ['between', 'add'],
  ['overlaps', 'add'],
  ['union', 'keep'],
  ['intersect', 'keep'],
  ['except', 'keep'],
  ['join', 'keep'],
  ['and', 'fresh'],
  ['or', 'fresh'],
  ['select', 'fresh'],
  ['where', 'fresh'],
  ['on', 'fresh'],
  ['when', 'fresh'],
  ['then', 'fresh'],
  ['else', 'fresh'],
]);

/** Takes account of a keyword. */
export function nestWord(n: Nesting, word: string): void {
  const effect = WORDS.get(word);
  if (effect === 'open') openLevel(n, true);
  else if (effect === 'close') closeCase(n);
  else if (effect === 'add') addLevels(n, 1);
  else if (effect === 'keep') keep(n);
  else if (effect === 'fresh') freshExpression(n);
}

/** Forgets the open levels: the next statement begins. */
export function endStatement(n: Nesting): void {
  n.chains.length = 1;
  n.kept.length = 1;
  n.cases.length = 1;
  n.chains[0] = 0;
  n.kept[0] = 0;
  n.sum = 0;
}

/** A run such as `+-+-` is cut into several operators unless it has one of the characters that let an operator end in + or -. */
export function operatorsIn(run: string): number {
  if (run.length === 1 || /[~!@#%^&|`?]/.test(run)) return 1;
  return 1 + (/[+-]+$/.exec(run)?.[0].length ?? 0);
}

/** Closes a parenthesis and any CASE left open in it. */
export function closeParenthesis(n: Nesting): void {
  while (n.cases[n.cases.length - 1]) closeLevel(n);
  closeLevel(n);
}

export function openLevel(n: Nesting, byCase: boolean): void {
  addLevels(n, 1);
  n.cases.push(byCase);
  n.chains.push(0);
  n.kept.push(0);
}

function closeLevel(n: Nesting): void {
  if (n.chains.length === 1) return;
  n.cases.pop();
  n.sum -= n.chains.pop()! + n.kept.pop()!;
}

function closeCase(n: Nesting): void {
  if (n.cases[n.cases.length - 1]) closeLevel(n);
}

export function addLevels(n: Nesting, levels: number): void {
  n.chains[n.chains.length - 1]! += levels;
  n.sum += levels;
  if (n.sum > n.depth) n.depth = n.sum;
}

function keep(n: Nesting): void {
  n.kept[n.kept.length - 1]! += 1;
  n.sum += 1;
  if (n.sum > n.depth) n.depth = n.sum;
  freshExpression(n);
}

export function freshExpression(n: Nesting): void {
  n.sum -= n.chains[n.chains.length - 1]!;
  n.chains[n.chains.length - 1] = 0;
}
