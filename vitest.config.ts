import { defineConfig } from 'vitest/config';

// Workspace packages are resolved to their sources, so that no test needs a build or sees a stale one.
const conditions = ['hubline-source'];

/** These need nginx and HAProxy, which the fast part does without. */
const BALANCERS = 'packages/testing/test/balancers/**/*.test.ts';
/** Client libraries, ours and others, against the conformance server. */
const INTEROP = 'packages/testing/test/{official,hubline,conformance-server}*.test.ts';

export default defineConfig({
  test: {
    // Two workers, however many cores there are: tests that only pass alone or on a fast machine should fail here too.
    maxWorkers: 2,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { name: 'unit', include: ['packages/*/test/**/*.test.ts', 'scripts/**/*.test.mjs'], exclude: [BALANCERS, INTEROP] },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { name: 'interop', include: [INTEROP], testTimeout: 20_000 },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { name: 'balancers', include: [BALANCERS], testTimeout: 20_000 },
      },
    ],
  },
});
