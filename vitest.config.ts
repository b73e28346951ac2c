import { defineConfig } from 'vitest/config';

// Workspace packages are resolved to their sources, so that no test needs a build or sees a stale one.
const conditions = ['hubline-source'];

/** These need nginx and HAProxy, which the fast part does without. */
const BALANCERS = 'packages/testing/test/balancers/**/*.test.ts';
/** Client libraries, ours and others, against the conformance server. */
const INTEROP = 'packages/testing/test/{official,hubline,conformance-server}*.test.ts';

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
          exclude: [BALANCERS, INTEROP],
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'interop', include: [INTEROP] },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...patience, name: 'balancers', include: [BALANCERS] },
      },
    ],
  },
});
