/**
 * Builds the site of the documentation into `docs/dist`, which any static host can serve. `--serve` serves it at once, and follows the
 * documents; it needs no build. The build fails for links to pages, files or headings that do not exist.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { install, ROOT } from '../install.mjs';

install();
const { assemble } = await import('./assemble.mjs');
const { generateReference } = await import('./reference.mjs');
const { siteTools } = await import('./tools.mjs');

const isServing = process.argv.includes('--serve');
const programs = siteTools();
const api = join(ROOT, '.hubline/api');
const source = join(programs, 'site'); // below the folder with VitePress, so that the theme finds it
mkdirSync(api, { recursive: true });

if (!isServing || !existsSync(join(api, 'packages'))) generateReference(api, programs);
console.log(`note: ${assemble(source, { api, programs })} pages`);

const vitepress = (...args) => [join(programs, 'node_modules/vitepress/bin/vitepress.js'), ...args];
const args =
  isServing ? vitepress('dev', source, ...process.argv.slice(3)) : vitepress('build', source, '--outDir', join(ROOT, 'docs/dist'));
const child = spawn(process.execPath, args, { cwd: programs, stdio: 'inherit' });
child.on('exit', (code) => process.exit(code ?? 1));

if (isServing) for (const folder of ['docs', '.']) follow(join(ROOT, folder));

/** Assembles the pages again when a document changes. */
function follow(folder) {
  watch(folder, { recursive: folder.endsWith('docs') }, (_event, file) => {
    if (/\.md$/.test(file ?? '') && !file.startsWith('dist')) assemble(source, { api, programs });
  });
}
