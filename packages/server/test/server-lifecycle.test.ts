import { once } from 'node:events';
import { connect } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { start, type Echo } from './hub-with-hooks.ts';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

async function settles(promise: Promise<unknown>, timeout: number): Promise<void> {
  let done = false;
  void promise.then(() => (done = true));
  await expect.poll(() => done, { timeout }).toBe(true);
}

it('listen rejects if the port is taken, and the server may listen on another one', async () => {
  await using world = await start();
  await using other = createHubServer();
  await expect(other.listen(world.port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(await other.listen(0)).toBeGreaterThan(0);
});

it('close returns one promise, and a closed server stays closed', async () => {
  await using world = await start();
  const first = world.server.close();
  expect(world.server.close()).toBe(first);
  await first;
  expect(world.server.health().status).toBe('closed');
  expect(() => world.server.hub(defineHub<Echo>('late'))).toThrow(expect.objectContaining({ code: 'shutdown' }));
  expect(() => world.server.connectionHandler('/late', () => undefined)).toThrow(expect.objectContaining({ code: 'shutdown' }));
  await expect(world.server.listen(0)).rejects.toMatchObject({ code: 'shutdown' });
  await expect(RawClient.open(world.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('drain spreads the disconnects over spreadMs', async () => {
  const clock = new TestClock();
  await using world = await start({}, {}, clock);
  const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.open(world.port)));
  const left = () => clients.filter(({ socket }) => socket.readyState === socket.CLOSED).length;
  const draining = world.server.drain({ spreadMs: 4000 });
  await expect.poll(left).toBe(1);
  await clock.advance(1000);
  await expect.poll(left).toBe(2);
  await clock.advance(3000);
  await draining;
  await expect.poll(left).toBe(4);
});

it('close does not wait for a client without a handshake', async () => {
  await using world = await start();
  const client = await RawClient.open(world.port, { handshake: null });
  await settles(world.server.close(), 2000);
  expect(await client.closed).toBe(1000);
});

it('a closing server refuses a client that is being authenticated', async () => {
  let admit: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (admit = resolve));
  let asked = 0;
  await using world = await start({
    authenticate: async () => {
      asked++;
      await gate;
      return {};
    },
  });
  const upgrade = rawRequest(world.port, upgradeLines('/hub'));
  const negotiate = rawRequest(world.port, requestLines('POST', '/hub/negotiate', { 'content-length': '0' }));
  await expect.poll(() => asked).toBe(2);
  const closing = world.server.close();
  admit();
  await settles(closing, 2000);
  expect(await upgrade).toMatch(/^HTTP\/1.1 503 /);
  expect(await negotiate).toMatch(/^HTTP\/1.1 503 /);
});

it('close does not wait for requests whose authentication never ends or that never begin', async () => {
  let asked = 0;
  const authenticate = (): Promise<never> => {
    asked++;
    return new Promise(() => undefined);
  };
  await using world = await start({ authenticate }, { timeouts: { closeMs: 300 } });
  const silent = connect(world.port, '127.0.0.1');
  await once(silent, 'connect');
  const asks = [upgradeLines('/hub'), requestLines('POST', '/hub/negotiate', { 'content-length': '0' })].map((text) =>
    rawRequest(world.port, text).catch((error: unknown) => error),
  );
  await expect.poll(() => asked).toBe(2);
  await settles(world.server.close(), 3000);
  await Promise.all(asks);
  silent.destroy();
});

it('close cuts clients that do not answer the close within closeMs', async () => {
  await using world = await start();
  const client = await RawClient.open(world.port);
  client.pause();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let isClosed = false;
  void world.server.close().then(() => (isClosed = true));
  await vi.advanceTimersByTimeAsync(4_900);
  expect(isClosed).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  vi.useRealTimers();
  await expect.poll(() => isClosed).toBe(true);
  client.resume();
  await client.closed;
});

it('the server survives the reset of a request that is being authenticated', async () => {
  let admit: () => void = () => undefined;
  let asked = 0;
  await using world = await start({
    authenticate: async () => {
      asked++;
      await new Promise<void>((resolve) => (admit = resolve));
      return {};
    },
  });
  for (const text of [upgradeLines('/hub'), requestLines('POST', '/hub/negotiate', { 'content-length': '0' })]) {
    asked = 0;
    const socket = connect(world.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    await expect.poll(() => asked).toBe(1);
    socket.resetAndDestroy();
    await once(socket, 'close');
    await expect
      .poll(() => {
        admit();
        return new Promise((resolve) => setImmediate(resolve));
      })
      .toBe(undefined);
  }
  expect(world.errors).toEqual([]);
});
