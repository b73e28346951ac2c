/**
 * Global setup of the tests of hosts and runtimes: packs the packages and installs them into a folder below that of the frameworks, which
 * are installed once.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from '../packages/pack.mjs';
import { npm, tools } from '../tools.mjs';

const FRAMEWORKS = {
  express: '5.3.0',
  '@types/express': '5.0.6',
  fastify: '5.12.8',
  hono: '4.13.19',
  '@hono/node-server': '2.1.9',
  koa: '3.3.0',
  '@types/koa': '3.0.3',
  '@nestjs/core': '11.2.10',
  '@nestjs/common': '11.2.10',
  '@nestjs/platform-express': '11.2.10',
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
  next: '16.4.6',
  react: '19.2.0',
  'react-dom': '19.2.0',
  vite: '8.4.0',
  '@types/node': '20.19.43',
};

export function setup({ provide }) {
  const frameworks = tools(FRAMEWORKS);
  const folder = mkdtempSync(join(frameworks, 'application-'));
  const tarballs = pack(folder);
  const application = join(folder, 'application');
  mkdirSync(application);
  const ours = Object.fromEntries(['protocol', 'client', 'server'].map((name) => [`@hubline/${name}`, `file:${tarballs[name]}`]));
  writeFileSync(
    join(application, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies: { ...ours, ws: '8.23.0' } }),
  );
  npm(['install'], application);
  provide('application', application);
  return () => rmSync(folder, { recursive: true, force: true });
}
