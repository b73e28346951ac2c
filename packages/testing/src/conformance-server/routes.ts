import { ServerResponse, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { HubServer } from '@hubline/server';
import { control } from './control.ts';
import type { AnyHub } from './hubs.ts';
import { signToken } from './jwt.ts';

export interface RoutesOptions {
  readonly server: HubServer;
  readonly hubs: ReadonlyMap<string, AnyHub>;
}

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const TOKEN_LIFE_MS = 60_000;

/** Serves the HTTP routes beside the hubs that the official functional tests use (Startup.cs there). */
export class Routes {
  readonly #options: RoutesOptions;
  #redirects = 0;
  /** The number of negotiations of `/unreliable` by key. */
  readonly #negotiations = new Map<string, number>();

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  readonly answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refusal = (error: unknown): Reply => ({ status: 400, body: String(error) }); // an invalid URL or percent-encoding
    const { status = 200, headers = {}, body = '' } = await this.#reply(request).catch(refusal);
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...cors(request), ...headers }).end(body);
  };

  async #reply(request: IncomingMessage): Promise<Reply> {
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
    const path = url.pathname;
    const { server, hubs } = this.#options;
    if (request.method === 'OPTIONS') return { status: 204 };
    if (path === '/control' && request.method === 'POST') return this.#control(request);
    if (path === '/generateJwtToken')
      return { body: signToken('testuser', url.searchParams.has('expired') ? -TOKEN_LIFE_MS : TOKEN_LIFE_MS) };
    if (path === '/deployment') return json({ server: 'hubline', nodeId: server.nodeId });
    if (path.startsWith('/clientresult/')) {
      const connection = decodeURIComponent(path.slice('/clientresult/'.length));
      return { body: await this.#result(connection, url.searchParams.get('method') ?? 'Result') };
    }
    if (path.startsWith('/redirect-with-token'))
      return json({ url: `${url.origin}/authorizedhub`, accessToken: signToken('testuser', TOKEN_LIFE_MS) });
    if (path.startsWith('/unreliable')) return this.#negotiateUnreliably(url);
    if (path.startsWith('/redirect')) {
      const base = url.searchParams.get('baseUrl') ?? url.origin;
      return json({ url: `${base}/testhub?numRedirects=${++this.#redirects}` });
    }
    if (path.startsWith('/echoredirect'))
      return { status: 307, headers: { location: path.replace('/echoredirect', '/echo') + url.search } };
    if (path.startsWith('/bad-negotiate')) return { status: 400, body: 'Some response from server' };
    return { status: 404, body: `There is nothing at ${path}; the hubs are ${[...hubs.keys()].map((name) => `/${name}`).join(', ')}.` };
  }

  async #control(request: IncomingMessage): Promise<Reply> {
    const { server, hubs } = this.#options;
    let command: unknown;
    try {
      command = JSON.parse(await text(request));
    } catch {
      return { ...json({ error: { code: 'invalid_message', message: 'The body is not JSON.' } }), status: 400 };
    }
    return json(await control(command, server, hubs));
  }

  /** Redirects the first negotiation with a key to `/testhub`, refuses the next ones, as many as `refusals`, and redirects the later ones. */
  #negotiateUnreliably({ origin, searchParams }: URL): Reply {
    const key = searchParams.get('key') ?? '';
    const before = this.#negotiations.get(key) ?? 0;
    this.#negotiations.set(key, before + 1);
    const isRefused = before > 0 && before <= Number(searchParams.get('refusals'));
    return isRefused ? { status: 503 } : json({ url: `${origin}/testhub` });
  }

  /** Calls a method of the client. Returns its result, or the message of the error. */
  async #result(connection: string, method: string): Promise<string> {
    const answer = await control({ op: 'invoke', args: [{ connection }, method] }, this.#options.server, this.#options.hubs);
    return 'value' in answer ? String(answer.value) : answer.error.message;
  }
}

/** Adds cookies to negotiate responses, as the server of the official tests does. */
export class NegotiationCookies extends ServerResponse {
  constructor(request: IncomingMessage) {
    super(request);
    if (!/\/negotiate(\?|$)/.test(request.url ?? '')) return;
    const expired = 'expiredCookie=doesntmatter; Expires=Thu, 01 Jan 1970 00:00:00 GMT';
    this.setHeader('set-cookie', ['testCookie=testValue; Path=/', 'testCookie2=testValue2; Path=/', `${expired}; Path=/`]);
  }
}

const json = (value: unknown): Reply => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });

/** Allows every origin with credentials. The server has no secrets. */
function cors({ headers }: IncomingMessage): Record<string, string> {
  if (headers.origin === undefined) return {};
  const requested = headers['access-control-request-headers'];
  return {
    'access-control-allow-origin': headers.origin,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, POST, DELETE',
    ...(requested === undefined ? {} : { 'access-control-allow-headers': requested }),
    vary: 'origin',
  };
}
