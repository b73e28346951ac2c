/**
 * What an application ships for `createHubConnection` with WebSockets and JSON: everything in one minified browser
 * bundle, gzip -9. Fails over the limit. Needs `npm run build`.
 */
import { gzipSync } from 'node:zlib';
import { rollup } from 'rollup';
import { browserBundle } from './browser-bundle.mjs';

const LIMIT_BYTES = 7_000;
const ENTRY = 'application';

const application = {
  name: ENTRY,
  resolveId: (id) => (id === ENTRY ? id : null),
  // What is not used would be shaken away: the contract and the address come from elsewhere, the connection goes there.
  load: (id) => (id === ENTRY ? 'import { createHubConnection } from "@hubline/client"; globalThis.connect = createHubConnection;' : null),
};

const { plugins, ...options } = browserBundle(ENTRY);
const bundle = await rollup({ ...options, plugins: [application, ...plugins] });
const { output } = await bundle.generate({ format: 'es' });
const code = output.map((chunk) => chunk.code).join('');
const bytes = gzipSync(code, { level: 9 }).length;
console.log(`createHubConnection with WebSockets and JSON: ${bytes} bytes gzip (${code.length} minified), at most ${LIMIT_BYTES}`);
if (bytes > LIMIT_BYTES) process.exitCode = 1;
