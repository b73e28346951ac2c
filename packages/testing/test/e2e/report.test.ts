import { describe, expect, it } from 'vitest';
import { product, type Cell } from '../../e2e/axes.ts';
import { exclusionOf, EXCLUSIONS } from '../../e2e/constraints.ts';
import { reportOf, type CellResult } from '../../e2e/report.ts';

const CELL: Cell = { scenario: 'chat', nodes: '3', balancer: 'nginx', transport: 'WebSockets', fault: 'node-killed' };
const result = (changes: Partial<CellResult> = {}): CellResult => ({
  cell: CELL,
  ok: true,
  durationMs: 1500,
  errors: [],
  timeline: 'timelines/a.txt',
  ...changes,
});
const report = (...results: readonly CellResult[]) => reportOf({ results, seed: 7, durationMs: 61_000 });
const count = (text: string, part: string) => text.split(part).length - 1;

describe('the report', () => {
  it('has a mark for each cell of the product', () => {
    const page = report(result());
    const excluded = product().filter((cell) => exclusionOf(cell)).length;
    expect(count(page, '<td class="ok">')).toBe(1);
    expect(count(page, '<td class="excluded"')).toBe(excluded);
    expect(count(page, '<td class="open">')).toBe(product().length - excluded - 1);
  });

  it('names the reasons of excluded cells, with their number', () => {
    const page = report();
    for (const { reason } of EXCLUSIONS) expect(page).toMatch(new RegExp(`<li>[1-9]\\d* cells: ${reason.replace(/[.()]/g, '\\$&')}</li>`));
  });

  it('links a cell to its timeline', () => {
    expect(report(result())).toContain('<a href="timelines/a.txt" title="chat, 3 nodes, nginx, WebSockets, node-killed\n1.5 s">✓</a>');
  });

  it('shows a failed cell with its error, as text, and the command that repeats it', () => {
    const page = report(result({ ok: false, errors: ['lost: <b> & more'] }), result());
    expect(page).toContain('1 failed. Seed 7.');
    expect(page).toContain('<td class="failed">');
    expect(page).toContain('lost: &lt;b&gt; &amp; more');
    expect(page).toContain('npm run e2e -- --scenario chat --nodes 3 --balancer nginx --transport WebSockets --fault node-killed --seed 7');
  });
});
