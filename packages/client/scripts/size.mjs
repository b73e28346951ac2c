/**
 * What an application ships: everything in one minified browser bundle, gzip -9. With WebSockets and JSON alone, and with
 * every transport. Fails over the limits. Needs `npm run build`.
 */
import { gzipSync } from 'node:zlib';
import { rollup } from 'rollup';
import { browserBundle } from './browser-bundle.mjs';

const ENTRY = 'application';

// What is not used would be shaken away: the contract and the address come from elsewhere, the connection goes there.
const WHAT = [
  { name: 'WebSockets and JSON', limitBytes: 8_400, use: 'globalThis.connect = client.createHubConnection;' },
  {
    name: 'every transport and JSON',
    limitBytes: 12_400,
    use: 'globalThis.connect = [client.createHubConnection, client.webSockets, client.serverSentEvents, client.longPolling];',
  },
];

for (const { name, limitBytes, use } of WHAT) {
  const source = `import * as client from "@hubline/client"; ${use}`;
  const application = { name: ENTRY, resolveId: (id) => (id === ENTRY ? id : null), load: (id) => (id === ENTRY ? source : null) };
  const { plugins, ...options } = browserBundle(ENTRY);
  const bundle = await rollup({ ...options, plugins: [application, ...plugins] });
  const { output } = await bundle.generate({ format: 'es' });
  const code = output.map((chunk) => chunk.code).join('');
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`createHubConnection with ${name}: ${bytes} bytes gzip (${code.length} minified), at most ${limitBytes}`);
  if (bytes > limitBytes) process.exitCode = 1;
}
