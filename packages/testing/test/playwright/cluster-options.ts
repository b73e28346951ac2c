import { fileURLToPath } from 'node:url';

/** Node.js 20 runs the TypeScript of the nodes by the loader of this repository. */
const LOADER = new URL('../../../../scripts/typescript-loader.mjs', import.meta.url).href;
export const clusterOptions = {
  nodes: 3,
  backplane: 'redis' as const,
  entry: fileURLToPath(new URL('./chat-node.ts', import.meta.url)),
  execArgv: ['--import', LOADER],
};
