import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';

/** Matches the members that eventemitter3 adds to its prototype, each with all its lines. */
const MEMBERS = /^EventEmitter\.(?:prototype\.)?(\w+) = (?:function [^]*?^};|.*;)$/gm;

/** The methods that the client calls, directly or indirectly. */
const USED = ['on', 'removeListener', 'listeners'];

/** Matches eventemitter3's fallback for runtimes without Object.create. Every browser with modules has Object.create. */
const LEGACY = /^if \(Object\.create\) \{[^]*?^\}/m;

/**
 * Turns eventemitter3 into an ECMAScript module: rollup does not read CommonJS. Removes the methods that the client does not call, because
 * bundlers cannot find unused methods of a prototype.
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
        map: null, // line numbers do not change
      }
    : null,
});

/** Loads the compiler's source maps and adds the sources: the tarball does not contain those of other packages. */
export const sourceMaps = {
  name: 'source-maps',
  async load(id) {
    if (!existsSync(`${id}.map`)) return null;
    const map = JSON.parse(await readFile(`${id}.map`, 'utf8'));
    const sourcesContent = await Promise.all(map.sources.map((source) => readFile(resolve(dirname(id), source), 'utf8')));
    return { code: await readFile(id, 'utf8'), map: { ...map, sourcesContent } };
  },
};

/** Options of terser that make code harder to read. */
const UNREADABLE = ['sequences', 'conditionals', 'if_return', 'booleans', 'comparisons', 'join_vars', 'hoist_props', 'reduce_funcs'];

/** Replaces constants by their values and removes unreachable code, which bundlers do less well. */
export const foldConstants = terser({
  module: true,
  ecma: 2022,
  compress: { ...Object.fromEntries(UNREADABLE.map((name) => [name, false])), passes: 3, inline: 1 },
  mangle: false,
  format: { beautify: true, comments: 'all' },
});

/** Returns rollup's input options for one minified file for browsers. */
export const browserBundle = (input) => ({
  input,
  plugins: [
    sourceMaps,
    eventEmitter(),
    nodeResolve({ browser: true, exportConditions: ['browser', 'production'] }),
    terser({ ecma: 2022, compress: { passes: 3 } }),
  ],
});
