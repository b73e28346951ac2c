/** Draws the first figure of a row as a bar chart (SVG): medians, with the range as a line. */
import { median, readable } from './numbers.mjs';
import { SUBJECTS } from './subjects.mjs';

const WIDTH = 720;
const LEFT = 230;
const RIGHT = 90;
const BAR = 18;
const STEP = 28;
const TOP = 44;

export function chart({ subjects, columns, charted = Object.keys(columns)[0] }, title, results) {
  const bars = subjects
    .map((subject) => ({ subject, values: valuesOf(results[subject] ?? [], charted) }))
    .filter(({ values }) => values.length > 0);
  const most = Math.max(...bars.flatMap(({ values }) => values), Number.MIN_VALUE);
  const x = (value) => (LEFT + (Math.max(0, value) / most) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const height = TOP + STEP * bars.length + 10;
  const lines = bars.flatMap(({ subject, values }, i) => {
    const y = TOP + STEP * i;
    const middle = median(values);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escaped(SUBJECTS[subject].label)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${(x(middle) - LEFT).toFixed(1)}" height="${BAR}" fill="${subject === 'hubline' ? '#2563eb' : '#94a3b8'}"/>`,
      `<line x1="${x(low)}" x2="${x(high)}" y1="${y + BAR / 2}" y2="${y + BAR / 2}" stroke="#111827" stroke-width="2"/>`,
      `<text x="${Number(x(high)) + 6}" y="${y + 14}">${readable(middle)}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="8" y="18" font-weight="bold">${escaped(title)}</text>`,
    `<text x="8" y="35" fill="#4b5563">${escaped(columns[charted])}: median, with the range as a line</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n');
}

const valuesOf = (repetitions, figure) => repetitions.map((each) => each?.[figure]).filter((value) => Number.isFinite(value));

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
