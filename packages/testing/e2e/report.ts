import { SITUATIONS, type Situation } from '@hubline/testing/history';
import { AXES, optionsOf, product, titleOf, type Cell } from './axes.ts';
import { exclusionOf, EXCLUSIONS, situationOf } from './constraints.ts';

/** The result of one cell. */
export interface CellResult {
  readonly cell: Cell;
  readonly ok: boolean;
  readonly durationMs: number;
  /** The first lines of each error. */
  readonly errors: readonly string[];
  /** The address of the timeline, from the folder of the report. */
  readonly timeline?: string | undefined;
}

export interface ReportParts {
  readonly results: readonly CellResult[];
  readonly seed: number;
  readonly durationMs: number;
}

/** Returns the page with the matrix: what ran, what was excluded and why, and the timelines. */
export function reportOf({ results, seed, durationMs }: ReportParts): string {
  const byCell = new Map<string, CellResult[]>();
  for (const result of results) byCell.set(titleOf(result.cell), [...(byCell.get(titleOf(result.cell)) ?? []), result]);
  const failed = results.filter(({ ok }) => !ok);
  const cells = product();
  const excluded = cells.filter((cell) => exclusionOf(cell) !== undefined);
  const summary = `${byCell.size} of ${cells.length - excluded.length} cells ran in ${seconds(durationMs)}, ${failed.length} failed. Seed ${seed}.`;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Matrix</title><style>${STYLE}</style>
<h1>Matrix of scenarios, topologies, transports and faults</h1>
<p>${escaped(summary)} ✓ ran, ✗ failed, · not chosen, – excluded. Each mark is linked to its timeline.</p>
${failed.length === 0 ? '' : `<h2>Failures</h2>${failed.map((result) => failureOf(result, seed)).join('')}`}
${AXES.scenario.map((scenario) => tableOf(scenario, byCell)).join('')}
<h2>Excluded</h2><ul>${EXCLUSIONS.map(({ reason }) => `<li>${excluded.filter((cell) => exclusionOf(cell) === reason).length} cells: ${escaped(reason)}</li>`).join('')}</ul>
<h2>Promises</h2><table><tr><th>fault</th><th>class</th><th>a missing message</th><th>answers about presence are right</th><th>docs/guarantees.md</th></tr>
${AXES.fault.map(promisesOf).join('')}</table>
</html>
`;
}

function tableOf(scenario: Cell['scenario'], results: ReadonlyMap<string, readonly CellResult[]>): string {
  const columns = product({ scenario: [scenario], fault: ['none'] });
  const head = columns.map(({ nodes, balancer, transport }) => `<th><span>${nodes} ${balancer} ${transport}</span></th>`).join('');
  const rows = AXES.fault.map(
    (fault) => `<tr><th>${fault}</th>${columns.map((column) => markOf({ ...column, fault }, results)).join('')}</tr>`,
  );
  return `<h2>${scenario}</h2><table class="matrix"><tr><th></th>${head}</tr>${rows.join('')}</table>\n`;
}

function markOf(cell: Cell, results: ReadonlyMap<string, readonly CellResult[]>): string {
  const runs = results.get(titleOf(cell));
  const reason = exclusionOf(cell);
  if (!runs) return reason === undefined ? '<td class="open">·</td>' : `<td class="excluded" title="${escaped(reason)}">–</td>`;
  const marks = runs.map(({ ok, durationMs, timeline, errors }) => {
    const mark = ok ? '✓' : '✗';
    const title = escaped([titleOf(cell), seconds(durationMs), ...errors].join('\n'));
    return timeline === undefined ? `<span title="${title}">${mark}</span>` : `<a href="${escaped(timeline)}" title="${title}">${mark}</a>`;
  });
  return `<td class="${runs.every(({ ok }) => ok) ? 'ok' : 'failed'}">${marks.join(' ')}</td>`;
}

function failureOf({ cell, errors, timeline }: CellResult, seed: number): string {
  const link = timeline === undefined ? '' : ` <a href="${escaped(timeline)}">timeline</a>`;
  const command = `npm run e2e -- ${optionsOf(cell)} --seed ${seed}`;
  return `<h3>${escaped(titleOf(cell))}</h3><p><code>${escaped(command)}</code>${link}</p><pre>${escaped(errors.join('\n\n'))}</pre>`;
}

function promisesOf(fault: Cell['fault']): string {
  const situations = new Set(product({ fault: [fault] }).map(situationOf));
  return [...situations].map((situation) => rowOf(fault, situation)).join('');
}

function rowOf(fault: Cell['fault'], situation: Situation): string {
  const { gaps, presence, source } = SITUATIONS[situation];
  const missing = gaps === 'allowed' ? 'needs a gap' : 'is lost';
  return `<tr>${[fault, situation, missing, presence, source].map((text) => `<td>${escaped(text)}</td>`).join('')}</tr>`;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 2rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .5rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); text-align: left; }
.matrix th span { writing-mode: vertical-rl; font-weight: normal; }
.matrix td { text-align: center; }
.ok { background: color-mix(in srgb, green 25%, transparent); }
.failed { background: color-mix(in srgb, red 35%, transparent); }
.excluded { opacity: .4; }
a { color: inherit; text-decoration: none; }
pre { overflow: auto; }
`;
