/** The order of the packages, and of the rooms inside the server. scripts/architecture.mjs runs it. */

const rule = (name, comment, { from = {}, to = {} }) => ({ name, comment, severity: 'error', from, to });

const ANY_SOURCE = '^packages/[^/]+/src/';
const APPLICATIONS = '^(playground|bench|examples)/';
const sourceOf = (...packages) => `^packages/(${packages.join('|')})/src/`;

/** Rooms of packages/server/src, lowest first. Those of one floor know nothing of each other. */
const FLOORS = [['transports', 'backplane'], ['connection'], ['membership'], ['presence'], ['invocation'], ['hub'], ['node']];
const ROOMS = FLOORS.flat();
const room = (...names) => `^packages/server/src/(${names.join('|')})/`;
const ANY_ROOM = room('[^/]+');
/** What puts the rooms together is above them all. Any other file beside the rooms is below them all. */
const ROOF = '^packages/server/src/(server|index)\\.ts$';

const notUp = FLOORS.flatMap((floor, level) =>
  floor.map((name) => {
    const others = [...floor.filter((sibling) => sibling !== name), ...FLOORS.slice(level + 1).flat()];
    const to = { path: [ROOF, ...(others.length > 0 ? [room(...others)] : [])] };
    return rule(`${name}-looks-up`, 'A room knows only the rooms below it.', { from: { path: room(name) }, to });
  }),
);
const doors = ROOMS.map((name) => {
  const from = { path: [ANY_SOURCE, APPLICATIONS], pathNot: room(name) };
  const to = { path: room(name), pathNot: `${room(name)}index\\.ts$` };
  return rule(`${name}-has-a-door`, 'Others import the index.ts of a room, and nothing behind it.', { from, to });
});

/** Tests are free: they open doors, and client and server meet there. */
export default {
  forbidden: [
    rule('no-cycles', 'What needs each other is one thing, or lacks a third.', { to: { circular: true } }),
    // Starters import what they have just built, which need not be there now.
    rule('unresolved', 'Of what cannot be found nothing can be said.', { to: { couldNotResolve: true, pathNot: '^\\./build/' } }),
    rule('undeclared', 'The package.json of a package names what it needs.', {
      from: { path: ANY_SOURCE },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['npm-peer'] },
    }),
    rule('no-tests', 'No source imports a test.', { from: { path: ANY_SOURCE }, to: { path: '^packages/[^/]+/test/' } }),

    rule('protocol-is-alone', 'The protocol runs anywhere.', {
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

    ...notUp,
    ...doors,
    rule('ground', 'A file beside the rooms imports none of them; otherwise it belongs into one.', {
      from: { path: '^packages/server/src/[^/]+\\.ts$', pathNot: ROOF },
      to: { path: [ANY_ROOM, ROOF] },
    }),
    rule('unknown-room', 'A new room needs its place in FLOORS.', { from: { path: ANY_ROOM, pathNot: room(...ROOMS) } }),
    rule('redis-is-optional', 'Only the Redis backplane and the test kit load ioredis.', {
      from: { path: ANY_SOURCE, pathNot: [sourceOf('redis'), '^packages/testing/src/redis/'] },
      to: { path: 'node_modules/ioredis/' },
    }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^packages/[^/]+/(dist|build)/', '^(playground|bench|examples/[^/]+)/(dist|build)/'] },
    tsPreCompilationDeps: true, // a type is a dependency too
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['hubline-source', 'types', 'import', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.d.ts'],
    },
  },
};
