/** Prints numbers as tables. The ratios of a row compare it with ws in the same repetition. */
const BASE = 'ws';

const COLUMNS = {
  fanOut: { cpuUs: 'server CPU, µs a delivery', perSecond: 'deliveries/s' },
  calls: { cpuUs: 'server CPU, µs a call', clientCpuUs: 'client CPU, µs a call', perSecond: 'calls/s' },
  memory: { heapKiB: 'heap, KiB a connection', rssKiB: 'RSS, KiB a connection' },
};
const RATIO_OF = { fanOut: 'cpuUs', calls: 'cpuUs', memory: 'heapKiB' };

/** Returns a table. `results` has the numbers of each repetition by subject. */
export function table({ title, measure, subjects }, results) {
  const columns = COLUMNS[measure];
  const ratioOf = RATIO_OF[measure];
  const rows = subjects.map(({ kind, label }) => {
    const ratios = results[kind].map((numbers, i) => numbers[ratioOf] / results[BASE][i][ratioOf]);
    const cells = Object.keys(columns).map((name) => spread(results[kind].map((numbers) => numbers[name])));
    return `| ${[label, `**${median(ratios).toFixed(2)}** ${range(ratios, (ratio) => ratio.toFixed(2))}`, ...cells].join(' | ')} |`;
  });
  const head = ['', `ratio to ${BASE}: ${columns[ratioOf].replace(/,.*/, '')}`, ...Object.values(columns)];
  return [`### ${title}`, '', `| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows].join('\n');
}

const spread = (numbers) => `${readable(median(numbers))} ${range(numbers, readable)}`;

const range = (numbers, write) => `(${write(Math.min(...numbers))}–${write(Math.max(...numbers))})`;

const readable = (number) =>
  number >= 10_000 ? `${Math.round(number / 1000)}k`
  : number >= 100 ? String(Math.round(number))
  : number.toFixed(number >= 10 ? 1 : 2);

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
