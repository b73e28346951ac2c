import { defineConfig } from 'vitest/config';

// Workspace packages are resolved to their sources, so no test needs a build or runs a stale one. Pages load built files.
const conditions = ['hubline-source'];

/** Tests that need nginx and HAProxy. */
const BALANCERS = 'packages/testing/test/balancers/**/*.test.ts';
/** Client libraries, ours and others, against the conformance server: in Node, and their builds in Chromium. */
const INTEROP = ['packages/testing/test/{official,hubline,conformance-server}*.test.ts', 'packages/testing/test/browsers/**/*.test.ts'];
/** The C# programs of interop/dotnet, which `scripts/dotnet.mjs` builds, and Garnet, which it installs. */
const DOTNET = ['packages/testing/test/dotnet/**/*.test.ts', 'packages/redis/test/dotnet/**/*.test.ts'];
/** Generated malformed input. */
const FUZZ = 'packages/*/test/fuzz/**/*.test.ts';
/** Tests that start server processes and a Redis for them. */
const CLUSTER = ['packages/testing/test/cluster/**/*.test.ts', 'packages/redis/test/**/*.test.ts'];
/** Tests of the example applications, which start processes too. */
const EXAMPLES = 'examples/*/test/**/*.test.ts';
/** The packed packages, installed in an empty folder outside the repository. */
const PACKAGES = 'scripts/packages/*.test.mjs';
/** The packages in other frameworks and other runtimes. */
const HOSTS = 'scripts/hosts/*.test.mjs';
/** Processes that tests start run the sources too. */
const NODE_OPTIONS = `--enable-source-maps --conditions=${conditions[0]} --import=${new URL('scripts/typescript-loader.mjs', import.meta.url).href}`;

/** Longer than Vitest's defaults, for busy machines. */
const timeouts = { testTimeout: 20_000, expect: { poll: { timeout: 10_000 } }, setupFiles: ['scripts/poll-timeout.mjs'] };
/** Of tests that start .NET or Chromium, or run bursts over long polling, which takes long on a busy machine. */
const longTimeouts = { ...timeouts, testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    // Always two workers, so that a test that passes only alone or on a fast machine fails here too.
    maxWorkers: 2,
    projects: [
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          ...timeouts,
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'scripts/**/*.test.mjs'],
          exclude: [BALANCERS, ...INTEROP, ...DOTNET, FUZZ, ...CLUSTER, PACKAGES, HOSTS],
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...longTimeouts, name: 'interop', include: INTEROP },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...timeouts, name: 'balancers', include: [BALANCERS], env: { NODE_OPTIONS } },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...longTimeouts, name: 'dotnet', include: DOTNET, globalSetup: 'scripts/redis-server.mjs' },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          ...timeouts,
          setupFiles: [...timeouts.setupFiles, 'packages/redis/test/garnet.ts'],
          name: 'cluster',
          include: CLUSTER,
          exclude: DOTNET,
          globalSetup: 'scripts/redis-server.mjs',
          env: { NODE_OPTIONS },
        },
      },
      {
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          ...timeouts,
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
        test: { ...timeouts, name: 'fuzz', include: [FUZZ] },
      },
      { test: { ...timeouts, testTimeout: 120_000, name: 'packages', include: [PACKAGES], globalSetup: 'scripts/packages/setup.mjs' } },
      { test: { ...timeouts, testTimeout: 120_000, name: 'hosts', include: [HOSTS], globalSetup: 'scripts/hosts/setup.mjs' } },
    ],
  },
});
