import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messagePack } from '@hubline/server/messagepack';
import { createHubServer, type HubServer, type HubServerOptions } from '@hubline/server';
import { dotnetJson } from './dotnet-json.ts';
import { serveHubs, serveTunedHub, TUNED, type AnyHub } from './hubs.ts';
import { NegotiationCookies, Routes } from './routes.ts';

export interface ConformanceServerOptions extends Omit<HubServerOptions, 'detailedErrors'> {
  /** 0 chooses a free port. */
  readonly port: number;
}

export interface ConformanceServer extends AsyncDisposable {
  readonly url: string;
  readonly nodeId: string;
  readonly server: HubServer;
  /** The hubs by name. */
  readonly hubs: ReadonlyMap<string, AnyHub>;
  close(): Promise<void>;
}

/** Starts a server with the hubs, routes, cookies and errors that the functional tests of SignalR's own clients need. See the README. */
export async function startConformanceServer({ port, backplane, ...options }: ConformanceServerOptions): Promise<ConformanceServer> {
  const all = { protocols: [dotnetJson, messagePack()], ...options, detailedErrors: true };
  const server = createHubServer({ ...all, ...(backplane && { backplane }) });
  const tuned = createHubServer({ ...all, ...TUNED }); // time-outs are those of a server
  const hubs = serveHubs(server);
  serveTunedHub(tuned);
  const routes = new Routes({ server, hubs });
  const http = createServer({ ServerResponse: NegotiationCookies }, (request, response) => void routes.answer(request, response));
  server.attach(http);
  tuned.attach(http);
  http.listen(port, '127.0.0.1');
  await once(http, 'listening'); // rejects if the port is taken
  await server.ready();
  const close = async (): Promise<void> => {
    await Promise.all([server.close(), tuned.close()]);
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    nodeId: server.nodeId,
    server,
    hubs,
    close,
    [Symbol.asyncDispose]: close,
  };
}
