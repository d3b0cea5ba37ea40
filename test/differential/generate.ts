/**
 * Random session scripts. A script has two or three kinds of state as its themes, so that its statements meet; transactions, errors and
 * questions about the state run through all of them. Nothing here knows what is right: Postgres does.
 */
import { type Random, random } from './random.ts';
import type { Item, Login, Round, Script, Step } from './script.ts';
import { type Catalogue, type Kind, PROBES } from './statements.ts';

/** Clients at once; more than the pool has servers. */
export const CLIENTS = 4;

/** Who scripts log in as: a superuser, and one who may only become `diff_a` and `diff_b`. */
export const USERS = ['postgres', 'diff_plain'] as const;

const THEMES: readonly (readonly [number, Kind])[] = [
  [5, 'settings'],
  [3, 'identity'],
  [3, 'temp'],
  [3, 'cursor'],
  [3, 'lock'],
  [3, 'prepare'],
  [2, 'listen'],
  [3, 'sequence'],
  [4, 'hidden'],
  [1, 'ddl'],
];

const COMMON: readonly (readonly [number, Kind])[] = [
  [22, 'transaction'],
  [8, 'savepoint'],
  [6, 'data'],
  [4, 'error'],
  [2, 'discard'],
];

/** Functions by number, for FunctionCall: set_config, pg_advisory_lock, pg_advisory_unlock, pg_advisory_unlock_all, nextval by name is not possible. */
const CALLS: readonly (readonly [oid: number, name: string, ...values: readonly string[]])[] = [
  [2078, 'set_config', 'app.a', 'called by number', 'f'],
  [2078, 'set_config', 'work_mem', '15MB', 'f'],
  [2880, 'pg_advisory_lock', '$N01'],
  [2885, 'pg_advisory_unlock', '$N01'],
  [2892, 'pg_advisory_unlock_all'],
  [1397, 'abs', '-5'],
];

/** Names of protocol-level statements and portals. */
const STATEMENT_NAMES = ['', '', 's', 'S 2', 'p'];
const PORTAL_NAMES = ['', '', 'c', 'h'];

/** Their columns are those of the table. */
const CHANGING: readonly (readonly [sql: string, ...values: readonly string[]])[] = [
  ['SELECT * FROM c$N.t WHERE id = $1', '1'],
  ['SELECT * FROM c$N.t'],
  ["INSERT INTO c$N.t (v) VALUES ('changing') RETURNING *"],
  ['UPDATE c$N.t SET v = $1 WHERE id = $2 RETURNING *', 'changed', '1'],
  ['SELECT id, v FROM c$N.t'],
];
const ALTER = [
  'ALTER TABLE c$N.t ADD COLUMN IF NOT EXISTS more int',
  'ALTER TABLE c$N.t DROP COLUMN IF EXISTS more',
  'ALTER TABLE c$N.t ADD COLUMN IF NOT EXISTS other text; ALTER TABLE c$N.t DROP COLUMN IF EXISTS more',
] as const;

class Generator {
  readonly #random: Random;
  readonly #slot: number;
  readonly #catalogue: Catalogue;
  readonly #kinds: readonly (readonly [number, Kind])[];

  constructor(from: Random, slot: number, catalogue: Catalogue) {
    this.#random = from;
    this.#slot = slot;
    this.#catalogue = catalogue;
    const themes = Array.from({ length: 2 + from.below(2) }, () => from.weighed(THEMES));
    this.#kinds = [...COMMON, ...themes.map((kind) => [Math.round(50 / themes.length), kind] as const)];
  }

  #own(sql: string): string {
    return sql.replaceAll('$N', String(this.#slot));
  }

  #statement(from: Catalogue['statements'] = this.#catalogue.statements): string {
    return this.#own(this.#random.pick(from[this.#random.weighed(this.#kinds)]));
  }

  #statements(most: number): readonly string[] {
    return Array.from({ length: 1 + this.#random.below(most) }, () => this.#statement());
  }

  login(): Login {
    const user = this.#random.chance(70) ? USERS[0] : USERS[1];
    const parameters = this.#random.chance(45) ? this.#random.pick(this.#catalogue.startup) : {};
    return { user, parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, this.#own(value)])) };
  }

  probe(): Step {
    return { step: 'query', statements: [this.#own(this.#random.pick(PROBES))] };
  }

  /** All of them, each in a Query of its own. */
  probes(): readonly Step[] {
    return PROBES.map((sql) => ({ step: 'query', statements: [this.#own(sql)] }));
  }

  step(): Step {
    return this.#random.weighed<() => Step>([
      [46, () => ({ step: 'query', statements: [this.#statement()] })],
      [10, () => ({ step: 'query', statements: this.#statements(4) })],
      [4, () => ({ step: 'queries', texts: this.#statements(3) })],
      [24, () => this.#extended()],
      [9, () => this.probe()],
      [2, () => this.#copy()],
      [2, () => this.#call()],
      [1, () => ({ step: 'cancel' })],
      [2, () => this.#seed()],
      [3, () => this.#changing()],
      [3, () => ({ step: 'reconnect', drop: this.#random.chance(40), login: this.login() })],
    ])();
  }

  /** Only together are these the same every time. */
  #seed(): Step {
    const steps: readonly Step[] = ['SELECT setseed(0.25)', 'SELECT 1', 'SELECT random()'].map((sql) => ({
      step: 'query',
      statements: [sql],
    }));
    return { step: 'group', steps };
  }

  #call(): Step {
    const [oid, name, ...values] = this.#random.pick(CALLS);
    return { step: 'call', oid, name, values: values.map((value) => this.#own(value)) };
  }

  #copy(): Step {
    const table = this.#random.pick(['t (v)', 'trg', 'nothing', 'u']);
    const data = this.#random.pick([['1\n', '2\n'], ['1\n2', '\n'], [], ['1\n1\n'], ['x\ty\n']]);
    return { step: 'copy', sql: `COPY c${this.#slot}.${table} FROM STDIN`, data, fail: this.#random.chance(20) };
  }

  #extended(): Step {
    const items: Item[] = [];
    for (let left = 1 + this.#random.below(4); left > 0; left--) items.push(...this.#exchange());
    return { step: 'extended', items };
  }

  /** A table changes under a statement that is prepared. */
  #changing(): Step {
    const [sql, ...values] = this.#random.pick(CHANGING);
    const parse: Item = { item: 'parse', name: 's', sql: this.#own(sql) };
    const bind: Item = { item: 'bind', portal: '', statement: 's', values };
    const execute: Item = { item: 'execute', portal: '', rows: 0 };
    const columns: Item = { item: 'describe', what: 'P', name: '' };
    const statement: Item = { item: 'describe', what: 'S', name: 's' };
    const use = (): Step => {
      const items = this.#random.weighed<readonly Item[]>([
        [5, [bind, columns, execute]],
        [2, [bind, execute]],
        [2, [statement]],
        [1, [statement, bind, execute]],
        [1, [bind, columns]],
        [1, [{ ...parse, name: '' }, bind, columns, execute]],
        [1, [bind, columns, execute, { item: 'sync' }, bind, execute]],
      ]);
      return { step: 'extended', items };
    };
    const alter: Step = { step: 'query', statements: [this.#own(this.#random.pick(ALTER))] };
    const first: Step = { step: 'extended', items: [{ item: 'close', what: 'S', name: 's' }, parse, statement] };
    return { step: 'group', steps: [first, use(), alter, use(), use(), ...(this.#random.chance(50) ? [alter, use()] : [])] };
  }

  #exchange(): readonly Item[] {
    const name = this.#random.pick(STATEMENT_NAMES);
    const portal = this.#random.pick(PORTAL_NAMES);
    const rows = this.#random.chance(25) ? 1 : 0;
    const [sql, ...values] = this.#random.chance(40)
      ? this.#random.pick(this.#catalogue.withParameters)
      : ([this.#statement(this.#catalogue.single)] as const);
    const parse: Item = { item: 'parse', name, sql: this.#own(sql) };
    const bind: Item = { item: 'bind', portal, statement: name, values: values.map((value) => (value === null ? null : this.#own(value))) };
    const execute: Item = { item: 'execute', portal, rows };
    const whole = this.#random.chance(50)
      ? [parse, bind, execute]
      : [parse, bind, { item: 'describe', what: 'P', name: portal } as const, execute];
    return this.#random.weighed<readonly Item[]>([
      [60, whole],
      [6, [...whole, execute]],
      [5, [...whole, { item: 'sync' }]],
      [4, [parse, { item: 'describe', what: 'S', name }]],
      [6, [bind, execute]],
      [4, [execute]],
      [4, [{ item: 'close', what: 'S', name }]],
      [3, [{ item: 'close', what: 'P', name: portal }]],
      [3, [{ item: 'close', what: 'S', name }, ...whole]],
      [2, [parse, { item: 'sync' }, bind, { item: 'flush' }, execute]],
      [2, [{ item: 'describe', what: 'P', name: portal }]],
    ]);
  }

  end(): Script['end'] {
    if (this.#random.chance(55)) return 'terminate';
    return this.#random.chance(60) ? 'drop' : { during: this.#statement() };
  }
}

function script(from: Random, slot: number, { catalogue, longest = 14 }: Making): Script {
  const generator = new Generator(from, slot, catalogue);
  const login = generator.login();
  const steps = Array.from({ length: 3 + from.below(longest) }, () => generator.step());
  const asked = from.chance(40) ? generator.probes() : [generator.probe(), generator.probe()];
  return { slot, login, steps: [...steps, ...asked], end: generator.end() };
}

export interface Making {
  readonly catalogue: Catalogue;
  /** Scripts have up to so many steps, and then questions. */
  readonly longest?: number;
}

/** The scripts of round number `round` of a seed, one for each client. */
export function generateRound(seed: number, round: number, making: Making): Round {
  return Array.from({ length: CLIENTS }, (_, i) => script(random(seed, round * CLIENTS + i), i + 1, making));
}
