/**
 * The picture: for each workload a bar for each contender, as long as its throughput is against PgBouncer's (or, without PgBouncer, a direct
 * connection's), which is the line at 1. Plain SVG that is readable on light and dark. Pure.
 */
import { ratio, times } from './numbers.ts';
import type { ContenderName, RowResult } from './results.ts';

const WIDTH = 920;
const LABELS = 350;
const BAR = 12;
const GAP = 14;
const TOP = 64;
const COLORS: Readonly<Record<ContenderName, string>> = { direct: '#8a94a0', pgbouncer: '#d08a2e', shardyard: '#2f81d6', off: '#7d5fc4' };
export const CONTENDER_TITLES: Readonly<Record<ContenderName, string>> = {
  direct: 'direct',
  pgbouncer: 'PgBouncer',
  shardyard: 'Shardyard',
  off: 'Shardyard, all off',
};
const STYLE = 'text{fill:#22303c}.axis{stroke:#7a8794}@media(prefers-color-scheme:dark){text{fill:#d8e0e8}.axis{stroke:#8a94a0}}';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Bar {
  readonly name: ContenderName;
  readonly value: number;
}

/** The bars of a row against the base; empty when it has no figure of the base. */
function barsOf(row: RowResult, base: ContenderName): readonly Bar[] {
  const rate = (name: ContenderName): number | undefined => row.contenders.find((contender) => contender.name === name)?.medians.rate;
  return row.contenders.flatMap(({ name, medians }) => {
    const value = ratio(medians.rate, rate(base));
    return value === undefined || name === base ? [] : [{ name, value }];
  });
}

/** The picture as the text of an SVG file. */
export function drawChart(rows: readonly RowResult[]): string {
  const base: ContenderName = rows.some((row) => row.contenders.some(({ name }) => name === 'pgbouncer')) ? 'pgbouncer' : 'direct';
  const drawn = rows.map((row) => ({ title: row.title, bars: barsOf(row, base) })).filter(({ bars }) => bars.length > 0);
  const most = Math.max(1.2, ...drawn.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const scale = (WIDTH - LABELS - 90) / most;
  const parts: string[] = [];
  let y = TOP;
  for (const { title, bars } of drawn) {
    const height = bars.length * BAR;
    parts.push(`<text x="${LABELS - 10}" y="${y + height / 2 + 4}" text-anchor="end">${escaped(title)}</text>`);
    for (const [index, { name, value }] of bars.entries()) {
      const [top, width] = [y + index * BAR, Math.max(value * scale, 1)];
      parts.push(`<rect x="${LABELS}" y="${top}" width="${width.toFixed(1)}" height="${BAR - 2}" rx="2" fill="${COLORS[name]}"/>`);
      parts.push(`<text x="${(LABELS + width + 5).toFixed(1)}" y="${top + BAR - 3}" font-size="10">${times(value)}</text>`);
    }
    y += height + GAP;
  }
  const one = (LABELS + scale).toFixed(1);
  const used = [...new Set(drawn.flatMap(({ bars }) => bars.map(({ name }) => name)))];
  const title = `Throughput, as a multiple of ${base === 'pgbouncer' ? "PgBouncer's" : 'a direct connection'}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 6}" role="img" aria-labelledby="title" font-family="Helvetica, Arial, sans-serif" font-size="12">
<title id="title">${title}</title>
<style>${STYLE}</style>
<text x="${LABELS}" y="20" font-size="15" font-weight="bold">${title}</text>
${used.map((name, index) => `<rect x="${LABELS + index * 130}" y="31" width="12" height="12" rx="2" fill="${COLORS[name]}"/><text x="${LABELS + 18 + index * 130}" y="41">${CONTENDER_TITLES[name]}</text>`).join('\n')}
<path class="axis" d="M${one} ${TOP - 12}V${y - 4}" stroke-dasharray="3 3"/><text x="${one}" y="${TOP - 4}" font-size="10" dx="3">1 ×</text>
${parts.join('\n')}
</svg>
`;
}
