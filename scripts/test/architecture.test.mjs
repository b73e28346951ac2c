import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { violationsIn } from '../architecture.mjs';

const SERVER = 'packages/server/src';
const CLEAN = {
  'packages/protocol/src/index.ts': `export const version = 1;`,
  'packages/client/src/index.ts': `export { version } from '@hubline/protocol';`,
  'packages/redis/src/index.ts': `export const redis = 1;`,
  'packages/testing/src/index.ts': `export * from '@hubline/client'; export { server } from '@hubline/server';`,
  'playground/main.ts': `import '@hubline/testing';`,
  [`${SERVER}/index.ts`]: `export { server } from './server.ts';`,
  [`${SERVER}/server.ts`]: `import { node } from './node/index.ts'; export const server = node;`,
  [`${SERVER}/node/index.ts`]: `import { hub } from '../hub/index.ts'; export const node = hub;`,
  [`${SERVER}/clock.ts`]: `export interface Clock { now(): number }`,
  [`${SERVER}/hub/index.ts`]: `import { frame } from '../connection/index.ts'; export const hub = frame;`,
  [`${SERVER}/connection/index.ts`]: `export { frame } from './frame.ts';`,
  [`${SERVER}/connection/frame.ts`]: `import { open } from '../transports/index.ts'; export const frame = open;`,
  [`${SERVER}/transports/index.ts`]: `import type { Clock } from '../clock.ts'; export const open = (clock: Clock) => clock;`,
  [`${SERVER}/backplane/index.ts`]: `import { version } from '@hubline/protocol'; export const bus = version;`,
};

/** Returns the violations in the clean tree with some files added or removed. */
async function violationsWith(planted) {
  const root = mkdtempSync(join(tmpdir(), 'hubline-architecture-'));
  const write = (path, text) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  try {
    for (const [path, text] of Object.entries({ ...CLEAN, ...planted })) if (text !== undefined) write(path, text);
    mkdirSync(join(root, 'node_modules/@hubline'), { recursive: true });
    for (const name of ['protocol', 'client', 'server', 'redis', 'testing']) {
      const exports = { '.': { 'hubline-source': './src/index.ts', default: './dist/index.js' } };
      const dependencies = {
        '@hubline/protocol': '1',
        '@hubline/client': '1',
        '@hubline/server': '1',
        '@hubline/testing': '1',
        '@hubline/redis': '1',
      };
      write(`packages/${name}/package.json`, JSON.stringify({ name: `@hubline/${name}`, exports, dependencies }));
      symlinkSync(join(root, 'packages', name), join(root, 'node_modules/@hubline', name));
    }
    return (await violationsIn(root)).violations;
  } finally {
    rmSync(root, { recursive: true });
  }
}

it('the check finds no violation in a clean tree', async () => {
  expect(await violationsWith({})).toEqual([]);
});

const PLANTED = [
  {
    what: 'a room that imports a room above it',
    planted: {
      [`${SERVER}/transports/index.ts`]: `import { bus } from '../presence/index.ts'; export const open = bus;`,
      [`${SERVER}/presence/index.ts`]: `export const bus = 1;`,
    },
    found: `transports-imports-upward: ${SERVER}/transports/index.ts → ${SERVER}/presence/index.ts`,
  },
  {
    what: 'a room that imports a type from a room above it',
    planted: { [`${SERVER}/backplane/index.ts`]: `import type { hub } from '../hub/index.ts'; export type Bus = typeof hub;` },
    found: `backplane-imports-upward: ${SERVER}/backplane/index.ts → ${SERVER}/hub/index.ts`,
  },
  {
    what: 'a hub that imports the node that hosts it',
    planted: { [`${SERVER}/hub/index.ts`]: `import type { node } from '../node/index.ts'; export type Hub = typeof node;` },
    found: `hub-imports-upward: ${SERVER}/hub/index.ts → ${SERVER}/node/index.ts`,
  },
  {
    what: 'two rooms of one level that import each other',
    planted: { [`${SERVER}/backplane/index.ts`]: `export { open } from '../transports/index.ts';` },
    found: `backplane-imports-upward: ${SERVER}/backplane/index.ts → ${SERVER}/transports/index.ts`,
  },
  {
    what: 'an import that bypasses the index.ts of a room',
    planted: { [`${SERVER}/hub/index.ts`]: `import { frame } from '../connection/frame.ts'; export const hub = frame;` },
    found: `connection-only-through-index: ${SERVER}/hub/index.ts → ${SERVER}/connection/frame.ts`,
  },
  {
    what: 'a room that imports the composition root',
    planted: { [`${SERVER}/backplane/index.ts`]: `import type { server } from '../server.ts'; export type Bus = typeof server;` },
    found: `backplane-imports-upward: ${SERVER}/backplane/index.ts → ${SERVER}/server.ts`,
  },
  {
    what: 'a file beside the rooms that imports a room',
    planted: { [`${SERVER}/clock.ts`]: `import { frame } from './connection/index.ts'; export type Clock = typeof frame;` },
    found: `beside-the-rooms: ${SERVER}/clock.ts → ${SERVER}/connection/index.ts`,
  },
  {
    what: 'a room without a level',
    planted: { [`${SERVER}/extra/index.ts`]: `export { hub } from '../hub/index.ts';` },
    found: `unknown-room: ${SERVER}/extra/index.ts → ${SERVER}/hub/index.ts`,
  },
  {
    what: 'a client that imports the server by its name',
    planted: { 'packages/client/src/index.ts': `export { server } from '@hubline/server';` },
    found: `client-order: packages/client/src/index.ts → ${SERVER}/index.ts`,
  },
  {
    what: 'a server that imports the client by its name, at run time',
    planted: { [`${SERVER}/server.ts`]: `export const server = () => import('@hubline/client');` },
    found: `server-order: ${SERVER}/server.ts → packages/client/src/index.ts`,
  },
  {
    what: 'a testing kit that imports the playground',
    planted: { 'packages/testing/src/index.ts': `import '../../../playground/main.ts';` },
    found: 'testing-order: packages/testing/src/index.ts → playground/main.ts',
  },
  {
    what: 'a matrix suite that imports a part of the testing kit that is not exported',
    planted: {
      'packages/testing/e2e/run.ts': `import '../src/cluster/front.ts';`,
      'packages/testing/src/cluster/front.ts': `export const front = 1;`,
    },
    found: 'e2e-uses-packages-as-users-do: packages/testing/e2e/run.ts → packages/testing/src/cluster/front.ts',
  },
  {
    what: 'a testing kit that imports the matrix suite',
    planted: {
      'packages/testing/e2e/run.ts': `export const run = 1;`,
      'packages/testing/src/index.ts': `export * from '../e2e/run.ts';`,
    },
    found: 'e2e-is-alone: packages/testing/src/index.ts → packages/testing/e2e/run.ts',
  },
  {
    what: 'a protocol with a dependency',
    planted: { 'packages/protocol/src/index.ts': `import { hostname } from 'node:os'; export const version = hostname();` },
    found: 'protocol-is-alone: packages/protocol/src/index.ts → os',
  },
  {
    what: 'a package that is not declared',
    planted: { 'node_modules/ws/index.js': '', 'packages/client/src/index.ts': `export * from 'ws';` },
    found: 'undeclared: packages/client/src/index.ts → node_modules/ws/index.js',
  },
  {
    what: 'a server that imports a backplane package by its name',
    planted: {
      [`${SERVER}/server.ts`]: `export { redis as server } from '@hubline/redis';`,
    },
    found: `server-knows-no-redis: ${SERVER}/server.ts → packages/redis/src/index.ts`,
  },
  {
    what: 'an import of ioredis outside the Redis packages',
    planted: {
      'node_modules/ioredis/index.js': '',
      [`${SERVER}/redis.ts`]: `import 'ioredis'; import './hub/index.ts';`,
      [`${SERVER}/backplane/index.ts`]: `import 'ioredis'; export const bus = 1;`,
    },
    found: `redis-is-optional: ${SERVER}/backplane/index.ts → node_modules/ioredis/index.js`,
  },
  {
    what: 'a cycle',
    planted: {
      'packages/protocol/src/index.ts': `import type { b } from './b.ts'; export const version = 1; export type A = typeof b;`,
      'packages/protocol/src/b.ts': `import { version } from './index.ts'; export const b = version;`,
    },
    found: 'no-cycles: packages/protocol/src/b.ts → packages/protocol/src/index.ts → packages/protocol/src/b.ts',
  },
  {
    what: 'a module that cannot be found',
    planted: { 'packages/client/src/index.ts': `export * from './gone.ts';` },
    found: 'unresolved: packages/client/src/index.ts → ./gone.ts',
  },
];
for (const { what, planted, found } of PLANTED) {
  it(`the check finds ${what}`, async () => {
    expect(await violationsWith(planted)).toContain(found);
  });
}

it('the check fails if it read no module of a package', async () => {
  await expect(violationsWith({ 'packages/client/src/index.ts': undefined })).rejects.toThrow('No module was read in packages/client/src.');
});
