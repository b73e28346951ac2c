/**
 * Global setup of the tests of the packages: packs them and installs them into an empty folder outside the repository, as an application
 * does.
 */
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../install.mjs';
import { npm, tools } from '../tools.mjs';
import { PACKAGES, pack } from './pack.mjs';

/** Other packages of the test applications, in the versions of this repository. */
const OTHERS = [
  'vite',
  'react',
  'react-dom',
  '@types/react',
  '@types/react-dom',
  '@vitejs/plugin-react',
  'typescript',
  '@types/node',
  'zod',
  'vitest',
  'ws',
  '@playwright/test',
];

/** The tools that check the packages, such as the oldest and the newest compiler. */
const CHECKERS = {
  '@arethetypeswrong/cli': '0.18.5',
  pnpm: '10.34.9',
  'typescript-5.4': 'npm:typescript@5.4.5',
  'typescript-7.0': 'npm:typescript@7.0.2',
};

export function setup({ provide }) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hubline-packages-')));
  const tarballs = pack(folder);
  const consumer = join(folder, 'consumer');
  cpSync(join(ROOT, 'scripts/packages/consumer'), consumer, { recursive: true });
  writeFileSync(join(consumer, 'package.json'), JSON.stringify(manifest(tarballs), null, 2));
  npm(['install'], consumer);
  provide('folder', folder);
  provide('consumer', consumer);
  provide('tarballs', tarballs);
  provide('checkers', tools(CHECKERS));
  return () => rmSync(folder, { recursive: true, force: true });
}

/** Returns a package.json. Its overrides replace our packages, which are in no registry, by the tarballs. */
function manifest(tarballs) {
  const ours = Object.fromEntries(PACKAGES.map((name) => [`@hubline/${name}`, `file:${tarballs[name]}`]));
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const others = OTHERS.map((name) => [name, packages[`node_modules/${name}`].version]);
  return {
    name: 'consumer',
    private: true,
    type: 'module',
    dependencies: { ...ours, ...Object.fromEntries(others), esbuild: '0.28.2', vue: '3.5.45', svelte: '5.57.3' },
    overrides: Object.fromEntries(Object.keys(ours).map((name) => [name, `$${name}`])),
  };
}
