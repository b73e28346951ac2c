import { VERSION } from '@microsoft/signalr';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { describe, expect, it } from 'vitest';
import { HUBLINE } from '../hubline-peer.ts';
import { useChromium } from './chromium.ts';

const chromium = useChromium();
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;

/** The code of a Web Worker for each client library. It posts the messages of the server. */
const OFFICIAL = (url: string, transport: string): string => `
  importScripts(origin + '/node_modules/@microsoft/signalr/dist/browser/signalr.min.js');
  const connection = new signalR.HubConnectionBuilder()
    .withUrl('${url}/testhub', { transport: signalR.HttpTransportType.${transport} })
    .configureLogging(signalR.LogLevel.None)
    .build();
  connection.on('Message', (text) => postMessage(text));
  connection.start().then(() => connection.invoke('InvokeWithString', 'to a worker')).catch((error) => postMessage(String(error)));`;
const OURS = (url: string, transport: string): string => `
  importScripts(origin + '/packages/client/dist/hubline.min.js');
  const connection = Hubline.createHubConnection(Hubline.defineHub('testhub'), '${url}/testhub', {
    transports: [Hubline.webSockets(), Hubline.serverSentEvents(), Hubline.longPolling()].filter(({ name }) => name === '${transport}'),
    receiver: { Message: (text) => postMessage(text) },
  });
  connection.start().then(() => connection.invoke.InvokeWithString('to a worker')).catch((error) => postMessage(String(error)));`;

for (const [peer, program] of Object.entries({
  [`@microsoft/signalr ${VERSION}`]: OFFICIAL,
  [`${HUBLINE.name} ${HUBLINE.version}`]: OURS,
})) {
  describe(`${peer}, Chromium, worker, all, json`, () => {
    it.each(TRANSPORTS)('a client in a Web Worker calls the server and is called over %s', async (transport) => {
      await using server = await startConformanceServer({ port: 0 });
      const { page } = await (await chromium()).open('script-tag');
      const received = await page.evaluate(
        (source) =>
          new Promise((resolve, reject) => {
            const worker = new Worker(URL.createObjectURL(new Blob([source])));
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
          }),
        program(server.url, transport),
      );
      expect(received).toBe('to a worker');
      await page.close();
    });
  });
}
