/**
 * What `messagePack()` adds to an application: everything in one minified browser bundle with it and without it, gzip -9.
 * Fails over the limit. Needs `npm run build`.
 */
import { gzipSync } from 'node:zlib';
import { rollup } from 'rollup';
import { browserBundle } from './browser-bundle.mjs';

const LIMIT_BYTES = 8_000;
const ENTRY = 'application';
const CLIENT = 'import { createHubConnection } from "@hubline/client"; globalThis.connect = createHubConnection;';
const MESSAGEPACK = 'import { messagePack } from "@hubline/client/messagepack"; globalThis.messagePack = messagePack;';

async function gzipBytes(code) {
  const application = { name: ENTRY, resolveId: (id) => (id === ENTRY ? id : null), load: (id) => (id === ENTRY ? code : null) };
  const { plugins, ...options } = browserBundle(ENTRY);
  const bundle = await rollup({ ...options, plugins: [application, ...plugins] });
  const { output } = await bundle.generate({ format: 'es' });
  return gzipSync(output.map((chunk) => chunk.code).join(''), { level: 9 }).length;
}

const bytes = (await gzipBytes(CLIENT + MESSAGEPACK)) - (await gzipBytes(CLIENT));
console.log(`messagePack() adds ${bytes} bytes gzip, at most ${LIMIT_BYTES}`);
if (bytes > LIMIT_BYTES) process.exitCode = 1;
