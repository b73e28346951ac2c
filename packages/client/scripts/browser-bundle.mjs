import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';

/** Members that eventemitter3 adds to its prototype, each up to the line that ends it. */
const MEMBERS = /^EventEmitter\.(?:prototype\.)?(\w+) = (?:function [^]*?^};|.*;)$/gm;

/** The methods that the client calls, and what they call. */
const USED = ['on', 'off', 'removeListener', 'listeners'];

/** The fallback of eventemitter3 for runtimes without Object.create: every browser that reads modules has it. */
const LEGACY = /^if \(Object\.create\) \{[^]*?^\}/m;

/**
 * eventemitter3 is CommonJS, which rollup does not read, and which needs a wrapper: its one class is all it exports. Bundlers cannot
 * tell which methods of a prototype are called, so those that are not stay out.
 */
export const eventEmitter = (...more) => ({
  name: 'eventemitter3-as-esm',
  resolveId: (id) =>
    id === 'eventemitter3' ? fileURLToPath(new URL('index.js', import.meta.resolve('eventemitter3/package.json'))) : null,
  transform: (code, id) =>
    id.endsWith('/eventemitter3/index.js') ?
      {
        code: code
          .replace(/if \([^)]*typeof module\) \{[^}]*\}/, 'export { EventEmitter };')
          .replace(LEGACY, (lines) => `Events.prototype = Object.create(null);${lines.replace(/.+/g, '')}`)
          .replace("prefix = '~'", 'prefix = false')
          .replace(MEMBERS, (lines, name) => ([...USED, ...more].includes(name) ? lines : lines.replace(/.+/g, ''))),
        map: null, // every line stays where it was
      }
    : null,
});

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

/** Options of terser that make statements harder to read. */
const UNREADABLE = ['sequences', 'conditionals', 'if_return', 'booleans', 'comparisons', 'join_vars', 'hoist_props', 'reduce_funcs'];

/** Writes constants where they are used and leaves out what never runs, which bundlers do less well. */
export const folded = terser({
  module: true,
  ecma: 2022,
  compress: { ...Object.fromEntries(UNREADABLE.map((name) => [name, false])), passes: 3, inline: 1 },
  mangle: false,
  format: { beautify: true, comments: 'all' },
});

/** Rollup's input options for everything in one minified file for browsers. */
export const browserBundle = (input) => ({
  input,
  plugins: [
    sourceMaps,
    eventEmitter(),
    nodeResolve({ browser: true, exportConditions: ['browser', 'production'] }),
    terser({ ecma: 2022, compress: { passes: 3 } }),
  ],
});
