import { once } from 'node:events';
import { expect, it } from 'vitest';
import { HANDSHAKE, HttpClient, record } from './http-client.ts';
import { start } from './http-world.ts';
import { RawClient } from './raw-client.ts';

const NO_CONNECTION = 'No Connection with that ID';

/** Opens a client whose poll has a response of 16 MB, of which it has read the first chunk. Its socket is paused. */
async function reading({ url, hub }: Awaited<ReturnType<typeof start>>) {
  const client = await HttpClient.polling(url);
  await hub.clients.all.send.said('x'.repeat(16_000_000));
  const socket = await client.raw('GET');
  const [head] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  return { client, socket, head: head.toString('latin1') };
}

async function answerOf(response: Response) {
  return { status: response.status, text: await response.text() };
}

it('the first poll is answered at once without data, and the next one is held until there is a message', async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  const first = await client.poll();
  expect(first.status).toBe(200);
  expect(first.headers.get('content-length')).toBe('0');
  expect(first.headers.get('cache-control')).toBe('no-cache,no-store');
  const second = await world.hold(client);
  const post = await client.post(HANDSHAKE);
  expect([post.status, await post.text()]).toEqual([200, '']);
  const answer = await second.answer;
  expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  expect(answer.headers.get('cache-control')).toBe('no-cache,no-store');
  expect(await answerOf(answer)).toEqual({ status: 200, text: '{}\u001e' });
  const third = await world.hold(client);
  expect(third.isSettled()).toBe(false);
  await client.post(record({ type: 1, invocationId: '1', target: 'echo', arguments: ['hi'] }));
  expect(await answerOf(await third.answer)).toEqual({ status: 200, text: record({ type: 3, invocationId: '1', result: 'hi' }) });
});

it('messages between two polls are kept in order', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  for (const text of ['1', '2', '3']) await world.hub.clients.all.send.said(text);
  const messages = ['1', '2', '3'].map((text) => record({ type: 1, target: 'said', arguments: [text] }));
  expect(await (await client.poll()).text()).toBe(messages.join(''));
});

it('a second poll ends the first with 204, and gets the next message', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const older = await world.hold(client);
  const newer = await world.hold(client);
  expect((await older.answer).status).toBe(204);
  expect(newer.isSettled()).toBe(false);
  await world.hub.clients.all.send.said('x');
  expect(await answerOf(await newer.answer)).toEqual({ status: 200, text: record({ type: 1, target: 'said', arguments: ['x'] }) });
});

it('a poll without messages is answered after pollMs, and the next one is held', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  for (let i = 0; i < 2; i++) {
    const poll = await world.hold(client);
    await world.clock.advance(88_000);
    expect(poll.isSettled()).toBe(false);
    await world.clock.advance(3000);
    const answer = await poll.answer;
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '0']);
  }
});

it('a disconnect answers the held poll with the close message, the next poll with 204 and later ones with 404', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const { answer } = await world.hold(client);
  await world.hub.disconnect({ connection: client.connectionId }, 'enough');
  const close = JSON.parse((await (await answer).text()).slice(0, -1)) as unknown;
  expect(close).toMatchObject({ type: 7 });
  expect(close).not.toHaveProperty('allowReconnect');
  expect(await answerOf(await client.poll())).toEqual({ status: 204, text: '' });
  expect(await answerOf(await client.poll())).toEqual({ status: 404, text: NO_CONNECTION });
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'disconnected']]);
});

it('a DELETE gets 202, the held poll 204, and all later requests 404', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const { answer } = await world.hold(client);
  expect(await answerOf(await client.leave())).toEqual({ status: 202, text: '' });
  expect((await answer).status).toBe(204);
  for (const response of [await client.poll(), await client.post('x'), await client.leave()]) {
    expect(await answerOf(response)).toEqual({ status: 404, text: NO_CONNECTION });
  }
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'left']]);
});

it.each(['none', 'WebSockets', 'ServerSentEvents'])('a DELETE is refused if the transport is %s', async (transport) => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  await using _socket =
    transport === 'WebSockets' ? await RawClient.open(world.port, { query: new URL(client.url).search.slice(1) }) : undefined;
  await using _events = transport === 'ServerSentEvents' ? await client.events() : undefined;
  const text = 'Cannot terminate this connection using the DELETE endpoint.';
  expect(await answerOf(await client.leave())).toEqual({ status: 400, text });
});

it('a client that does not poll again within disconnectMs is disconnected', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  await world.clock.advance(14_000);
  expect(world.ended).toEqual([]);
  await world.clock.advance(2000);
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'connection_lost']]);
  expect((await client.poll()).status).toBe(404);
});

it('disconnectMs begins at the end of a poll, so a client that gave up a long poll has time for the next', async () => {
  await using world = await start({ timeouts: { disconnectMs: 5000 } });
  const client = await HttpClient.polling(world.url);
  const poll = new AbortController();
  const { answer } = await world.hold(client, { signal: poll.signal });
  await world.clock.advance(60_000);
  poll.abort();
  await expect(answer).rejects.toThrow();
  await using other = await RawClient.open(world.port); // round trips, after which the server has seen the abort
  expect((await other.call('echo', 1)).result).toBe(1);
  await world.clock.advance(3000);
  await world.hub.clients.all.send.said('still there');
  expect(await (await client.poll()).text()).toContain('still there');
  expect(world.ended).toEqual([]);
});

it('a client over long polling is not pinged, and need not ping', async () => {
  await using world = await start({ timeouts: { keepAliveMs: 1000, clientMs: 2000 } });
  const client = await HttpClient.polling(world.url);
  await client.post(record({ type: 6 })); // over another transport a client that pinged once must ping again
  const poll = await world.hold(client);
  await world.clock.advance(60_000);
  expect(poll.isSettled()).toBe(false);
  expect(world.ended).toEqual([]);
});

it('a client without a handshake gets `Handshake was canceled.` with its poll', async () => {
  await using world = await start({ timeouts: { handshakeMs: 5000 } });
  const client = await HttpClient.negotiate(world.url);
  await client.poll();
  const { answer } = await world.hold(client);
  await world.clock.advance(6000);
  expect(await answerOf(await answer)).toEqual({ status: 200, text: record({ error: 'Handshake was canceled.' }) });
  expect((await client.poll()).status).toBe(204);
});

it("a client whose message is too large gets SignalR's error text with its poll", async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  expect((await client.post(record({ type: 1, target: 'echo', arguments: ['x'.repeat(40_000)] }))).status).toBe(200);
  expect(await (await client.poll()).text()).toContain('The maximum message size of 32768B was exceeded.');
  expect((await client.poll()).status).toBe(204);
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'message_too_large']]);
});

it("a poll's response that is not read within sendMs ends the connection", async () => {
  await using world = await start({ timeouts: { sendMs: 5000, disconnectMs: 1000 } });
  const { client, socket, head } = await reading(world);
  expect(head).toMatch(/^HTTP\/1.1 200 OK/);
  await world.clock.advance(4000);
  expect(world.ended).toEqual([]); // there was no poll for disconnectMs, but the response is not read yet
  await expect.poll(() => world.clock.advance(1000).then(() => world.ended)).toEqual([[client.connectionId, 'connection_lost']]);
  socket.destroy();
});

it('a poll is not answered while an earlier response is unread', async () => {
  await using world = await start({ limits: { maxBufferedBytes: 32_000_000 } });
  const { client, socket } = await reading(world);
  const second = await world.hold(client);
  const third = await world.hold(client);
  expect((await second.answer).status).toBe(204); // a newer poll replaces the waiting one
  await world.hub.clients.all.send.said('y');
  await using other = await RawClient.open(world.port); // round trips, in which the server could answer the poll
  expect((await other.call('echo', 1)).result).toBe(1);
  expect(third.isSettled()).toBe(false);
  socket.resume();
  expect(await answerOf(await third.answer)).toEqual({ status: 200, text: record({ type: 1, target: 'said', arguments: ['y'] }) });
  expect(await answerOf(await client.leave())).toEqual({ status: 202, text: '' });
  socket.destroy();
});

it('an unread response counts for maxBufferedBytes until it is read', async () => {
  await using world = await start();
  const { client, socket } = await reading(world);
  const next = await world.hold(client);
  await world.hub.clients.all.send.said('y');
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'slow_consumer']]);
  expect((await next.answer).status).toBe(204);
  socket.destroy();
});

it('a poll that waits behind an unread response gets 204 when the connection ends', async () => {
  await using world = await start({ timeouts: { sendMs: 5000 } });
  const { client, socket } = await reading(world);
  const next = await world.hold(client);
  await expect.poll(() => world.clock.advance(1000).then(() => world.ended)).toEqual([[client.connectionId, 'connection_lost']]);
  expect((await next.answer).status).toBe(204);
  socket.destroy();
});

it("a poll's response that breaks off ends the connection, since the client may have missed messages", async () => {
  await using world = await start();
  const { client, socket } = await reading(world);
  socket.destroy();
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'connection_lost']]);
  expect((await client.poll()).status).toBe(404);
});

it('a page of an allowed origin may read all responses', async () => {
  await using world = await start({ hub: { origins: ['https://app.example'] } });
  const headers = { origin: 'https://app.example' };
  const client = await HttpClient.negotiate(world.url, headers);
  const answers = [await client.poll({ headers }), await client.post(HANDSHAKE, { headers }), await client.poll({ headers })];
  answers.push(await fetch(client.url, { method: 'DELETE', headers }));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 202]);
  for (const answer of answers) {
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
  }
});
