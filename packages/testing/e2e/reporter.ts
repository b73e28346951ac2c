import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter';
import { titleOf, type Cell } from './axes.ts';
import type { Options } from './options.ts';
import { reportOf, type CellResult } from './report.ts';

/** Also written to, as JSON, for `npm run e2e:mutations`. */
const FOLDER = fileURLToPath(new URL('../../../.hubline/e2e/', import.meta.url));
const ERROR_LINES = 40;

/** Writes `index.html` and `results.json`, and a timeline for each cell that ran. */
export default class MatrixReporter implements Reporter {
  readonly #results: CellResult[] = [];
  readonly #startedAt = performance.now();

  onBegin(): void {
    rmSync(`${FOLDER}timelines`, { recursive: true, force: true });
    mkdirSync(`${FOLDER}timelines`, { recursive: true });
  }

  onTestEnd({ annotations }: TestCase, { status, duration, errors, attachments }: TestResult): void {
    const text = annotations.find(({ type }) => type === 'cell')?.description;
    if (text === undefined || status === 'skipped') return;
    const cell = JSON.parse(text) as Cell;
    const name = `timelines/${titleOf(cell).replace(/[ ,]+/g, '-')}-${this.#results.length + 1}.txt`;
    const parts = attachments.filter(({ body }) => body).map(({ name: part, body }) => `── ${part}\n${String(body)}`);
    if (parts.length > 0) writeFileSync(FOLDER + name, parts.join('\n\n'));
    this.#results.push({
      cell,
      ok: status === 'passed',
      durationMs: duration,
      errors: errors.map(({ message = '' }) => stripVTControlCharacters(message).split('\n').slice(0, ERROR_LINES).join('\n')),
      timeline: parts.length > 0 ? name : undefined,
    });
  }

  onEnd(_result: FullResult): void {
    const { seed } = JSON.parse(process.env.HUBLINE_E2E ?? '{}') as Options;
    const parts = { results: this.#results, seed, durationMs: performance.now() - this.#startedAt };
    writeFileSync(`${FOLDER}index.html`, reportOf(parts));
    writeFileSync(`${FOLDER}results.json`, JSON.stringify(parts, undefined, 2));
    console.log(`Seed ${seed}. Report: .hubline/e2e/index.html`);
  }
}
