import react from '@vitejs/plugin-react';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vite';

const BUNDLE = 'hubline.min.js';
const bundle = () => readFileSync(join(import.meta.dirname, '../packages/client/dist', BUNDLE));

/** Puts the client's script-tag bundle beside the pages. */
const scriptTag = {
  name: 'script-tag',
  configureServer: ({ middlewares }) =>
    void middlewares.use(`/${BUNDLE}`, (_request, response) => response.setHeader('content-type', 'text/javascript').end(bundle())),
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: BUNDLE, source: bundle() });
  },
};

export default defineConfig(({ command }) => ({
  root: import.meta.dirname,
  plugins: [react(), scriptTag],
  // `vite serve` uses the sources of the packages; a build uses their built files, as applications do.
  resolve: command === 'serve' ? { conditions: ['hubline-source', 'module', 'browser', 'development'] } : {},
  build: { target: 'es2023', cssTarget: ['chrome123', 'firefox120', 'safari17.5'], sourcemap: true },
  worker: { format: 'es' },
}));
