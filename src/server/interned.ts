/**
 * Parameters by name as interned, immutable values: of each content there is one object, so that "the same parameters" is one comparison of
 * references. Settings labels (`settings.ts`) and reported parameters (`reported.ts`) are such.
 */

/** Names are as given; values are the bytes of whoever set them, one character for each (latin1). */
export interface Parameters {
  readonly values: ReadonlyMap<string, string>;
  /** The same but for application_name: statements that cannot see it may run under either. */
  readonly nameless: Parameters;
}

const NAME = 'application_name';

/** One kind of parameters. `limit`: those that are kept; past that the oldest are forgotten (they still work, and are compared as different). */
export class Interner {
  readonly #kept = new Map<string, Parameters>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The one value with exactly these parameters, in whatever order; a new one has them in the order given. */
  of(values: ReadonlyMap<string, string>): Parameters {
    const key = JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
    let parameters = this.#kept.get(key);
    if (parameters === undefined) {
      parameters = this.#make(new Map(values));
      this.#kept.set(key, parameters);
      if (this.#kept.size > this.#limit) this.#kept.delete(this.#kept.keys().next().value!);
    }
    return parameters;
  }

  #make(values: ReadonlyMap<string, string>): Parameters {
    if (values.has(NAME)) return { values, nameless: this.of(new Map([...values].filter(([name]) => name !== NAME))) };
    const parameters: { readonly values: ReadonlyMap<string, string>; nameless?: Parameters } = { values };
    parameters.nameless = parameters as Parameters;
    return parameters as Parameters;
  }
}
