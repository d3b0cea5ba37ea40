import { analyze, loadParsers } from '../../routing/analyze.ts';
import { factsText } from './facts-text.ts';
import { type GoldenCase, golden } from './golden.ts';

await loadParsers();

function render(c: GoldenCase): string {
  const max = c.options.get('max');
  const facts = analyze(c.input, 'libpg-query', {
    ...(max === undefined ? {} : { maxParsedLength: Number(max) }),
    standardConformingStrings: c.options.get('scs') !== 'off',
  });
  return factsText(facts, c.input);
}

for (const name of ['pins', 'effects', 'read-only', 'texts']) golden(`analyze-${name}`, render);
