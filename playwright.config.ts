import { defineConfig } from '@playwright/test';
import { chromiumLaunch, programs } from './scripts/programs.mjs';

process.env.HUBLINE_REDIS_SERVER = (await programs(['redis-server']))['redis-server'];

/** The browser tests. They need a build by `node playground/build.mjs`; `npm run browsers` builds and tests. */
export default defineConfig({
  testDir: '.',
  testMatch: ['playground/test/**/*.spec.ts', 'packages/testing/test/playwright/**/*.spec.ts'],
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: true,
  timeout: 45_000,
  expect: { timeout: 15_000 },
  use: {
    launchOptions: await chromiumLaunch(),
    actionTimeout: 15_000,
  },
});
