import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubOptions, type HubServerOptions } from '@hubline/server';
import { rawRequest, upgradeLines } from './raw-client.ts';
import type { TestClock } from './test-clock.ts';

export interface Echo {
  echo(value: unknown): Promise<unknown>;
  whoAmI(): Promise<readonly [connectionId: string, userId: string | null]>;
}
interface Attributes {
  level: number;
}
type Options = Partial<HubOptions<Echo, Record<never, never>, Attributes, Record<never, never>>>;
export const echo = defineHub<Echo, Record<never, never>, Attributes>('echo');

/** Starts a server with one hub, and returns functions that negotiate. */
export async function start(options: Options = {}, { clock, ...serverOptions }: HubServerOptions & { readonly clock?: TestClock } = {}) {
  const server = createHubServer({ nodeId: 'api-1', ...serverOptions }, clock);
  const errors: [stage: string, error: unknown][] = [];
  server.on('error', (...error) => errors.push(error));
  const hub = server.hub(echo, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      whoAmI: async (ctx) => [ctx.connectionId, ctx.userId ?? null],
    },
    ...options,
  });
  const port = await server.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${port}/hub`;
  return {
    server,
    hub,
    errors,
    port,
    url,
    post: (query: string, headers: Record<string, string> = {}) => fetch(`${url}/negotiate${query}`, { method: 'POST', headers }),
    negotiate: async (query = '?negotiateVersion=1', headers: Record<string, string> = {}) => {
      const response = await fetch(`${url}/negotiate${query}`, { method: 'POST', headers });
      return (await response.json()) as { connectionId: string; connectionToken: string };
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Returns the response that refuses an upgrade. */
export async function refusal(port: number, target: string, headers: Record<string, string> = {}) {
  const answer = await rawRequest(port, upgradeLines(target, headers));
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head, body };
}
