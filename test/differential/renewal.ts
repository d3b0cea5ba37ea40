/**
 * The one thing in which Shardyard is better than a connection of the client's own: a named statement whose result has changed is prepared again
 * (docs/exactness.md). To compare with Postgres all the same, the side that is played directly does by hand what is promised, by the words of that page.
 */
import type { RawFrame } from '../support/raw-client.ts';
import type { Item } from './script.ts';

/** The requests of a step, each without its Sync. */
export function requests(items: readonly Item[]): readonly (readonly Item[])[] {
  const found: Item[][] = [[]];
  for (const item of items) {
    if (item.item === 'sync') found.push([]);
    else found.at(-1)!.push(item);
  }
  return found;
}

const DESCRIBES = /^describe S( bind( describe P)?( execute)?)?$/;
const ASKS = /^bind describe P( execute)?$/;

/** The statement of a request that is to be prepared again; undefined: its answer holds. The scripts bind values in text format only. */
export function toRenew(items: readonly Item[], answer: readonly RawFrame[]): string | undefined {
  const error = answer.find(({ type }) => type === 'E')?.fields;
  if (error?.C !== '0A000' || error.R !== 'RevalidateCachedQuery' || answer.at(-1)?.status !== 'I') return undefined;
  const form = items.map((each) => (each.item === 'describe' ? `describe ${each.what}` : each.item)).join(' ');
  // What is described without an error is what is bound.
  const refused = answer.some(({ type }) => type === 'T' || type === '2') ? '' : form;
  if (!DESCRIBES.test(refused) && !ASKS.test(refused)) return undefined;
  const statements = new Set<string>();
  const portals = new Set<string>();
  for (const each of items) {
    if (each.item === 'bind') statements.add(each.statement);
    if (each.item === 'bind' || each.item === 'execute') portals.add(each.portal);
    if (each.item === 'describe') (each.what === 'S' ? statements : portals).add(each.name);
  }
  const [name] = statements;
  return statements.size === 1 && portals.size <= 1 && name !== '' ? name : undefined;
}
