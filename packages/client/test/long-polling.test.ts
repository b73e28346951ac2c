import { expect, it, vi } from 'vitest';
import { longPolling } from '../src/index.ts';
import { PlainHttp, type Request } from './plain-http.ts';
import { silent } from './plain-server.ts';
import { World, type WorldOptions } from './world.ts';

const open = (server: PlainHttp, options: WorldOptions = {}): Promise<World> =>
  World.open({ url: server.url, transports: [longPolling()], reconnect: { firstMs: 1 }, ...options });
const isPoll = ({ method }: Request): boolean => method === 'GET';

it('the connection opens with the answer to the first poll, and then always has one poll', async () => {
  await using server = await PlainHttp.start();
  await using world = await open(server);
  await world.connection.start();
  for (let i = 0; i < 5; i++) expect(await world.connection.invoke.echo(i)).toEqual([i]);
  expect(server.methods.slice(0, 2)).toEqual(['GET', 'GET']);
  expect(server.requests[1]?.concurrent).toEqual([]);
  for (const { concurrent } of server.requests.filter(isPoll)) expect(concurrent).not.toContain('GET');
});

it('the client polls again after an answer without data', async () => {
  let polls = 0;
  await using server = await PlainHttp.start({
    intercepts: (request, response) => isPoll(request) && ++polls > 1 && polls < 5 && response.writeHead(200).end(),
  });
  await using world = await open(server);
  await world.connection.start();
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(polls).toBeGreaterThan(4);
  expect(world.states).toEqual(['connecting', 'connected']);
});

it('the answer 204 ends the connection without a DELETE', async () => {
  await using server = await PlainHttp.start();
  await using world = await open(server, { reconnect: false });
  await world.connection.start();
  server.last.close(1000);
  await vi.waitFor(() =>
    expect(world.connection.state).toMatchObject({
      name: 'closed',
      cause: { code: 'connection_lost', message: 'The server closed the connection.' },
    }),
  );
  expect(server.methods.filter((method) => method === 'DELETE')).toEqual([]);
});

it('start rejects if the first poll is answered with 204', async () => {
  await using server = await PlainHttp.start({ intercepts: (_, response) => response.writeHead(204).end() });
  await using world = await open(server);
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
});

it('stop aborts the poll and then sends a DELETE', async () => {
  await using server = await PlainHttp.start({ behaves: silent });
  await using world = await open(server);
  await world.connection.start();
  await vi.waitFor(() => server.response);
  await world.connection.stop();
  expect(server.methods.filter((method) => method === 'DELETE')).toHaveLength(1);
  const last = server.requests.at(-1);
  expect(last?.method).toBe('DELETE');
  expect(server.last.received).toEqual([{ type: 7 }]);
  await vi.waitFor(() => expect(server.requests.findLast(isPoll)?.state()).toBe('given up'));
});

it.each([404, 500])('stop succeeds although the DELETE is answered with %i', async (status) => {
  await using server = await PlainHttp.start({
    intercepts: ({ method }, response) => method === 'DELETE' && response.writeHead(status).end(),
  });
  await using world = await open(server);
  await world.connection.start();
  await world.connection.stop();
  expect(world.connection.state).toEqual({ name: 'closed' });
});

it('a refused POST makes the client send a DELETE, for which the server would wait', async () => {
  await using server = await PlainHttp.start({
    intercepts: ({ body }, response) => body.includes('"type":1') && response.writeHead(413).end(),
  });
  await using world = await open(server, { reconnect: false });
  await world.connection.start();
  await expect(world.connection.invoke.echo('too much')).rejects.toMatchObject({ code: 'connection_lost' });
  await vi.waitFor(() => expect(server.methods).toContain('DELETE'));
});

it('the client neither pings over long polling nor gives up a silent server', async () => {
  await using server = await PlainHttp.start({ behaves: silent });
  await using world = await open(server, { manualClock: true });
  await world.connection.start();
  for (let i = 0; i < 10; i++) world.clock.advance(60_000);
  world.wake();
  world.clock.advance(60_000);
  world.clock.oversleep(600_000);
  server.last.send({ type: 1, target: 'said', arguments: [] });
  world.connection.send.echo('x');
  await vi.waitFor(() => expect(server.last.received).toMatchObject([{ type: 1 }]));
  expect(world.states).toEqual(['connecting', 'connected']);
});

it('a poll that is not answered in time ends the connection', async () => {
  await using server = await PlainHttp.start({ behaves: silent });
  await using world = await open(server, { transports: [longPolling({ timeoutMs: 200 })], reconnect: false });
  await world.connection.start();
  await vi.waitFor(() =>
    expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'connection_lost', message: 'No answer in 200 ms.' } }),
  );
  await vi.waitFor(() => expect(server.open).toBe(0));
});

it('messages may be cut over several polls, also within a character', async () => {
  const record = Buffer.from('{"type":1,"target":"said","arguments":["ann","你好"]}\u001e');
  const pieces = Array.from({ length: Math.ceil(record.length / 4) }, (_, i) => record.subarray(i * 4, i * 4 + 4));
  let polls = 0;
  await using server = await PlainHttp.start({
    behaves: silent,
    intercepts: (request, response) => isPoll(request) && ++polls > 2 && pieces.length > 0 && response.end(pieces.shift()),
  });
  const received: string[] = [];
  await using world = await open(server, { receiver: { said: (from, text) => void received.push(from + text) } });
  await world.connection.start();
  await vi.waitFor(() => expect(received).toEqual(['ann你好']), 5_000);
});
