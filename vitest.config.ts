import { defineConfig } from 'vitest/config';

// Workspace packages are resolved to their sources, so that no test needs a build or sees a stale one.
const conditions = ['hubline-source'];

export default defineConfig({
  test: {
    // Two workers, however many cores there are: tests that only pass alone or on a fast machine should fail here too.
    maxWorkers: 2,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { name: 'unit', include: ['packages/*/test/**/*.test.ts', 'scripts/**/*.test.mjs'] },
      },
    ],
  },
});
