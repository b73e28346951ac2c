/**
 * The suites of `npm test`, in order. After `limitSeconds` a suite is killed and has failed. `runner` reads the number of tests from a
 * report; a suite without a runner counts as one test. `npm run check` runs the suites that are `fast`, which need only Node.
 */
const script = (...args) => ['npm', 'run', ...args, '--'];

const vitest = {
  args: (report) => ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
  count: ({ numPassedTests, numFailedTests, numPendingTests }) => ({
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests,
  }),
};
const playwright = {
  args: () => ['--reporter=list,json'],
  env: (report) => ({ PLAYWRIGHT_JSON_OUTPUT_FILE: report }),
  count: ({ stats }) => ({ passed: stats.expected, failed: stats.unexpected + stats.flaky }),
};

export const SUITES = [
  { name: 'types', command: script('types'), limitSeconds: 240, fast: true },
  { name: 'lint', command: script('lint'), limitSeconds: 240, fast: true },
  { name: 'architecture', command: script('architecture'), limitSeconds: 60, fast: true },
  { name: 'unit', command: script('unit'), limitSeconds: 360, runner: vitest, fast: true },
  { name: 'other-node', command: script('other-node'), limitSeconds: 300, runner: vitest },
  { name: 'fuzz', command: script('fuzz'), limitSeconds: 300, runner: vitest },
  { name: 'interop', command: script('interop'), limitSeconds: 400, runner: vitest },
  { name: 'dotnet', command: script('dotnet'), limitSeconds: 400, runner: vitest },
  { name: 'balancers', command: script('balancers'), limitSeconds: 120, runner: vitest },
  { name: 'cluster', command: script('cluster'), limitSeconds: 900, runner: vitest },
  { name: 'examples', command: script('examples'), limitSeconds: 180, runner: vitest },
  { name: 'build', command: script('build'), limitSeconds: 120 },
  { name: 'docs', command: script('docs'), limitSeconds: 300 },
  { name: 'packages', command: script('packages'), limitSeconds: 360, runner: vitest },
  { name: 'hosts', command: script('hosts'), limitSeconds: 480, runner: vitest },
  { name: 'browsers', command: script('browsers'), limitSeconds: 300, runner: playwright },
];
