import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HttpTransportType, HubConnectionBuilder, LogLevel, type HubConnection } from '@microsoft/signalr';
import { freePort, until } from '@hubline/testing';
import { optionsFrom, startConformanceServer, type ConformanceServerOptions } from '@hubline/testing/conformance-server';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

type ControlReply = { value: unknown; error?: undefined } | { value?: undefined; error: { code: string; message: string } };

async function start(options: Partial<ConformanceServerOptions> = {}) {
  const server = await startConformanceServer({ port: 0, nodeId: 'a', ...options });
  const connections: HubConnection[] = [];
  const control = async (op: string, ...args: readonly unknown[]): Promise<ControlReply> => {
    const response = await fetch(`${server.url}/control`, { method: 'POST', body: JSON.stringify({ hub: 'testhub', op, args }) });
    return (await response.json()) as ControlReply;
  };
  const client = async (query = ''): Promise<HubConnection & { id: string; received: unknown[] }> => {
    const connection = new HubConnectionBuilder()
      .withUrl(`${server.url}/testhub${query}`, { transport: HttpTransportType.WebSockets })
      .configureLogging(LogLevel.None)
      .build();
    const received: unknown[] = [];
    connection.on('Message', (text: string) => void received.push(text));
    await connection.start();
    connections.push(connection);
    return Object.assign(connection, { id: connection.connectionId ?? '', received });
  };
  const close = async (): Promise<void> => {
    await Promise.all(connections.map((connection) => connection.stop()));
    await server.close();
  };
  return { ...server, control, client, [Symbol.asyncDispose]: close };
}

it('POST /control sends to every kind of target', async () => {
  await using world = await start();
  const alice = await world.client('?user=alice&attr.role=admin');
  const bob = await world.client('?user=bob');
  await world.control('groups.add', bob.id, 'g');
  const targets = [
    [{ all: true }, 'ab'],
    [{ all: true, except: [alice.id] }, 'b'],
    [{ group: 'g' }, 'b'],
    [{ user: 'alice' }, 'a'],
    [{ connection: bob.id }, 'b'],
    [{ where: { role: 'admin' } }, 'a'],
    [{ allOf: [{ user: 'alice' }, { where: { role: 'admin' } }] }, 'a'],
    [{ anyOf: [{ user: 'alice' }, { group: 'g' }] }, 'ab'],
    [{ user: 'nobody' }, ''],
  ] as const;
  for (const [at, [target]] of targets.entries()) expect(await world.control('send', target, 'Message', [at])).toEqual({ value: null });
  await world.control('send', { all: true }, 'Message', ['end']);
  const expected = (who: string): unknown[] => [...targets.flatMap(([, names], at) => (names.includes(who) ? [at] : [])), 'end'];
  await expect.poll(() => alice.received).toEqual(expected('a'));
  await expect.poll(() => bob.received).toEqual(expected('b'));
});

it('POST /control calls clients with invoke, invokeOne and invokeAll', async () => {
  await using world = await start();
  const alice = await world.client('?user=alice');
  const bob = await world.client();
  alice.on('Result', () => 7);
  bob.on('Result', () => Promise.reject(new Error('no')));
  expect(await world.control('invoke', { connection: alice.id }, 'Result')).toEqual({ value: 7 });
  expect(await world.control('invoke', { connection: bob.id }, 'Result')).toMatchObject({
    error: { code: 'client_error', message: 'Error: no' },
  });
  expect(await world.control('invoke', { connection: 'nobody' }, 'Result')).toMatchObject({ error: { code: 'connection_gone' } });
  expect(await world.control('invoke', { user: 'alice' }, 'Result')).toMatchObject({ error: { code: 'invalid_option' } });
  expect(await world.control('invokeOne', { all: true }, 'Result', [], { race: true })).toEqual({ value: 7 });
  const { value } = await world.control('invokeAll', { all: true }, 'Result', [], { timeoutMs: 2000 });
  const { items, ...rest } = value as { readonly items: readonly unknown[] };
  expect(rest).toEqual({ complete: true, missingNodes: [] });
  expect(items).toHaveLength(2);
  expect(items).toEqual(
    expect.arrayContaining([
      { connectionId: alice.id, nodeId: 'a', status: 'fulfilled', value: 7 },
      { connectionId: bob.id, nodeId: 'a', status: 'rejected', code: 'client_error', message: 'Error: no' },
    ]),
  );
});

it('POST /control queries presence and changes groups, attributes and connections', async () => {
  await using world = await start();
  const alice = await world.client('?user=alice&attr.role=admin');
  const bob = await world.client('?user=bob');
  await world.control('groups.add', alice.id, 'g');
  expect(await world.control('presence.count')).toEqual({ value: { value: 2, complete: true, missingNodes: [] } });
  expect(await world.control('presence.count', { group: 'g' })).toEqual({ value: { value: 1, complete: true, missingNodes: [] } });
  expect(await world.control('presence.isOnline', 'alice')).toEqual({ value: true });
  expect(await world.control('presence.isOnline', 'eve')).toEqual({ value: false });
  expect(await world.control('presence.groupsOf', alice.id)).toEqual({ value: ['g'] });
  expect(await world.control('presence.users')).toMatchObject({
    value: {
      items: [
        { userId: 'alice', connections: 1 },
        { userId: 'bob', connections: 1 },
      ],
      complete: true,
      missingNodes: [],
    },
  });
  expect(await world.control('presence.connections', { user: 'alice' })).toMatchObject({
    value: {
      items: [{ connectionId: alice.id, nodeId: 'a', userId: 'alice', attributes: { role: 'admin' }, groups: ['g'] }],
      complete: true,
    },
  });
  expect(await world.control('presence.connections', { all: true }, { select: ['userId'], limit: 1 })).toMatchObject({
    value: { items: [{ userId: expect.any(String) as string }], cursor: expect.any(String) as string },
  });
  expect(await world.control('groups.remove', alice.id, 'g')).toEqual({ value: null });
  expect(await world.control('presence.groupsOf', alice.id)).toEqual({ value: [] });
  expect(await world.control('attributes.set', bob.id, 'role', 'admin')).toEqual({ value: null });
  expect(await world.control('presence.count', { where: { role: 'admin' } })).toEqual({
    value: { value: 2, complete: true, missingNodes: [] },
  });
  const closed = new Promise((resolve) => bob.onclose((error) => resolve(error?.message)));
  expect(await world.control('disconnect', { user: 'bob' }, 'enough')).toMatchObject({ value: { value: 1 } });
  expect(await closed).toContain('enough');
  expect(await world.control('nodes')).toMatchObject({ value: { items: [{ nodeId: 'a', accepts: true }], complete: true } });
  expect(await world.control('health')).toMatchObject({ value: { status: 'ok', nodeId: 'a', backplane: 'up' } });
});

it.each([
  ['send', [{ where: {} }, 'Message', []], 'empty_target'],
  ['send', [{ where: { plainNote: 'x' } }, 'Message', []], 'attribute_not_indexed'],
  ['send', [{ everybody: true }, 'Message', []], 'invalid_option'],
  ['send', [{ all: true }, 'then', []], 'invalid_option'],
  ['groups.add', ['nobody', 'g'], 'connection_gone'],
  ['presence.groupsOf', ['nobody'], 'connection_gone'],
  ['constructor', [], 'invalid_option'],
])('POST /control answers %s %j with the error %s', async (op, args, code) => {
  await using world = await start();
  expect(await world.control(op, ...args)).toMatchObject({ error: { code, message: expect.any(String) as string } });
});

it('POST /control answers an invalid request with an error', async () => {
  await using world = await start();
  const post = async (body: string) => {
    const response = await fetch(`${world.url}/control`, { method: 'POST', body });
    return { status: response.status, body: (await response.json()) as ControlReply };
  };
  expect(await post('{')).toMatchObject({ status: 400, body: { error: { code: 'invalid_message' } } });
  for (const body of ['null', '[]', '{}', '{"hub":"nothing","op":"health"}', '{"op":"send","args":3}', '{"op":"send","args":[null]}']) {
    const answer = await post(body);
    expect(answer.status).toBe(200);
    expect(answer.body.error?.code).toMatch(/^(invalid_option|internal)$/);
  }
});

it('the conformance server serves the routes of the official functional tests', async () => {
  await using world = await start();
  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(world.url + path, { redirect: 'manual', ...init });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  expect(await get('/deployment')).toMatchObject({ status: 200, text: '{"server":"hubline","nodeId":"a"}' });
  const redirect = await get('/redirect/negotiate?numRedirects=0&baseUrl=https%3A%2F%2Fhere.example', { method: 'POST' });
  expect(JSON.parse(redirect.text)).toEqual({ url: 'https://here.example/testhub?numRedirects=1' });
  expect(await get('/bad-negotiate/negotiate', { method: 'POST' })).toMatchObject({ status: 400, text: 'Some response from server' });
  expect(await get('/clientresult/nobody')).toMatchObject({ status: 200, text: "Connection 'nobody' does not exist." });
  expect((await get('/clientresult/%')).status).toBe(400);
  expect((await get('/nothing')).status).toBe(404);
  const preflight = await get('/generateJwtToken', { method: 'OPTIONS', headers: { origin: 'https://app.example' } });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(preflight.headers.get('access-control-allow-credentials')).toBe('true');
  const negotiated = await get('/testhub/negotiate?negotiateVersion=1', { method: 'POST' });
  expect(negotiated.headers.getSetCookie()).toEqual([
    'testCookie=testValue; Path=/',
    'testCookie2=testValue2; Path=/',
    'expiredCookie=doesntmatter; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/',
    expect.stringMatching(/^hubline_node=a;/) as string,
  ]);
});

it('the authorized hub rejects expired and forged tokens', async () => {
  await using world = await start();
  const generate = async (query = '') => (await fetch(`${world.url}/generateJwtToken${query}`)).text();
  const token = await generate();
  const status = async (value: string) =>
    (await fetch(`${world.url}/authorizedhub/negotiate?access_token=${value}`, { method: 'POST' })).status;
  expect(await status(token)).toBe(200);
  const [head, body, signature] = token.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { exp: number };
  expect(claims.exp * 1000 - Date.now()).toBeLessThanOrEqual(60_000);
  const later = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 1000 })).toString('base64url');
  for (const forged of ['x', 'a.b.c', '..', `${head}.${later}.${signature}`, `${head}.${body}.`]) expect(await status(forged)).toBe(401);
  expect(await status(await generate('?expired'))).toBe(401);
});

function run(...args: readonly string[]) {
  const child = spawn('npm', ['run', '--silent', 'conformance-server', '--', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done) throw new Error(`The program ended: ${errors}`);
    return next.value;
  };
  return { child, line, errors: () => errors };
}

it('the program prints one line when it is ready, and ends on SIGTERM', async () => {
  const port = await freePort();
  const { child, line } = run('--port', String(port), '--node-id', 'n1', '--prefix', 'p');
  const url = `http://127.0.0.1:${port}`;
  expect(JSON.parse(await line())).toEqual({ url, nodeId: 'n1' });
  expect((await fetch(`${url}/deployment`)).status).toBe(200);
  child.kill('SIGTERM');
  await once(child, 'exit');
  await until(async () =>
    fetch(`${url}/deployment`).then(
      () => false,
      () => true,
    ),
  );
}, 120_000);

it('the program parses its command line', () => {
  expect(optionsFrom([])).toEqual({ port: 5100 });
  expect(optionsFrom(['--port', '0', '--node-id', 'a', '--prefix', 'p'])).toEqual({ port: 0, nodeId: 'a' });
});

it.each([
  [['--redis', 'nonsense://localhost'], 'A Redis URL is redis://'],
  [['--redis', 'redis://localhost', '--backplane', 'nonsense'], '--backplane is not JSON'],
  [['--unknown'], '--unknown'],
  [['--port', 'x'], '--port must be a number'],
  [['--port', '70000'], '--port must be a number'],
])('the program rejects the command line %j with a reason', (args, text) => {
  expect(() => optionsFrom(args)).toThrow(text);
});
