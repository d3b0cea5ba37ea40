/** Which texts may travel with other clients' (golden cases): the first reason why not, or what the catalog must be asked before. */
import { analyze, loadParsers } from '../../routing/analyze.ts';
import { sharingDependsOn, whyExclusive } from '../../routing/share.ts';
import { type GoldenCase, golden } from './golden.ts';

await loadParsers();

function render({ input }: GoldenCase): string {
  const facts = analyze(input, 'libpg-query', { standardConformingStrings: true });
  const reason = whyExclusive(facts);
  if (reason !== undefined) return `alone: ${reason}`;
  const asks = Object.entries(sharingDependsOn(facts)).filter(([, names]) => names.length > 0);
  return ['may share', ...asks.map(([what, names]) => `  ${what}: ${names.join(' ')}`)].join('\n');
}

golden('share', render);
