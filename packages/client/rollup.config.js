import { nodeResolve } from '@rollup/plugin-node-resolve';
import { browserBundle } from './scripts/browser-bundle.mjs';

/** What `tsc -b` made of the sources, as one module for each kind of runtime; dependencies stay imports. */
const library = (file, platform, input = 'build/index.js') => ({
  input,
  external: ['@hubline/protocol', '@hubline/protocol/messagepack', 'eventemitter3', 'ws'],
  plugins: [nodeResolve({ exportConditions: [platform] })],
  output: { file, format: 'es', sourcemap: true },
});

/** For a script tag: one file, one global. */
const script = (file, input) => ({ ...browserBundle(input), output: { file, format: 'iife', name: 'Hubline', sourcemap: true } });

export default [
  library('dist/index.js', 'browser'),
  library('dist/index.node.js', 'node'),
  library('dist/messagepack.js', 'browser', 'build/messagepack.js'),
  script('dist/hubline.min.js', 'build/index.js'),
  script('dist/hubline-messagepack.min.js', 'build/with-messagepack.js'),
];
