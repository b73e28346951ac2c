/** Every suite of `npm test`, in order; adding one is one row. */

const vitest = {
  args: (report) => ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
  count: ({ numPassedTests, numFailedTests }) => ({ passed: numPassedTests, failed: numFailedTests }),
};
const playwright = {
  args: () => ['--reporter=list,json'],
  env: (report) => ({ PLAYWRIGHT_JSON_OUTPUT_FILE: report }),
  count: ({ stats }) => ({ passed: stats.expected, failed: stats.unexpected + stats.flaky }),
};

/**
 * `script` is an npm script. `limitSeconds` is a promise: past it the suite is killed and has failed. `runner` reports how
 * many tests there were; a suite without one counts as one. The `fast` ones are `npm run check`: Node is all they need.
 */
export const SUITES = [
  { name: 'types', script: ['types'], limitSeconds: 120, fast: true },
  { name: 'lint', script: ['lint'], limitSeconds: 120, fast: true },
  { name: 'architecture', script: ['architecture'], limitSeconds: 60, fast: true },
  { name: 'unit', script: ['unit'], limitSeconds: 180, runner: vitest, fast: true },
  { name: 'build', script: ['build'], limitSeconds: 120 },
  { name: 'packages', script: ['packages'], limitSeconds: 60 },
  { name: 'size', script: ['size', '-w', '@hubline/client'], limitSeconds: 60 },
  { name: 'browsers', script: ['browsers'], limitSeconds: 300, runner: playwright },
];
