/** docs/performance.md: its text stays, and what is between two marks is replaced by the latest results. Pure. */
import { figuresTable, machineText, methodText, notesOf, targetsTable } from './report.ts';
import type { Results } from './results.ts';

const BEGIN = '<!-- results: written by npm run bench -- --update-docs -->';
const END = '<!-- end of results -->';

/** The page with the results. Throws when it has lost its marks. */
export function withResults(page: string, results: Results): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md needs the lines "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${resultsText(results)}\n\n${page.slice(end)}`;
}

function resultsText(results: Results): string {
  const ran = results.rows.filter(({ skipped }) => skipped === undefined);
  const remarks = [
    ...results.messages,
    ...results.rows.flatMap((row) =>
      (row.skipped === undefined ? notesOf(row) : [`not run: ${row.skipped}`]).map((note) => `${row.title}: ${note}`),
    ),
  ];
  return [
    methodText(results),
    machineText(results),
    '![Throughput of each workload, as a multiple of the base](performance.svg)',
    '### Targets',
    targetsTable(results.verdicts),
    '### Figures',
    figuresTable(ran),
    ...(remarks.length === 0 ? [] : ['### Remarks', remarks.map((remark) => `- ${remark}`).join('\n')]),
  ].join('\n\n');
}
