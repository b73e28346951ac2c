/** The documents of the repository. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './install.mjs';

/** The address of the repository. */
export const REPOSITORY = 'https://github.com/hubline/hubline';

/** Folders with documents. `docs` is read with its subfolders. */
const FOLDERS = ['.', 'deploy', 'bench', 'playground', 'examples/devices'];

const markdown = (folder) => readdirSync(join(ROOT, folder)).flatMap((file) => (file.endsWith('.md') ? [join(folder, file)] : []));

/** The READMEs that npm publishes. */
export const READMES = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/README.md`);

/** The documents in `docs`, with its subfolders. */
const pages = () =>
  readdirSync(join(ROOT, 'docs'), { recursive: true })
    .filter((file) => file.endsWith('.md') && !/^(dist|\.vitepress)\b/.test(file))
    .map((file) => join('docs', file));

/** Returns the paths of all documents, from the root of the repository. */
export const documents = () => [...FOLDERS.flatMap(markdown), ...pages(), ...READMES];
