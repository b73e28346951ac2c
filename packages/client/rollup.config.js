import { nodeResolve } from '@rollup/plugin-node-resolve';
import { browserBundle } from './scripts/browser-bundle.mjs';

/** What `tsc -b` made of the sources, as one module for each kind of runtime; dependencies stay imports. */
const library = (file, platform) => ({
  input: 'build/index.js',
  external: ['@hubline/protocol', 'eventemitter3', 'ws'],
  plugins: [nodeResolve({ exportConditions: [platform] })],
  output: { file, format: 'es', sourcemap: true },
});

export default [
  library('dist/index.js', 'browser'),
  library('dist/index.node.js', 'node'),
  { ...browserBundle('build/index.js'), output: { file: 'dist/hubline.min.js', format: 'iife', name: 'Hubline', sourcemap: true } },
];
