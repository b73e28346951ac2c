import type { Behaviour } from './behaviour.ts';
import { rejects, same, Deferred } from './check.ts';
import { loseAndReconnect } from './reconnecting.ts';
import { nextEvent } from './world.ts';

/** Start and end of connections, with every protocol. */
export const LIFECYCLE: readonly Behaviour[] = [
  {
    name: 'uses the given transport',
    async run(world) {
      same(await (await world.started()).invoke('GetActiveTransportName'), world.transport);
    },
  },
  {
    name: 'stops and starts again as another connection',
    async run(world) {
      const connection = world.connection();
      const ids = new Set<unknown>();
      for (let i = 0; i < 2; i++) {
        await connection.start();
        ids.add(await connection.invoke('GetCallerConnectionId'));
        await connection.stop();
      }
      same(ids.size, 2);
    },
  },
  {
    name: 'keeps its receivers when it starts again',
    async run(world) {
      const connection = world.connection();
      const messages: unknown[] = [];
      let received = new Deferred();
      connection.on('Message', (text) => {
        messages.push(text);
        received.resolve();
      });
      for (let i = 0; i < 2; i++) {
        received = new Deferred();
        await connection.start();
        await connection.invoke('InvokeWithString', `message ${i}`);
        await received.promise; // the .NET client calls its handlers apart from the results of calls
        await connection.stop();
      }
      same(messages, ['message 0', 'message 1']);
    },
  },
  {
    name: 'has the same connection id as the server',
    async run(world) {
      const connection = await world.started();
      same(await connection.invoke('GetCallerConnectionId'), connection.connectionId);
    },
  },
  {
    name: 'receives the error of a hub that cannot be created',
    async run(world) {
      const connection = world.connection('/uncreatable');
      const closed = new Deferred();
      connection.onClosed((error) => (error ? closed.reject(error) : closed.resolve()));
      // The close message may arrive together with the handshake response. Then start rejects.
      await rejects(
        connection.start().then(() => closed.promise),
        'Connection closed with an error. InvalidOperationException: Unable to resolve service',
      );
    },
  },
  {
    name: 'closes without a reconnect when the server ends the connection',
    async run(world) {
      const connection = world.connection('/testhub', { reconnects: true });
      const closed = new Deferred();
      connection.onClosed(() => closed.resolve());
      connection.onReconnecting(() => closed.reject(new Error('The client reconnects.')));
      await connection.start();
      connection.invoke('Abort').catch(() => undefined); // the connection may close before its result arrives
      await closed.promise;
    },
  },
  {
    name: 'rejects pending calls when the connection stops',
    async run(world) {
      const connection = await world.started();
      const open = rejects(connection.invoke('StreamingConcat', world.upload()), '');
      await connection.stop();
      await open;
    },
  },
];

/** Behaviours that depend on the transport and not on the protocol. */
export const CONNECTING: readonly Behaviour[] = [
  {
    name: 'connects with a token',
    async run(world) {
      const token = await world.get('/generateJwtToken');
      const connection = await world.started('/authorizedhub', { accessToken: () => token });
      same(await connection.invoke('Echo', 'let in'), 'let in');
    },
  },
  {
    name: 'connects with a token from a promise',
    async run(world) {
      const connection = await world.started('/authorizedhub', { accessToken: () => world.get('/generateJwtToken') });
      same(await connection.invoke('Echo', 'let in'), 'let in');
    },
  },
  {
    name: 'is refused without a token',
    async run(world) {
      const start = world.connection('/authorizedhub').start();
      await rejects(start, "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'");
    },
  },
  {
    name: 'is refused with a token that has expired',
    async run(world) {
      const token = await world.get('/generateJwtToken?expired');
      const start = world.connection('/authorizedhub', { accessToken: () => token }).start();
      await rejects(start, "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'");
    },
  },
  {
    name: 'connects with a token in the query of its URL',
    async run(world) {
      const token = await world.get('/generateJwtToken');
      const connection = await world.started(`/authorizedhub?access_token=${token}`);
      same(await connection.invoke('Echo', 'let in'), 'let in');
    },
  },
  {
    name: 'connects with a token in a header',
    async run(world) {
      const token = await world.get('/generateJwtToken');
      const connection = await world.started('/authorizedhub', { headers: { Authorization: `Bearer ${token}` } });
      same(await connection.invoke('Echo', 'let in'), 'let in');
    },
  },
  {
    name: 'uses the token of a redirect',
    async run(world) {
      same(await (await world.started('/redirect-with-token')).invoke('Echo', 'let in'), 'let in');
    },
  },
  {
    name: 'reconnects with another id',
    async run(world) {
      const connection = world.connection('/testhub', { reconnects: true });
      const reconnecting = new Deferred();
      connection.onReconnecting(() => reconnecting.resolve());
      await connection.start();
      const before = connection.connectionId;
      const id = await loseAndReconnect(connection);
      await reconnecting.promise;
      same(id, connection.connectionId);
      if (connection.connectionId === before) throw new Error('The connection has the id of the one before.');
      same(await connection.invoke('GetCallerConnectionId'), connection.connectionId);
      same(await connection.invoke('Echo', 'again'), 'again');
    },
  },
  {
    name: 'reconnects to another address',
    async run(world) {
      const connection = world.connection('/testhub', { reconnects: true });
      connection.onReconnecting(() => connection.moveTo(`${world.url}/testhub?numRedirects=7`));
      await connection.start();
      same(await connection.invoke('GetNumRedirects'), 0);
      await loseAndReconnect(connection);
      same(await connection.invoke('GetNumRedirects'), 7);
    },
  },
  {
    name: 'sends its name in its headers',
    async run(world) {
      const connection = await world.started();
      const [plain, other] = (await connection.invoke('GetHeaderValues', ['User-Agent', 'X-SignalR-User-Agent'])) as readonly unknown[];
      const text = String(other ?? plain);
      if (!/^(Microsoft SignalR|Hubline)\//.test(text)) throw new Error(`Its user agent is "${text}".`);
    },
  },
  {
    name: 'sends the given headers',
    async run(world) {
      const connection = await world.started('/testhub', { headers: { 'X-Mine': 'mine' } });
      same(await connection.invoke('GetHeader', 'x-mine'), 'mine');
    },
  },
  {
    name: 'sends a given user agent instead of its own',
    async run(world) {
      const connection = await world.started('/testhub', { headers: { 'User-Agent': 'My agent' } });
      same(await connection.invoke('GetHeader', 'user-agent'), 'My agent');
    },
  },
  {
    name: 'keeps the cookies of the negotiation, without expired ones',
    async run(world) {
      const connection = await world.started();
      same(await connection.invoke('GetCookie', 'testCookie'), 'testValue');
      same(await connection.invoke('GetCookie', 'testCookie2'), 'testValue2');
      same(await connection.invoke('GetCookie', 'expiredCookie'), null);
    },
  },
  {
    name: 'sends no cookies if withCredentials is false',
    async run(world) {
      const connection = await world.started('/testhub', { withCredentials: false });
      same(await connection.invoke('GetCookie', 'testCookie'), null);
    },
  },
  {
    name: 'follows a redirect of the negotiation at the start and at a reconnect',
    async run(world) {
      const connection = world.connection('/redirect', { reconnects: true });
      await connection.start();
      const redirects = Number(await connection.invoke('GetNumRedirects')); // the server counts them
      await loseAndReconnect(connection);
      same(await connection.invoke('GetNumRedirects'), redirects + 1);
    },
  },
  {
    name: 'rejects the start if the negotiation fails',
    async run(world) {
      await rejects(world.connection('/bad-negotiate').start(), "Status code '400'");
      await rejects(world.connection('/nothing').start(), "Status code '404'");
    },
  },
];

/** The server timeout, which transports without their own keep-alive need. */
export const SERVER_TIMEOUT: Behaviour = {
  name: 'closes after the server timeout',
  async run(world) {
    // Shorter times let the official client miss its own time-out, if the ping that it sends in `start` takes longer.
    const connection = world.connection('/testhub', { serverTimeoutMs: 1_000 });
    const closed = new Deferred();
    connection.onClosed((error) => (error ? closed.reject(error) : closed.resolve()));
    // On a busy machine the handshake response may take longer than that. Then start rejects.
    const over = connection.start().then(() => closed.promise);
    await rejects(over, 'Server timeout elapsed without receiving a message from the server.');
  },
};

/** Behaviours that do not depend on the transport. */
export const TRANSPORT_CHOICE: readonly Behaviour[] = [
  {
    name: 'connects without negotiation over WebSockets, and has no id or the id at the server',
    async run(world) {
      const connection = await world.started('/testhub', { transports: ['WebSockets'], skipNegotiation: true });
      const id = await connection.invoke('GetCallerConnectionId');
      same(typeof id, 'string');
      same(connection.connectionId ?? id, id);
    },
  },
  {
    name: 'reconnects without negotiation',
    async run(world) {
      const connection = world.connection('/testhub', { transports: ['WebSockets'], skipNegotiation: true, reconnects: true });
      await connection.start();
      const before = await connection.invoke('GetCallerConnectionId');
      const reported = await loseAndReconnect(connection);
      const id = await connection.invoke('GetCallerConnectionId');
      same(reported ?? id, id);
      if (id === before) throw new Error('The connection has the id of the one before.');
    },
  },
  {
    name: 'uses the first transport that the server offers',
    async run(world) {
      const transports = ['LongPolling', 'ServerSentEvents', 'WebSockets'] as const;
      same(await (await world.started('/testhub', { transports })).invoke('GetActiveTransportName'), 'WebSockets');
    },
  },
  {
    name: 'falls back if the server offers no WebSockets',
    async run(world) {
      const transports = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;
      same(await (await world.started('/testhub-nowebsockets', { transports })).invoke('GetActiveTransportName'), 'ServerSentEvents');
    },
  },
  {
    name: 'rejects the start without a common transport',
    async run(world) {
      const start = world.connection('/testhub-nowebsockets', { transports: ['WebSockets'] }).start();
      await rejects(start, 'any of the available transports');
    },
  },
  {
    name: 'receives a message to its attributes, and has its user id',
    async run(world) {
      const connection = await world.started('/testhub?user=alice&attr.role=admin');
      const message = nextEvent(connection, 'Message');
      const command = { hub: 'testhub', op: 'send', args: [{ where: { role: 'admin' } }, 'Message', ['for admins']] };
      await fetch(`${world.url}/control`, { method: 'POST', body: JSON.stringify(command) });
      same(await message, 'for admins');
      same(await connection.invoke('GetUserIdentifier'), 'alice');
    },
  },
];

/** Server-sent events carry text only. */
export const BINARY_FALLBACK: Behaviour = {
  name: 'falls back to long polling, because server-sent events carry no bytes',
  async run(world) {
    const connection = await world.started('/testhub', { transports: ['ServerSentEvents', 'LongPolling'] });
    same(await connection.invoke('GetActiveTransportName'), 'LongPolling');
    same(await connection.invoke('Echo', Uint8Array.of(0, 255)), Uint8Array.of(0, 255));
  },
};
