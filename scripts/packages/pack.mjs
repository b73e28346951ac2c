import { readdirSync, readFileSync, rmSync, existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ROOT } from '../install.mjs';
import { npm } from '../tools.mjs';

/** The folders of the published packages. */
export const PACKAGES = ['protocol', 'client', 'server', 'redis', 'testing'];

/** The file that `npm run build` writes last. */
const LAST_BUILT = join(ROOT, 'packages/client/dist/hubline-messagepack.min.js');

/** Packs every package into `folder`, as npm publishes them. Builds them first if a source is newer. Returns the paths by package. */
export function pack(folder) {
  if (isStale()) npm(['run', 'build'], ROOT);
  PACKAGES.forEach(removeOrphans);
  const workspaces = PACKAGES.flatMap((name) => ['-w', `packages/${name}`]);
  const packed = JSON.parse(npm(['pack', ...workspaces, '--json', '--pack-destination', folder], ROOT));
  const files = Array.isArray(packed) ? packed : Object.values(packed);
  return Object.fromEntries(PACKAGES.map((name) => [name, join(folder, files.find((file) => file.name === `@hubline/${name}`).filename)]));
}

function isStale() {
  const builtAt = modifiedAt(LAST_BUILT);
  return PACKAGES.some((name) => {
    const sources = join(ROOT, 'packages', name, 'src');
    return readdirSync(sources, { recursive: true }).some((file) => modifiedAt(join(sources, file)) > builtAt);
  });
}

const modifiedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Deletes the output of deleted sources, which the compiler leaves and npm would pack. */
function removeOrphans(name) {
  const built = join(ROOT, 'packages', name, name === 'client' ? 'build' : 'dist');
  for (const file of readdirSync(built, { recursive: true }).filter((path) => path.endsWith('.d.ts.map'))) {
    const path = join(built, file);
    const [source] = JSON.parse(readFileSync(path, 'utf8')).sources;
    if (existsSync(resolve(dirname(path), source))) continue;
    for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map']) rmSync(path.replace(/\.d\.ts\.map$/, ending), { force: true });
  }
}
