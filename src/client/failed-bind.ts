/**
 * A Bind that must fail, of a statement that the server lacks: in a failed transaction, say. Nothing can be prepared there, so the server would refuse
 * our Parse in front of it, in other words than the Bind. A Parse of an empty text is taken even there, and no Bind of that ever succeeds in a failed
 * transaction: it stands in for the statement, with as many parameters, since their number is looked at first.
 */
import { parametersOf, type Verb } from '../../routing/index.ts';
import type { Prepared } from '../server/prepared.ts';
import { latin1 } from '../wire/read.ts';

/** What ends a transaction runs in a failed one. */
const ENDS_TRANSACTION: ReadonlySet<Verb> = new Set<Verb>(['commit', 'rollback', 'rollback_to', 'prepare_transaction']);

/** The server only counts them. */
const TEXT_TYPE = 25;

/** What follows the name in the Parse of the stand-in; undefined where the statement itself can be prepared, or may be. `bound`: values of the Bind. */
export function standInFor({ facts, body, types }: Prepared, bound: number): Buffer | undefined {
  const [statement] = facts.statements;
  if (!facts.understood || statement === undefined || ENDS_TRANSACTION.has(statement.verb)) return undefined;
  return standInWith(parametersOf(facts, latin1(body, 0, body.indexOf(0)), types.length) ?? bound);
}

/** The same for so many parameters. */
export function standInWith(count: number): Buffer {
  const parameters = Buffer.alloc(3 + 4 * count);
  parameters.writeUInt16BE(count, 1);
  for (let i = 0; i < count; i++) parameters.writeUInt32BE(TEXT_TYPE, 3 + 4 * i);
  return parameters;
}

/** How many values a Bind has: what follows its names begins at `rest`. */
export function boundCount(bytes: Buffer, rest: number, end: number): number {
  const at = rest + 2 <= end ? rest + 2 + 2 * bytes.readUInt16BE(rest) : end;
  return at + 2 <= end ? bytes.readUInt16BE(at) : 0;
}
