/** The rules for imports between packages, and between the rooms of the server. scripts/architecture.mjs checks them. */

const rule = (name, comment, { from = {}, to = {} }) => ({ name, comment, severity: 'error', from, to });

const ANY_SOURCE = '^packages/[^/]+/src/';
const APPLICATIONS = '^(playground|bench|examples)/';
const sourceOf = (...packages) => `^packages/(${packages.join('|')})/src/`;

/** The rooms of packages/server/src, lowest level first. Rooms of one level do not import each other. */
const LEVELS = [['transports', 'backplane'], ['connection'], ['membership'], ['presence'], ['invocation'], ['hub'], ['node']];
const ROOMS = LEVELS.flat();
const room = (...names) => `^packages/server/src/(${names.join('|')})/`;
const ANY_ROOM = room('[^/]+');
/** The composition root is above all rooms. Any other file beside the rooms is below all of them. */
const COMPOSITION_ROOT = '^packages/server/src/(server|index)\\.ts$';

const upward = LEVELS.flatMap((level, index) =>
  level.map((name) => {
    const others = [...level.filter((other) => other !== name), ...LEVELS.slice(index + 1).flat()];
    const to = { path: [COMPOSITION_ROOT, ...(others.length > 0 ? [room(...others)] : [])] };
    return rule(`${name}-imports-upward`, 'A room imports only the rooms below it.', { from: { path: room(name) }, to });
  }),
);
const throughIndex = ROOMS.map((name) => {
  const from = { path: [ANY_SOURCE, APPLICATIONS], pathNot: room(name) };
  const to = { path: room(name), pathNot: `${room(name)}index\\.ts$` };
  return rule(`${name}-only-through-index`, 'Other rooms import only the index.ts of a room.', { from, to });
});

/** The rules do not apply to tests, which may import any file. */
export default {
  forbidden: [
    rule('no-cycles', 'Modules that import each other belong together, or need a third module.', { to: { circular: true } }),
    // Some programs import files that they have just built, and that may be missing now.
    rule('unresolved', 'The rules cannot be checked for a module that is not found.', {
      to: { couldNotResolve: true, pathNot: '^\\./build/' },
    }),
    rule('undeclared', 'The package.json of a package names every package that it imports.', {
      from: { path: ANY_SOURCE },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['npm-peer'] },
    }),
    rule('no-tests', 'No source imports a test.', { from: { path: ANY_SOURCE }, to: { path: '^packages/[^/]+/test/' } }),

    rule('protocol-is-alone', 'The protocol runs in any runtime.', {
      from: { path: sourceOf('protocol') },
      to: { pathNot: sourceOf('protocol') },
    }),
    rule('client-order', 'protocol ← client', {
      from: { path: sourceOf('client') },
      to: { path: [sourceOf('server', 'testing'), APPLICATIONS] },
    }),
    rule('client-runs-in-browsers', 'No built-ins of Node.', { from: { path: sourceOf('client') }, to: { dependencyTypes: ['core'] } }),
    rule('server-order', 'protocol ← server', {
      from: { path: sourceOf('server') },
      to: { path: [sourceOf('client', 'testing'), APPLICATIONS] },
    }),
    rule('redis-order', 'protocol, the backplane contract of the server ← redis', {
      from: { path: sourceOf('redis') },
      to: {
        path: [sourceOf('client', 'server', 'testing'), APPLICATIONS],
        pathNot: '^packages/server/src/backplane/index\\.ts$',
      },
    }),
    rule('server-knows-no-redis', 'server ← redis', { from: { path: sourceOf('server', 'client') }, to: { path: sourceOf('redis') } }),
    rule('testing-order', 'client, server, redis ← testing', { from: { path: sourceOf('testing') }, to: { path: APPLICATIONS } }),

    rule('e2e-uses-packages-as-users-do', 'The matrix suite imports what packages export, and no test.', {
      from: { path: '^packages/testing/e2e/' },
      to: {
        path: ['^packages/[^/]+/(src|test)/', APPLICATIONS],
        pathNot: ['^packages/[^/]+/src/index\\.ts$', '^packages/[^/]+/src/[^/]+/index\\.ts$'],
      },
    }),
    rule('e2e-is-alone', 'No source imports the matrix suite.', { from: { path: ANY_SOURCE }, to: { path: '^packages/testing/e2e/' } }),

    ...upward,
    ...throughIndex,
    rule('beside-the-rooms', 'A file beside the rooms imports no room; otherwise it belongs into one.', {
      from: { path: '^packages/server/src/[^/]+\\.ts$', pathNot: COMPOSITION_ROOT },
      to: { path: [ANY_ROOM, COMPOSITION_ROOT] },
    }),
    rule('unknown-room', 'A new room needs a level in LEVELS.', { from: { path: ANY_ROOM, pathNot: room(...ROOMS) } }),
    rule('redis-is-optional', 'Only the Redis backplane and the test kit load ioredis.', {
      from: { path: ANY_SOURCE, pathNot: [sourceOf('redis'), '^packages/testing/src/redis/'] },
      to: { path: 'node_modules/ioredis/' },
    }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^packages/[^/]+/(dist|build)/', '^(playground|bench|examples/[^/]+)/(dist|build)/'] },
    tsPreCompilationDeps: true, // imports of types count too
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['hubline-source', 'types', 'import', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.d.ts'],
    },
  },
};
