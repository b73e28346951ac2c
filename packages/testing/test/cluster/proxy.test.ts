import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { until } from '@hubline/testing';
import { faults, startProxy } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { reset } from '../../src/cluster/reset.ts';

/** A server that gives back what it gets, a proxy before it, and clients that collect what comes. */
async function world() {
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
        heard: '',
        open: false,
        ended: false,
        closed: false,
        said: (text: string) => until(() => client.heard === text),
      };
      socket.on('connect', () => (client.open = true));
      socket.on('data', (chunk) => (client.heard += String(chunk)));
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

it('passes everything on, the end too, and counts', async () => {
  await using w = await world();
  const client = await w.client();
  const text = 'x'.repeat(1_000_000);
  client.socket.end(text);
  await client.said(text);
  await until(() => client.closed && client.ended);
  expect(w.proxy).toMatchObject({ accepted: 1, bytesUp: 1_000_000, bytesDown: 1_000_000 });
  await until(() => w.proxy.connections === 0);
});

it('has the URL of its target with another port', async () => {
  await using proxy = await startProxy('redis://ann:p%40ss@127.0.0.1:1/2');
  expect(proxy.url).toBe(`redis://ann:p%40ss@127.0.0.1:${proxy.port}/2`);
  await expect(startProxy('redis://127.0.0.1')).rejects.toThrow('A target has a port');
});

it('closes a connection where its target is not there', async () => {
  await using proxy = await startProxy('tcp://127.0.0.1:1');
  const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
  await until(() => socket.closed && proxy.connections === 0);
  expect(proxy.accepted).toBe(1);
});

it('drops the connections there are, at both ends, and takes new ones', async () => {
  await using w = await world();
  const client = await w.client();
  await until(() => w.echoed.size === 1);
  w.proxy.drop();
  await until(() => client.closed && w.echoed.size === 0);
  const next = await w.client();
  next.socket.write('hello');
  await next.said('hello');
});

it('refuses new connections and leaves the others', async () => {
  await using w = await world();
  const client = await w.client();
  w.proxy.refuse();
  const refused = await w.client();
  await until(() => refused.closed);
  client.socket.write('still here');
  await client.said('still here');
  expect(w.proxy.accepted).toBe(1);
  await w.proxy.heal();
  expect((await w.client()).closed).toBe(false);
});

it('cuts: no connection is left and none is taken, until it is healed', async () => {
  await using w = await world();
  const client = await w.client();
  w.proxy.cut();
  await until(() => client.closed);
  await until(async () => (await w.client()).closed);
  await w.proxy.heal();
  const next = await w.client();
  next.socket.write('back');
  await next.said('back');
});

it('delays each way, keeps the order, and lets nothing overtake when the delay ends', async () => {
  await using w = await world();
  const client = await w.client();
  w.proxy.delay(100);
  const startedAt = performance.now();
  client.socket.write('a');
  client.socket.write('b');
  await client.said('ab');
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195); // a timer may be a millisecond early
  client.socket.write('c');
  await until(() => w.proxy.bytesUp === 3);
  w.proxy.delay(0);
  client.socket.end('d');
  await client.said('abcd');
  await until(() => client.ended);
});

it('half-opens: nothing passes and nothing closes, on new connections neither, and all of it comes when it is healed', async () => {
  await using w = await world();
  const [old, leaving] = [await w.client(), await w.client()];
  await until(() => w.echoed.size === 2);
  w.proxy.halfOpen();
  const fresh = await w.client();
  await until(() => w.echoed.size === 3);
  old.socket.write('old');
  fresh.socket.write('fresh');
  leaving.socket.destroy();
  const server = [...w.echoed][0];
  server?.write('from the server, ');
  // What would have passed had time to: another connection of the same loop goes there and back.
  await using other = await world();
  const witness = await other.client();
  witness.socket.write('x'.repeat(1_000_000));
  await witness.said('x'.repeat(1_000_000));
  expect([old.heard, fresh.heard, old.closed, fresh.closed]).toEqual(['', '', false, false]);
  expect(w.echoed.size).toBe(3);
  await w.proxy.heal();
  await until(() => old.heard.includes('old') && old.heard.includes('from the server'));
  await fresh.said('fresh');
  await until(() => w.echoed.size === 2);
});

it('passes a reset on as a reset', async () => {
  await using w = await world();
  const client = await w.client();
  await until(() => w.echoed.size === 1);
  let reason: unknown;
  client.socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code));
  for (const socket of w.echoed) socket.resetAndDestroy();
  await until(() => client.closed);
  expect(reason).toBe('ECONNRESET');
});

it('reads no faster than the other side does, and loses nothing', async () => {
  await using w = await world();
  const sent = 60_000_000;
  const [slow, witness] = [await w.client(), await w.client()];
  slow.socket.pause();
  slow.socket.write(Buffer.alloc(sent));
  witness.socket.write('x'.repeat(sent / 2)); // as much again goes there and back meanwhile
  await until(() => witness.heard.length === sent / 2, { timeoutMs: 20_000 });
  expect(w.proxy.bytesUp - sent / 2).toBeLessThan(sent / 2);
  slow.socket.resume();
  await until(() => slow.heard.length === sent, { timeoutMs: 20_000 });
});

it('has faults as values', async () => {
  await using w = await world();
  for (const fault of [faults.drop, faults.refuse, faults.cut, faults.halfOpen].map((make) => make(w.proxy))) {
    await fault.heal();
    await fault.inflict();
    await fault.heal();
    const client = await w.client();
    client.socket.write(fault.name);
    await client.said(fault.name);
  }
  expect(faults.delay(w.proxy, 50).name).toBe('delay echo by 50 ms');
});

it('destroys a socket whose end is under way, since it cannot be reset', async () => {
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
