import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NODE_ACTIONS } from '../contract.ts';
import { Cluster } from './cluster.ts';
import { listenFrom } from './ports.ts';

export { files } from './files.ts';

export interface PlaygroundOptions {
  /** Creates the request listener that serves the page on an HTTP server. */
  readonly page: (server: Server) => RequestListener | Promise<RequestListener>;
  /** The page's port; the nodes listen on the three after it. A busy port is reported, and the next one tried. 0: any. Default 4000. */
  readonly port?: number;
  /** The URL of a Redis. Each node is then a process of its own. Default: all nodes in this process, with the memory backplane. */
  readonly redis?: string | undefined;
  readonly report?: (line: string) => void;
}

export interface Playground extends AsyncDisposable {
  /** The URL of the page. */
  readonly url: string;
  readonly cluster: Cluster;
  close(): Promise<void>;
}

/** This machine only: the playground has no authentication, and every user may stop a node. */
const HOST = '127.0.0.1';

/** Starts three nodes and the server of the page. */
export async function startPlayground({ page, port = 4000, redis, report = () => {} }: PlaygroundOptions): Promise<Playground> {
  const server = createServer();
  const listen = async (candidate: number): Promise<number> => {
    server.listen(candidate, HOST);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const pagePort = await listenFrom(port, listen, (busy) => report(`Port ${busy} is taken.`));
  const origins = [HOST, 'localhost'].map((host) => `http://${host}:${pagePort}`);
  const cluster = await Cluster.start({ origins, port: port && pagePort + 1, host: HOST, redis, report }).catch((error: unknown) => {
    server.close();
    throw error;
  });
  const servePage = await page(server);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/cluster.json') return answer(response, 200, cluster.map);
    if (request.method === 'POST')
      return void control(request, { cluster, origins }).then(([status, body]) => answer(response, status, body));
    void servePage(request, response);
  });

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      server.close();
      server.closeAllConnections();
      await cluster.close();
    })());
  return { url: `http://${HOST}:${pagePort}`, cluster, close, [Symbol.asyncDispose]: close };
}

/** Handles `POST /nodes/node-2/stop` and the other actions. Checks the origin: any page in the browser could send such a request. */
async function control(
  { url = '', headers: { origin = '' } }: IncomingMessage,
  { cluster, origins }: { readonly cluster: Cluster; readonly origins: readonly string[] },
): Promise<readonly [status: number, body: object]> {
  const [, nodeId, name] = /^\/nodes\/([\w-]+)\/(\w+)$/.exec(url) ?? [];
  const action = NODE_ACTIONS.find((known) => known === name);
  if (nodeId === undefined || !action) return [404, {}];
  if (!origins.includes(origin)) return [403, {}];
  try {
    return [(await cluster.change(nodeId, action)) ? 200 : 404, {}];
  } catch (error) {
    return [500, { error: String(error) }];
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
