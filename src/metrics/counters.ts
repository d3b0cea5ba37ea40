/**
 * What the data plane counts, as plain numbers: exchanges by where they went and how they ended, times in histograms, pins by
 * reason. Counting allocates nothing once a series is there. Who reads them is `metrics.ts`, when it is scraped.
 *
 * Names of databases can come from clients (a `*` line takes any), so the number of series is limited: what comes beyond goes
 * to the series named `(other)`.
 */
import type { PinReason, Role, Why } from '../../routing/index.ts';

/** Upper bounds of the buckets in milliseconds; the last bucket has none. */
export const BUCKETS_MS: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

const MAX_SERIES = 2000;
export const OTHER = '(other)';

/** Counts values in milliseconds by size. */
export class Histogram {
  /** One count for each bucket of BUCKETS_MS, and one for what is larger. */
  readonly counts: Float64Array = new Float64Array(BUCKETS_MS.length + 1);
  /** In a typed array, since a property that holds a fraction is allocated anew at each change. */
  readonly #sum: Float64Array = new Float64Array(1);

  get sumMs(): number {
    return this.#sum[0]!;
  }

  observe(valueMs: number): void {
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && valueMs > BUCKETS_MS[bucket]!) bucket += 1;
    this.counts[bucket]! += 1;
    this.#sum[0]! += valueMs;
  }
}

/** The times of one database. */
export interface Timings {
  /** In line for a server connection; 0 when one was free. */
  readonly wait: Histogram;
  /** From the request's first bytes at the server until ReadyForQuery. */
  readonly query: Histogram;
}

/** What a client holds a server connection for. */
export type HeldFor = 'statement' | 'transaction' | 'pin' | 'session';
/** Milliseconds for which clients of one database held server connections. */
export type HeldTimes = Record<HeldFor, number>;

/** How exchanges of one kind ended. Add 1 to the one that holds. */
export interface ExchangeCell {
  /** Answered by the server, or by us in its place. */
  ok: number;
  /** The server answered with an error. */
  error: number;
  /** The router refused it. */
  refused: number;
  /** The server connection was lost, or none could be had. */
  lost: number;
  /** One of our timeouts ended it. */
  timeout: number;
  /** The client cancelled it or went away. */
  canceled: number;
}

/** Where an exchange went. `shard` is the physical database, empty where it is the database itself or none. */
export interface ExchangeLabels {
  readonly database: string;
  readonly shard: string;
  readonly role: Role | 'none';
  readonly why: Why;
}

type ByWhy = Map<Why, ExchangeCell>;
type ByRole = Map<Role | 'none', ByWhy>;
type ByShard = Map<string, ByRole>;

/** All that is counted in one process. */
export class Counting {
  readonly #exchanges: Map<string, ByShard> = new Map();
  readonly #cells: { readonly labels: ExchangeLabels; readonly cell: ExchangeCell }[] = [];
  readonly #timings: Map<string, Timings> = new Map();
  readonly #pins: Map<PinReason, number> = new Map();
  readonly #pinTimes: Map<PinReason, Histogram> = new Map();
  readonly #held: Map<string, HeldTimes> = new Map();
  /** Servers that the leak sentinel has looked at, and those of them in which it found something. */
  leakChecks = 0;
  leaks = 0;

  /** The cell of these labels: four look-ups and no allocation when it is known. May be kept. */
  exchange(database: string, shard: string, role: Role | 'none', why: Why): ExchangeCell {
    const known = this.#exchanges.get(database)?.get(shard)?.get(role)?.get(why);
    if (known !== undefined) return known;
    const full = this.#cells.length >= MAX_SERIES && database !== OTHER;
    return full ? this.exchange(OTHER, '', role, why) : this.#add({ database, shard, role, why });
  }

  #add(labels: ExchangeLabels): ExchangeCell {
    const cell: ExchangeCell = { ok: 0, error: 0, refused: 0, lost: 0, timeout: 0, canceled: 0 };
    const byShard = getOrMake(this.#exchanges, labels.database, (): ByShard => new Map());
    const byRole = getOrMake(byShard, labels.shard, (): ByRole => new Map());
    getOrMake(byRole, labels.role, (): ByWhy => new Map()).set(labels.why, cell);
    this.#cells.push({ labels, cell });
    return cell;
  }

  /** The times of a database. May be kept. */
  timings(database: string): Timings {
    const known = this.#timings.get(database);
    if (known !== undefined) return known;
    if (this.#timings.size >= MAX_SERIES / 10 && database !== OTHER) return this.timings(OTHER);
    return getOrMake(this.#timings, database, () => ({ wait: new Histogram(), query: new Histogram() }));
  }

  /** For how long a database's clients held server connections, to be added to. */
  held(database: string): HeldTimes {
    const full = this.#held.size >= MAX_SERIES / 10 && !this.#held.has(database);
    return getOrMake(this.#held, full ? OTHER : database, () => ({ statement: 0, transaction: 0, pin: 0, session: 0 }));
  }

  /** A session was pinned. */
  pinned(reason: PinReason): void {
    this.#pins.set(reason, (this.#pins.get(reason) ?? 0) + 1);
  }

  /** A pin is over after so many milliseconds. */
  unpinned(reason: PinReason, ms: number): void {
    getOrMake(this.#pinTimes, reason, () => new Histogram()).observe(ms);
  }

  allExchanges(): readonly { readonly labels: ExchangeLabels; readonly cell: Readonly<ExchangeCell> }[] {
    return this.#cells;
  }

  allTimings(): ReadonlyMap<string, Timings> {
    return this.#timings;
  }

  allHeld(): ReadonlyMap<string, Readonly<HeldTimes>> {
    return this.#held;
  }

  allPins(): ReadonlyMap<PinReason, number> {
    return this.#pins;
  }

  allPinTimes(): ReadonlyMap<PinReason, Histogram> {
    return this.#pinTimes;
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
