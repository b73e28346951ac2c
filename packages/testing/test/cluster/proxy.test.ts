import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { until } from '@hubline/testing';
import { faults, startProxy } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { reset } from '../../src/cluster/reset.ts';

/** Starts an echo server with a proxy in front of it. Its clients collect what they receive. */
async function startEcho() {
  const echoed = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    echoed.add(socket);
    socket.on('error', () => undefined).on('close', () => echoed.delete(socket));
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startProxy(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, { name: 'echo' });
  const sockets: Socket[] = [];
  return {
    proxy,
    echoed,
    async client() {
      const socket = connect(proxy.port, '127.0.0.1');
      sockets.push(socket);
      const client = {
        socket,
        received: '',
        open: false,
        ended: false,
        closed: false,
        hasReceived: (text: string) => until(() => client.received === text),
      };
      socket.on('connect', () => (client.open = true));
      socket.on('data', (chunk) => (client.received += String(chunk)));
      socket.on('end', () => (client.ended = true));
      socket.on('close', () => (client.closed = true));
      socket.on('error', () => undefined);
      await until(() => client.open || client.closed);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await proxy[Symbol.asyncDispose]();
      server.close();
    },
  };
}

it('a proxy forwards data and the end of a connection, and counts bytes', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  const text = 'x'.repeat(1_000_000);
  client.socket.end(text);
  await client.hasReceived(text);
  await until(() => client.closed && client.ended);
  expect(echo.proxy).toMatchObject({ accepted: 1, bytesUp: 1_000_000, bytesDown: 1_000_000 });
  await until(() => echo.proxy.connections === 0);
});

it('a proxy has the URL of its target with another port', async () => {
  await using proxy = await startProxy('redis://ann:p%40ss@127.0.0.1:1/2');
  expect(proxy.url).toBe(`redis://ann:p%40ss@127.0.0.1:${proxy.port}/2`);
  await expect(startProxy('redis://127.0.0.1')).rejects.toThrow('A target has a port');
});

it('a proxy closes a connection if its target does not listen', async () => {
  await using proxy = await startProxy('tcp://127.0.0.1:1');
  const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
  await until(() => socket.closed && proxy.connections === 0);
  expect(proxy.accepted).toBe(1);
});

it('drop destroys open connections at both ends, and new ones are accepted', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  await until(() => echo.echoed.size === 1);
  echo.proxy.drop();
  await until(() => client.closed && echo.echoed.size === 0);
  const next = await echo.client();
  next.socket.write('hello');
  await next.hasReceived('hello');
});

it('refuse rejects new connections and keeps the open ones', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  echo.proxy.refuse();
  const refused = await echo.client();
  await until(() => refused.closed);
  client.socket.write('still here');
  await client.hasReceived('still here');
  expect(echo.proxy.accepted).toBe(1);
  await echo.proxy.heal();
  expect((await echo.client()).closed).toBe(false);
});

it('cut destroys open connections and rejects new ones until heal', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  echo.proxy.cut();
  await until(() => client.closed);
  await until(async () => (await echo.client()).closed);
  await echo.proxy.heal();
  const next = await echo.client();
  next.socket.write('back');
  await next.hasReceived('back');
});

it('delay holds data in each direction and keeps the order, also when the delay ends', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  echo.proxy.delay(100);
  const startedAt = performance.now();
  client.socket.write('a');
  client.socket.write('b');
  await client.hasReceived('ab');
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195); // a timer may be a millisecond early
  client.socket.write('c');
  await until(() => echo.proxy.bytesUp === 3);
  echo.proxy.delay(0);
  client.socket.end('d');
  await client.hasReceived('abcd');
  await until(() => client.ended);
});

it('halfOpen forwards and closes nothing on open and new connections, and heal forwards the held data', async () => {
  await using echo = await startEcho();
  const [old, leaving] = [await echo.client(), await echo.client()];
  await until(() => echo.echoed.size === 2);
  echo.proxy.halfOpen();
  const fresh = await echo.client();
  await until(() => echo.echoed.size === 3);
  old.socket.write('old');
  fresh.socket.write('fresh');
  leaving.socket.destroy();
  const server = [...echo.echoed][0];
  server?.write('from the server, ');
  // A megabyte goes there and back through another proxy, which gives held data enough time to pass.
  await using other = await startEcho();
  const witness = await other.client();
  witness.socket.write('x'.repeat(1_000_000));
  await witness.hasReceived('x'.repeat(1_000_000));
  expect([old.received, fresh.received, old.closed, fresh.closed]).toEqual(['', '', false, false]);
  expect(echo.echoed.size).toBe(3);
  await echo.proxy.heal();
  await until(() => old.received.includes('old') && old.received.includes('from the server'));
  await fresh.hasReceived('fresh');
  await until(() => echo.echoed.size === 2);
});

it('a proxy forwards a reset as a reset', async () => {
  await using echo = await startEcho();
  const client = await echo.client();
  await until(() => echo.echoed.size === 1);
  let reason: unknown;
  client.socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code));
  for (const socket of echo.echoed) socket.resetAndDestroy();
  await until(() => client.closed);
  expect(reason).toBe('ECONNRESET');
});

it('a proxy reads no faster than the receiver, and loses nothing', async () => {
  await using echo = await startEcho();
  const sent = 60_000_000;
  const [slow, witness] = [await echo.client(), await echo.client()];
  slow.socket.pause();
  slow.socket.write(Buffer.alloc(sent));
  witness.socket.write('x'.repeat(sent / 2)); // meanwhile half as much goes there and back
  await until(() => witness.received.length === sent / 2, { timeoutMs: 20_000 });
  expect(echo.proxy.bytesUp - sent / 2).toBeLessThan(sent / 2);
  slow.socket.resume();
  await until(() => slow.received.length === sent, { timeoutMs: 20_000 });
});

it('faults of a link are inflicted and healed', async () => {
  await using echo = await startEcho();
  for (const fault of [faults.drop, faults.refuse, faults.cut, faults.halfOpen].map((make) => make(echo.proxy))) {
    await fault.heal();
    await fault.inflict();
    await fault.heal();
    const client = await echo.client();
    client.socket.write(fault.name);
    await client.hasReceived(fault.name);
  }
  expect(faults.delay(echo.proxy, 50).name).toBe('delay echo by 50 ms');
});

it('reset destroys a socket that has sent its end', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[taken]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [[Socket], unknown];
  socket.end();
  const closed = once(socket, 'close');
  reset(socket);
  await closed;
  taken.destroy();
  server.close();
});

it('startProxy throws when no port of this process is free', { timeout: 60_000 }, async () => {
  await using echo = await startEcho();
  const proxies: AsyncDisposable[] = [];
  try {
    const target = `tcp://127.0.0.1:${echo.proxy.port}`;
    const takeAll = async (): Promise<never> => {
      for (;;) proxies.push(await startProxy(target));
    };
    await expect(takeAll()).rejects.toThrow('ports of this process is free');
  } finally {
    await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
});
