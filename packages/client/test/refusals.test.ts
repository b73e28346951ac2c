import { expect, it, vi } from 'vitest';
import { silent } from './plain-server.ts';
import { World } from './world.ts';

it.each([
  ['<!doctype html><title>Sign in</title>', 'Negotiate offers no connection: (URL)'],
  ['It works!', 'Negotiate offers no connection: (URL) It works!'],
  ['', 'Negotiate offers no connection: (URL) nothing'],
  ['null', 'Negotiate offers no connection: (URL) null'],
  ['{}', 'Negotiate offers no connection: (URL) {}'],
  [`${'{"a":'.repeat(70)}1${'}'.repeat(70)}`, 'Negotiate offers no connection: (URL) {"a":'],
])('the error of start contains the answer of negotiate: "%s"', async (body, message) => {
  await using world = await World.open({ fetch: () => Promise.resolve(new Response(body)) });
  const expected = message.replace('URL', `${world.server.url}/negotiate`);
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    message: expect.stringContaining(expected) as unknown,
  });
});

it('the client reads a bounded part of the answer of negotiate', async () => {
  let read = 0;
  const endless = new ReadableStream({
    pull(controller) {
      read++;
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
  for (const status of [200, 500]) {
    await using world = await World.open({ fetch: () => Promise.resolve(new Response(endless, { status })) });
    await expect(world.connection.start()).rejects.toBeInstanceOf(Error);
    expect(read).toBeLessThan(10);
    if (status === 200) break;
  }
});

it("a refusal's code, text and Retry-After are read", async () => {
  const refuses = (status: number, headers: Record<string, string>) => (): Promise<Response> =>
    Promise.resolve(new Response('Too many of you.', { status, headers }));
  await using busy = await World.open({ fetch: refuses(429, { 'retry-after': '7', 'hubline-code': 'limit_exceeded' }) });
  await expect(busy.connection.start()).rejects.toMatchObject({
    code: 'limit_exceeded',
    message: expect.stringContaining('Too many of you.') as unknown,
    details: { status: 429, retryAfterMs: 7_000 },
  });
  const date = new Date(Date.now() + 60_000).toUTCString();
  await using dated = await World.open({ fetch: refuses(503, { 'retry-after': date }) });
  const error = await dated.connection.start().then(
    () => expect.fail('started'),
    (thrown: unknown) => thrown as { details: { retryAfterMs: number } },
  );
  expect(error.details.retryAfterMs).toBeGreaterThan(50_000);
  expect(error.details.retryAfterMs).toBeLessThanOrEqual(60_000);
  await using long = await World.open({ fetch: refuses(503, { 'retry-after': '86400' }) });
  await expect(long.connection.start()).rejects.toMatchObject({ details: { retryAfterMs: 600_000 } });
  await using other = await World.open({ fetch: refuses(404, { 'retry-after': '7' }) });
  await expect(other.connection.start()).rejects.toMatchObject({ details: { status: 404 } });
});

it('a reconnect waits as long as Retry-After says, also after a wake', async () => {
  const answers = [200, 503, 200];
  const busy: typeof fetch = async (input, init) => {
    const status = answers.shift();
    return status === 503 ? new Response('', { status, headers: { 'retry-after': '120' } }) : fetch(input, init);
  };
  await using world = await World.started({ manualClock: true, fetch: busy, behaves: silent, reconnect: { nextDelayMs: () => 1_000 } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', delayMs: 1_000 }));
  world.clock.advance(1_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', delayMs: 121_000 }));
  world.wake();
  world.clock.advance(120_999);
  expect(world.connection.state.name).toBe('reconnecting');
  world.clock.advance(1);
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
});

it('the status, code, text and Retry-After of a refused WebSocket are read', async () => {
  const { createServer } = await import('node:http');
  const server = createServer();
  server.on('upgrade', (_request, socket) => {
    const head = 'HTTP/1.1 503 Busy\r\nretry-after: 3\r\nhubline-code: shutdown\r\ncontent-length: 9\r\nconnection: close\r\n\r\n';
    socket.end(`${head}Go there.`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/hub`;
  await using world = await World.open({ url, skipNegotiation: true });
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'shutdown',
    message: `The WebSocket did not open. Unexpected status code '503'. (${url}) Go there.`,
    details: { status: 503, retryAfterMs: 3_000, url },
  });
  await new Promise((resolve) => server.close(resolve));
});

it('an access token that does not arrive within startTimeoutMs fails the start', async () => {
  await using world = await World.open({ accessToken: () => new Promise(() => {}), startTimeoutMs: 50 });
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'timed_out', message: 'accessToken: No answer in 50 ms.' });
});
