import { fileURLToPath } from 'node:url';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';

/**
 * eventemitter3's entry is CommonJS, which rollup does not read. The package has the same as an ES module, outside of
 * its `exports`.
 */
const eventEmitter = {
  name: 'eventemitter3-as-esm',
  resolveId: (id) =>
    id === 'eventemitter3' ? fileURLToPath(new URL('dist/eventemitter3.esm.js', import.meta.resolve('eventemitter3/package.json'))) : null,
};

/** Rollup's input options for everything in one minified file for browsers. */
export const browserBundle = (input) => ({
  input,
  plugins: [
    eventEmitter,
    nodeResolve({ browser: true, exportConditions: ['browser'] }),
    terser({ ecma: 2022, compress: { passes: 3 } }),
  ],
});
