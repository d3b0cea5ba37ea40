/** `npm run test:faults -- --seconds N --seed N`: storm after storm, each with a seed of its own that is printed, for so long. */
import { parseArgs } from 'node:util';
import { storm } from './storm.ts';
import { STORMS } from './storms.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } },
});
const end = Date.now() + Number(values.seconds) * 1000;
let failed = 0;
for (let seed = Number(values.seed); Date.now() < end && failed < 5; seed++) {
  const kinds = Object.entries(STORMS);
  const [what, options] = kinds[seed % kinds.length]!;
  const { findings, answers, shared, resent } = await storm({ ...options, seed, seconds: 10, clients: 200 });
  console.log(`seed ${seed} (${what}): ${answers} answers, ${shared} shared, ${resent} asked again, ${findings.length} findings`);
  for (const finding of findings) console.log(`  ${finding}`);
  if (findings.length > 0) failed += 1;
}
process.exitCode = failed > 0 ? 1 : 0;
