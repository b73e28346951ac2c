import { defineHub } from '@hubline/protocol';
import { unauthorized, type ClientRequest, type Hub, type HubServer } from '@hubline/server';
import { userOf } from './jwt.ts';
import { InvalidOperationException, testMethods, type TestAttributes, type TestHub, type TestReceiver } from './test-hub.ts';

interface EchoHub {
  Echo(message: unknown): Promise<unknown>;
}

/** Every page, with its credentials, as the official tests have it: there is nothing here to steal. */
const ANY_PAGE = (): boolean => true;

export type AnyHub = Hub<TestReceiver, TestAttributes>;

/** Serves the hubs and the raw connection, and gives the hubs by name. */
export function serveHubs(server: HubServer): ReadonlyMap<string, AnyHub> {
  const hubs: AnyHub[] = [testHub(server, 'testhub'), testHub(server, 'testhub-nowebsockets'), authorizedHub(server), uncreatable(server)];
  server.connectionHandler(
    '/echo',
    async (connection) => {
      // As in the official tests: a page of another site that leaves its cookies at home hears nothing and is closed.
      if (connection.transportName !== 'WebSockets' && !('testCookie' in connection.request.cookies)) return;
      for await (const chunk of connection) await connection.send(chunk);
    },
    { origins: ANY_PAGE },
  );
  return new Map(hubs.map((hub) => [hub.name, hub]));
}

function testHub(server: HubServer, name: 'testhub' | 'testhub-nowebsockets'): AnyHub {
  return server.hub(
    defineHub<TestHub, TestReceiver, TestAttributes>(name, {
      Stream: 'stream',
      InfiniteStream: 'stream',
      EmptyStream: 'stream',
      StreamThrowException: 'stream',
      StreamException: 'stream',
      StreamBroken: 'stream',
      StreamingConcat: { uploads: 1 },
      StreamEcho: { stream: true, uploads: 1 },
      StreamEchoInt: { stream: true, uploads: 1 },
      StreamIAsyncConsumer: { stream: true, uploads: 1 },
    }),
    {
      path: `/${name}`,
      origins: ANY_PAGE,
      attributes: ANY,
      authenticate: ({ url }) => ({
        ...(url.searchParams.has('user') ? { userId: url.searchParams.get('user') ?? '' } : {}),
        attributes: attributesIn(url),
      }),
      ...(name === 'testhub' ? {} : { transports: ['ServerSentEvents', 'LongPolling'] as const }),
      methods: testMethods,
    },
  );
}

function authorizedHub(server: HubServer): AnyHub {
  return server.hub(defineHub<EchoHub, TestReceiver, TestAttributes>('authorizedhub'), {
    path: '/authorizedhub',
    origins: ANY_PAGE,
    attributes: ANY,
    authenticate: ({ url, token }: ClientRequest) => {
      const userId = token === undefined ? undefined : userOf(token);
      if (userId === undefined) throw unauthorized();
      return { userId, attributes: attributesIn(url) };
    },
    methods: { Echo: async (_ctx, message) => message },
  });
}

/** In .NET its constructor asks for something that cannot be had. */
function uncreatable(server: HubServer): AnyHub {
  return server.hub(defineHub<EchoHub, TestReceiver, TestAttributes>('uncreatable'), {
    path: '/uncreatable',
    origins: ANY_PAGE,
    connected: () => {
      throw new InvalidOperationException(
        "Unable to resolve service for type 'System.Object' while attempting to activate 'UncreatableHub'.",
      );
    },
    methods: { Echo: async (_ctx, message) => message },
  });
}

const PREFIX = 'attr.';

function attributesIn(url: URL): TestAttributes {
  const attributes = [...url.searchParams].filter(([name]) => name.startsWith(PREFIX));
  return Object.fromEntries(attributes.map(([name, value]) => [name.slice(PREFIX.length), value]));
}

/** Declares every attribute there could be: those whose name begins with `plain` cannot be asked for, all others can. */
const ANY = new Proxy<Record<string, 'indexed' | 'plain'>>(
  {},
  {
    get: (_none, name) => (typeof name === 'string' && name.startsWith('plain') ? 'plain' : 'indexed'),
    getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: 'indexed' }),
  },
);
