import { defineHub } from '@hubline/protocol';
import { hubError, unauthorized, type ClientRequest, type Hub, type HubServer } from '@hubline/server';
import { userOf } from './jwt.ts';
import { InvalidOperationException, testMethods, type TestAttributes, type TestHub, type TestReceiver } from './test-hub.ts';

interface EchoHub {
  Echo(message: unknown): Promise<unknown>;
}

/** Allows every origin with credentials, as the official tests need it. The server has no secrets. */
const ANY_PAGE = (): boolean => true;

export type AnyHub = Hub<TestReceiver, TestAttributes>;

/** Adds the hubs and the raw connection to the server. Returns the hubs by name. */
export function serveHubs(server: HubServer): ReadonlyMap<string, AnyHub> {
  const hubs: AnyHub[] = [testHub(server, 'testhub'), testHub(server, 'testhub-nowebsockets'), authorizedHub(server), uncreatable(server)];
  server.connectionHandler(
    '/echo',
    async (connection) => {
      // As in the official tests: a request without the cookie is closed without an echo.
      if (connection.transportName !== 'WebSockets' && !('testCookie' in connection.request.cookies)) return;
      for await (const chunk of connection) await connection.send(chunk);
    },
    { origins: ANY_PAGE },
  );
  return new Map(hubs.map((hub) => [hub.name, hub]));
}

/** Adds the hub with other time-outs and limits, those of a server of its own. */
export const serveTunedHub = (server: HubServer): AnyHub => testHub(server, 'tunedhub');

/** The options of the server of `tunedhub`. */
export const TUNED = {
  timeouts: { keepAliveMs: 500, clientMs: 4_000 },
  limits: { maxMessageBytes: 4 * 1024 * 1024, maxParallelCalls: 2 },
} as const;

function testHub(server: HubServer, name: 'testhub' | 'testhub-nowebsockets' | 'tunedhub'): AnyHub {
  return server.hub(
    defineHub<TestHub, TestReceiver, TestAttributes>(name, {
      Stream: 'stream',
      StreamNumbers: 'stream',
      StreamMany: 'stream',
      StreamFails: 'stream',
      InfiniteStream: 'stream',
      EmptyStream: 'stream',
      StreamThrowException: 'stream',
      StreamException: 'stream',
      StreamBroken: 'stream',
      StreamingConcat: { uploads: 1 },
      StreamEcho: { stream: true, uploads: 1 },
      StreamEchoInt: { stream: true, uploads: 1 },
      StreamIAsyncConsumer: { stream: true, uploads: 1 },
      StreamEchoUntilCanceled: { stream: true, uploads: 1 },
      CountInOrder: { uploads: 1 },
    }),
    {
      path: `/${name}`,
      origins: ANY_PAGE,
      attributes: ANY,
      authenticate: ({ url }) => ({
        ...(url.searchParams.has('user') ? { userId: url.searchParams.get('user') ?? '' } : {}),
        attributes: attributesIn(url),
      }),
      ...(name === 'testhub-nowebsockets' ? { transports: ['ServerSentEvents', 'LongPolling'] as const } : {}),
      use: [
        (_ctx, { method }, next) => {
          if (method === 'Refused') throw hubError('refused by a filter');
          return next();
        },
      ],
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

/** A hub that rejects every connection. In .NET a dependency of its constructor cannot be resolved. */
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

/** Declares every possible attribute: names that begin with `plain` are not indexed, all others are. */
const ANY = new Proxy<Record<string, 'indexed' | 'plain'>>(
  {},
  {
    get: (_none, name) => (typeof name === 'string' && name.startsWith('plain') ? 'plain' : 'indexed'),
    getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true, value: 'indexed' }),
  },
);
