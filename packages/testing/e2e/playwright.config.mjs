import { defineConfig } from '@playwright/test';
import { chromiumLaunch, programs } from '../../../scripts/programs.mjs';

const { repeat = 1 } = JSON.parse(process.env.HUBLINE_E2E ?? '{}');
const found = await programs(['redis-server', 'nginx', 'haproxy']);
for (const [name, path] of Object.entries(found)) process.env[`HUBLINE_${name.toUpperCase().replace('-', '_')}`] = path;

/** The matrix of scenarios, topologies, transports and faults: `npm run e2e`. */
export default defineConfig({
  testDir: '.',
  testMatch: 'matrix.spec.ts',
  outputDir: '../../../.hubline/e2e/results',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  repeatEach: repeat,
  timeout: 150_000, // a rolling deploy with long polling took 66 s on two busy cores
  reporter: [['list'], ['./reporter.ts']],
  use: { launchOptions: await chromiumLaunch(), actionTimeout: 15_000 },
});
