import { nodeResolve } from '@rollup/plugin-node-resolve';
import { browserBundle, eventEmitter, foldConstants, sourceMaps } from './scripts/browser-bundle.mjs';

/**
 * Bundles the output of `tsc -b` as one module for each kind of runtime. Dependencies stay imports, except that the modules for browsers
 * contain eventemitter3, because browsers cannot load CommonJS. `others` has `development` or `production`: otherwise NODE_ENV would decide.
 */
const library = (file, [platform, ...others], input = 'build/index.js') => ({
  input,
  external: ['@hubline/protocol', '@hubline/protocol/messagepack', 'ws', ...(platform === 'node' ? ['eventemitter3'] : [])],
  plugins: [
    sourceMaps,
    eventEmitter(...(others.includes('development') ? ['eventNames'] : [])),
    nodeResolve({ exportConditions: [platform, ...others] }),
    ...(platform === 'browser' && others.includes('production') ? [foldConstants] : []),
  ],
  output: { file, format: 'es', sourcemap: true },
});

const BANNER = '/*! @hubline/client: MIT licence. Contains eventemitter3, (c) 2014 Arnout Kazemier: MIT licence. */';

/** Bundles everything into one minified file: a global for script tags, or a module for `<script type="module">`. */
const bundle = (file, input, output = { format: 'iife', name: 'Hubline' }) => ({
  ...browserBundle(input),
  output: { file, sourcemap: true, banner: BANNER, ...output },
});

export default [
  library('dist/index.js', ['browser', 'production']),
  library('dist/index.development.js', ['browser', 'development']),
  library('dist/index.node.js', ['node', 'production']),
  library('dist/messagepack.js', ['browser', 'production'], 'build/messagepack.js'),
  bundle('dist/hubline.min.js', 'build/index.js'),
  bundle('dist/hubline.min.mjs', 'build/index.js', { format: 'es' }),
  bundle('dist/hubline-messagepack.min.js', 'build/with-messagepack.js'),
];
