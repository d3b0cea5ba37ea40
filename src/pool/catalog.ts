/**
 * What a database's own catalog says about functions, relations and operators, for the router to prove that a statement only reads. Loaded
 * through the connection that probes the primary; one immutable value for each load. What was not found is not known.
 */
import { analyze, type Catalog, type Facts, type FunctionName } from '../../routing/index.ts';
import { ask, type Control } from '../wire/control.ts';

type Volatility = 'i' | 's' | 'v';

const FUNCTIONS = `SELECT n.nspname, p.proname,
  CASE max(CASE p.provolatile WHEN 'v' THEN 3 WHEN 's' THEN 2 ELSE 1 END) WHEN 3 THEN 'v' WHEN 2 THEN 's' ELSE 'i' END
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1, 2`;

const RELATIONS = `SELECT n.nspname, c.relname, c.relkind::text, c.relrowsecurity::text,
  CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`;

const OPERATORS = `SELECT DISTINCT o.oprname
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE p.provolatile = 'v' AND n.nspname <> 'pg_catalog'`;

/** A relation of the catalog: plain, or a view whose definition decides. */
type Kind = { readonly plain: boolean } | { readonly view: Facts };

/** Everything that goes by one unqualified name: the search_path is not ours to know, so all of it must hold. */
class ByName<T> {
  readonly #byName = new Map<string, Map<string, T>>();

  add(schema: string, name: string, value: T): void {
    const named = this.#byName.get(name) ?? new Map<string, T>();
    this.#byName.set(name, named.set(schema, value));
  }

  find(schema: string | undefined, name: string): T[] {
    const named = this.#byName.get(name);
    if (named === undefined) return [];
    if (schema === undefined) return [...named.values()];
    const one = named.get(schema);
    return one === undefined ? [] : [one];
  }
}

class LoadedCatalog implements Catalog {
  readonly #functions = new ByName<Volatility>();
  readonly #relations = new ByName<Kind>();
  readonly #operators: ReadonlySet<string>;

  constructor(functions: readonly Row[], relations: readonly Row[], operators: readonly Row[]) {
    for (const [schema, name, volatility] of functions) this.#functions.add(schema!, name!, volatility as Volatility);
    for (const [schema, name, kind, security, definition] of relations) {
      const isView = kind === 'v' && definition !== null && definition !== undefined;
      const value: Kind = isView ? { view: analyze(definition) } : { plain: kind !== 'f' && kind !== 'v' && security !== 'true' };
      this.#relations.add(schema!, name!, value);
    }
    this.#operators = new Set(operators.map(([name]) => name!));
  }

  volatility(fn: FunctionName): Volatility | undefined {
    const found = this.#functions.find(fn.schema, fn.name);
    if (found.length === 0) return undefined;
    return found.includes('v') ? 'v' : found.includes('s') ? 's' : 'i';
  }

  isPlainRelation(schema: string | undefined, name: string): boolean | undefined {
    return this.#isPlain(schema, name, 0);
  }

  /** A view is as harmless as all that its definition names. */
  #isPlain(schema: string | undefined, name: string, depth: number): boolean | undefined {
    const found = this.#relations.find(schema, name);
    if (found.length === 0) return undefined;
    return found.every((kind) => ('plain' in kind ? kind.plain : depth < 20 && this.#isHarmlessView(kind.view, depth + 1)));
  }

  #isHarmlessView(facts: Facts, depth: number): boolean {
    const [statement] = facts.statements;
    if (!facts.understood || statement === undefined || !statement.readOnly || statement.opaque !== undefined) return false;
    if (statement.effects.length > 0 || statement.operators.some((name) => this.isVolatileOperator(name))) return false;
    if (!statement.functions.every((fn) => (this.volatility(fn) ?? 'v') !== 'v')) return false;
    return statement.relations.every(({ schema, name }) => this.#isPlain(schema, name, depth) === true);
  }

  isVolatileOperator(name: string): boolean {
    return this.#operators.has(name.slice(name.lastIndexOf('.') + 1));
  }
}

type Row = readonly (string | null)[];

/** Asks one server; rejects when it does not answer. */
export async function loadCatalog(control: Control): Promise<Catalog> {
  const functions = await ask(control, FUNCTIONS);
  const relations = await ask(control, RELATIONS);
  const operators = await ask(control, OPERATORS);
  return new LoadedCatalog(functions.rows, relations.rows, operators.rows);
}
