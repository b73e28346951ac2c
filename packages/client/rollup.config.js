import { nodeResolve } from '@rollup/plugin-node-resolve';
import { browserBundle, eventEmitter, folded, sourceMaps } from './scripts/browser-bundle.mjs';

/**
 * What `tsc -b` made of the sources, as one module for each kind of runtime; dependencies stay imports. Browsers read no
 * CommonJS, so the module for them contains eventemitter3: it needs neither a bundler nor a bundler's wrapper.
 */
// One of `development` and `production` is named: otherwise NODE_ENV would decide.
const library = (file, [platform, ...others], input = 'build/index.js') => ({
  input,
  external: ['@hubline/protocol', '@hubline/protocol/messagepack', 'ws', ...(platform === 'node' ? ['eventemitter3'] : [])],
  plugins: [
    sourceMaps,
    eventEmitter(...(others.includes('development') ? ['eventNames'] : [])),
    nodeResolve({ exportConditions: [platform, ...others] }),
    ...(platform === 'browser' && others.includes('production') ? [folded] : []),
  ],
  output: { file, format: 'es', sourcemap: true },
});

const BANNER = '/*! @hubline/client: MIT licence. Contains eventemitter3, (c) 2014 Arnout Kazemier: MIT licence. */';

/** Everything in one minified file: for a script tag, one global; for `<script type="module">`, one module. */
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
