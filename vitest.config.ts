import { defineConfig } from 'vitest/config';

// Workspace packages are resolved to their sources, so that no test needs a build or sees a stale one; pages load what was built.
const conditions = ['hubline-source'];

/** These need nginx and HAProxy, which the fast part does without. */
const BALANCERS = 'packages/testing/test/balancers/**/*.test.ts';
/** Client libraries, ours and others, against the conformance server: in Node, and in Chromium as they were built. */
const INTEROP = ['packages/testing/test/{official,hubline,conformance-server}*.test.ts', 'packages/testing/test/browsers/**/*.test.ts'];
/** Malformed input, very much of it. */
const FUZZ = 'packages/*/test/fuzz/**/*.test.ts';
/** These start processes, and a Redis for them. */
const CLUSTER = ['packages/testing/test/cluster/**/*.test.ts', 'packages/redis/test/**/*.test.ts'];
/** What is shown off, on processes too. */
const EXAMPLES = 'examples/*/test/**/*.test.ts';
/** What users install, in an empty folder outside the repository. */
const PACKAGES = 'scripts/packages/*.test.mjs';
/** Frameworks that host a hub, and runtimes other than this Node. */
const HOSTS = 'scripts/hosts/*.test.mjs';
/** Processes that tests start see the sources too. */
const NODE_OPTIONS = `--enable-source-maps --conditions=${conditions[0]} --import=${new URL('scripts/sources.mjs', import.meta.url).href}`;

/** A busy machine takes longer than Vitest's defaults allow. */
const patience = { testTimeout: 20_000, expect: { poll: { timeout: 10_000 } }, setupFiles: ['scripts/patience.mjs'] };

export default defineConfig({
  test: {
    // Two workers, however many cores there are: tests that only pass alone or on a fast machine should fail here too.
    maxWorkers: 2,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          ...patience,
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'scripts/**/*.test.mjs'],
          exclude: [BALANCERS, ...INTEROP, FUZZ, ...CLUSTER, PACKAGES, HOSTS],
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'interop', include: INTEROP },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'balancers', include: [BALANCERS] },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'cluster', include: CLUSTER, globalSetup: 'scripts/redis-server.mjs', env: { NODE_OPTIONS } },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          ...patience,
          testTimeout: 60_000, // each test starts its applications
          name: 'examples',
          include: [EXAMPLES],
          globalSetup: 'scripts/redis-server.mjs',
          env: { NODE_OPTIONS },
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'fuzz', include: [FUZZ] },
      },
      { test: { ...patience, testTimeout: 120_000, name: 'packages', include: [PACKAGES], globalSetup: 'scripts/packages/setup.mjs' } },
      { test: { ...patience, testTimeout: 120_000, name: 'hosts', include: [HOSTS], globalSetup: 'scripts/hosts/setup.mjs' } },
    ],
  },
});
