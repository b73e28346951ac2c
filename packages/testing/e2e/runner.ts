import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Options } from './options.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Runs cells with Playwright, and returns its exit code. The packages must be built. */
export function runCells(options: Options): number {
  const { status } = spawnSync('npx', ['playwright', 'test', '--config', 'packages/testing/e2e/playwright.config.mjs'], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, HUBLINE_E2E: JSON.stringify(options) },
  });
  return status ?? 1;
}
