/**
 * The golden cases of the route decision: SQL in and the plan out, word for word, refusals with their hints. `shop` of build.ts is the
 * database unless a case says otherwise. The numbers in route-wrong-answers are those of a list of shapes that other routers answer
 * wrongly without an error: here each is refused, or proven.
 *
 * Options of a case: `@database NAME`, `@values a, b` (bound in text; NULL is null), `@describe`, `@transaction [SHARD]`, `@pinned SHARD`.
 */
import { analyze, loadParsers } from '../../routing/analyze.ts';
import type { Plan, View } from '../../routing/plan.ts';
import { route } from '../../routing/route.ts';
import { database, known, shown, values, view } from './build.ts';
import { type GoldenCase, golden } from './golden.ts';

const told = (plan: Plan): string =>
  plan.kind === 'reject'
    ? [shown(plan), ...(plan.detail === undefined ? [] : [`detail: ${plan.detail}`]), `hint: ${plan.hint}`].join('\n')
    : `${shown(plan)}\n${plan.detail}`;

const seenBy = ({ options }: GoldenCase): View => {
  const shard = options.get('transaction') || options.get('pinned');
  return view({
    catalog: known,
    inTransaction: options.has('transaction'),
    pinned: options.has('pinned'),
    ...(shard ? { held: { database: shard, role: 'primary' } } : {}),
  });
};

const planOf = (one: GoldenCase): string => {
  const bound = one.options.get('values')?.split(/,\s*/) ?? [];
  const operands = values(...bound.map((value) => (value === 'NULL' ? null : value)));
  const describeOnly = one.options.has('describe');
  return told(route(analyze(one.input), operands, database(one.options.get('database') ?? 'shop'), seenBy(one), { describeOnly }));
};

await loadParsers();
for (const name of ['wrong-answers', 'keys', 'refusals', 'transactions', 'reads']) golden(`route-${name}`, planOf);
