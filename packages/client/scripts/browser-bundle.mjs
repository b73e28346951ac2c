import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';

/** Methods of eventemitter3 that the client does not call, up to the line that ends them. */
const UNUSED =
  /^EventEmitter\.(?:prototype\.)?(?:eventNames|listeners|listenerCount|once|removeAllListeners|addListener|prefixed|EventEmitter) = (?:function [^]*?^};|.*;)$/gm;

/**
 * eventemitter3 is CommonJS, which rollup does not read, and which needs a wrapper: its one class is all it exports. Bundlers cannot
 * tell which methods of a prototype are called, so those that are not stay out.
 */
export const eventEmitter = {
  name: 'eventemitter3-as-esm',
  resolveId: (id) =>
    id === 'eventemitter3' ? fileURLToPath(new URL('index.js', import.meta.resolve('eventemitter3/package.json'))) : null,
  transform: (code, id) =>
    id.endsWith('/eventemitter3/index.js') ?
      {
        code: code
          .replace(/if \([^)]*typeof module\) \{[^}]*\}/, 'export { EventEmitter };')
          .replace(UNUSED, (lines) => lines.replace(/.+/g, '')),
        map: null, // every line stays where it was
      }
    : null,
};

/** The compiler's source maps, with the sources in them: those of other packages are in no tarball of this one. */
export const sourceMaps = {
  name: 'source-maps',
  async load(id) {
    if (!existsSync(`${id}.map`)) return null;
    const map = JSON.parse(await readFile(`${id}.map`, 'utf8'));
    const sourcesContent = await Promise.all(map.sources.map((source) => readFile(resolve(dirname(id), source), 'utf8')));
    return { code: await readFile(id, 'utf8'), map: { ...map, sourcesContent } };
  },
};

/** Rollup's input options for everything in one minified file for browsers. */
export const browserBundle = (input) => ({
  input,
  plugins: [
    sourceMaps,
    eventEmitter,
    nodeResolve({ browser: true, exportConditions: ['browser', 'production'] }),
    terser({ ecma: 2022, compress: { passes: 3 } }),
  ],
});
