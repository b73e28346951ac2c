import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';

/** eventemitter3 is CommonJS, which rollup does not read, and which needs a wrapper: its one class is all it exports. */
const eventEmitter = {
  name: 'eventemitter3-as-esm',
  resolveId: (id) =>
    id === 'eventemitter3' ? fileURLToPath(new URL('index.js', import.meta.resolve('eventemitter3/package.json'))) : null,
  transform: (code, id) =>
    id.endsWith('/eventemitter3/index.js') ? code.replace(/if \([^)]*typeof module\) \{[^}]*\}/, 'export { EventEmitter };') : null,
};

/** Rollup's input options for everything in one minified file for browsers. */
export const browserBundle = (input) => ({
  input,
  plugins: [eventEmitter, nodeResolve({ browser: true, exportConditions: ['browser'] }), terser({ ecma: 2022, compress: { passes: 3 } })],
});
