import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HANDSHAKE, HttpClient } from '../http-client.ts';
import { RawClient, requestLines, upgradeLines } from '../raw-client.ts';
import { campaign } from './campaign.ts';
import { parse, HttpSocket } from './http-socket.ts';
import { bent } from './mutate.ts';
import type { Random } from './random.ts';
import { NODE_ID, openWorld, type FuzzWorld } from './world.ts';

let world: FuzzWorld;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

/** The documented answer to a request (PROTOCOL.md, 1 and 2). */
interface Expected {
  readonly status: number;
  readonly text?: string | RegExp;
  readonly code?: string;
}

const METHODS = ['POST', 'POST', 'GET', 'GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'PROPFIND'];
const GONE = { status: 404, text: 'No Connection with that ID' };

/** Headers that do not depend on the endpoint, and the refusal that an origin or a host causes. */
function circumstances(random: Random): { readonly headers: Record<string, string>; readonly refused?: Expected } {
  const headers: Record<string, string> = {};
  if (random.chance(0.2)) headers.cookie = random.pick(['a', '=', 'a=%ff', ';;;', '__proto__=x', 'hubline_node=%']);
  if (random.chance(0.2)) headers.authorization = random.pick(['', 'Bearer', 'Bearer  ', 'Basic x', 'bearer \u00ff', 'x'.repeat(5000)]);
  if (random.chance(0.2)) headers['access-control-request-method'] = random.pick(['', 'POST', 'x']);
  if (random.chance(0.2)) headers['sec-fetch-site'] = random.pick(['cross-site', '', 'x']);
  if (random.chance(0.1)) {
    headers.host = random.pick(['[', 'a:b:c', 'x:99999', 'a%zz', '::', 'x/hub?', 'x#', 'a@b', '\\\\x', 'x y']);
    return { headers, refused: { status: 400, text: 'The host is not valid in a URL.', code: 'invalid_message' } };
  }
  if (random.chance(0.15)) {
    headers.origin = random.pick([
      'http://evil.example',
      'null',
      '',
      'http://',
      'localhost',
      'http://localhost.evil.example',
      'file://',
      'https://localhost',
      'http://localhost:8080',
    ]);
    return { headers, refused: { status: 403, code: 'forbidden' } };
  }
  if (random.chance(0.15)) headers.origin = random.pick(['http://localhost', 'http://localhost:80']);
  return { headers };
}

/** Query strings, and the value of the first parameter with a name in any case. */
function query(random: Random, pairs: readonly string[]): { readonly search: string; get(name: string): string | undefined } {
  const noise = random.pick([[], ['%'], ['a=%ff'], ['&&'], ['=x'], ['__proto__=1'], ['useStatefulReconnect=true'], ['access_token=%41']]);
  const all = [...pairs, ...noise];
  if (random.chance(0.3)) all.reverse();
  const search = all.length > 0 ? `?${all.join('&')}` : '';
  const get = (name: string) => [...new URLSearchParams(search)].find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  return { search, get };
}

async function exchange(socket: HttpSocket, request: string, { status, text, code }: Expected): Promise<Buffer> {
  const answer = await socket.request(request);
  expect(answer?.status).toBe(status);
  const body = answer?.body ?? Buffer.alloc(0);
  if (typeof text === 'string') expect(body.toString()).toBe(request.startsWith('HEAD') ? '' : text);
  else if (text) expect(body.toString()).toMatch(text);
  expect(answer?.headers.get('hubline-code')).toBe(code);
  return body;
}

/** Runs each case while another client is served, and checks that nothing of it is kept. */
async function each(
  name: string,
  share: number,
  what: (random: Random) => { readonly request: string; run(): Promise<unknown> },
): Promise<void> {
  const { cases, random, attempt } = campaign(name, share);
  let warmHeap = 0;
  for (let i = 0; i < cases; i++) {
    const { request, run } = what(random(i));
    await attempt(i, request, run);
    if (i % 20 === 0) await world.serves();
    if (i === Math.floor(cases / 4)) warmHeap = await world.settled();
  }
  expect((await world.settled()) - warmHeap).toBeLessThan(3 * 1024 * 1024);
}

it('each negotiation is answered', { timeout: 3_600_000 }, async () => {
  using socket = new HttpSocket(world.port);
  await each('negotiations', 60, (random) => {
    const version = random.pick([
      '0',
      '1',
      '1',
      '2',
      '99999999999999999999',
      '-1',
      '-99',
      '1.5',
      '',
      'x',
      '1e3',
      '+1',
      '%31',
      '%00',
      '0x1',
    ]);
    const key = random.pick(['negotiateVersion', 'NEGOTIATEVERSION', 'negotiateversion']);
    const { search, get } = query(random, random.chance(0.9) ? [`${key}=${version}`, `${key}=7`] : []);
    const method = random.chance(0.6) ? 'POST' : random.pick(METHODS);
    const { headers, refused } = circumstances(random);
    const asked = get('negotiateVersion') ?? '0';
    const expected: Expected =
      refused ? refused
      : method === 'OPTIONS' ? { status: 204 }
      : method !== 'POST' ? { status: 405 }
      : !/^-?\d+$/.test(asked) ? { status: 200, text: '{"error":"The client requested a non-integer protocol version."}' }
      : Number(asked) < 0 ?
        { status: 200, text: `{"error":"The client requested version '${Number(asked)}', but the server does not support this version."}` }
      : { status: 200, text: /^\{"negotiateVersion":[01],"connectionId":"[\w.-]{22,}",/ };
    const request = requestLines(method, `/hub/negotiate${search}`, { ...headers, 'content-length': '0' });
    return {
      request,
      run: async () => {
        const body = await exchange(socket, request, expected);
        if (!(expected.text instanceof RegExp)) return;
        const isNew = Number(asked) > 0;
        const answer = JSON.parse(body.toString()) as Record<string, unknown>;
        expect(answer.negotiateVersion).toBe(isNew ? 1 : 0);
        expect(Object.keys(answer).length).toBe(isNew ? 5 : 4);
        expect(answer.affinity).toEqual({ node: NODE_ID, query: 'node', cookie: 'hubline_node' });
        if (isNew) expect(answer.connectionToken).toMatch(/^[\w-]{22,}$/);
      },
    };
  });
});

it('each request for a connection is answered', { timeout: 3_600_000 }, async () => {
  const negotiate = () => HttpClient.negotiate(world.url);
  const tokenOf = (client: HttpClient): string => new URL(client.url).searchParams.get('id') ?? '';
  const live = await connectAll();

  /** One connection of each kind, which the requests do not change. */
  async function connectAll() {
    const [none, webSocket, stream, polling] = await Promise.all([negotiate(), negotiate(), negotiate(), HttpClient.polling(world.url)]);
    const socket = await RawClient.open(world.port, { query: `id=${tokenOf(webSocket)}` });
    const events = await stream.events();
    await stream.post(HANDSHAKE);
    const kinds = { none, webSocket, stream, polling };
    const close = async () => {
      await socket[Symbol.asyncDispose]();
      await events[Symbol.asyncDispose]();
      await polling.leave();
    };
    return { tokens: Object.fromEntries(Object.entries(kinds).map(([kind, client]) => [kind, tokenOf(client)])), close };
  }

  const CHANGE = { status: 400, text: 'Cannot change transports mid-connection' };
  const NO_DELETE = { status: 400, text: 'Cannot terminate this connection using the DELETE endpoint.' };
  const NO_POST = { status: 405, text: 'POST requests are not allowed for WebSocket connections.' };
  const KNOWN = { ...GONE, code: 'connection_gone' };
  /** The answers by kind and request. Missing requests would open the transport or be held. */
  const LIVE: Record<string, Record<string, Expected>> = {
    none: { POST: KNOWN, DELETE: NO_DELETE },
    webSocket: { POST: NO_POST, DELETE: NO_DELETE, poll: CHANGE, stream: CHANGE },
    stream: {
      POST: { status: 200, text: '' },
      DELETE: NO_DELETE,
      poll: CHANGE,
      stream: { status: 409, text: '', code: 'already_connected' },
    },
    polling: { POST: { status: 200, text: '' }, stream: CHANGE },
  };

  using socket = new HttpSocket(world.port);
  let asked = 0;
  const ask = (random: Random) => {
    const kind = random.pick([...Object.keys(LIVE), undefined, undefined, undefined]);
    const node = random.pick([undefined, undefined, NODE_ID, 'node-2', '', '%']);
    const id =
      kind === undefined ? random.pick([undefined, '', 'x', '__proto__', 'constructor', '%00', 'x'.repeat(4000)]) : live.tokens[kind];
    const { search, get } = query(random, [
      ...(id === undefined ? [] : [`${random.pick(['id', 'ID'])}=${id}`]),
      ...(node === undefined ? [] : [`node=${node}`]),
    ]);
    const { headers, refused } = circumstances(random);
    const wants = random.pick(['poll', 'stream']);
    headers.accept = wants === 'stream' ? 'text/html, text/event-stream;q=0.1' : random.pick(['', '*/*', 'text/event', ';']);
    let method = random.pick(METHODS);
    const action = method === 'GET' ? wants : method;
    const isAction = method === 'GET' || method === 'POST' || method === 'DELETE';
    if (kind !== undefined && isAction && !LIVE[kind]?.[action]) method = 'PUT';
    const isOther = get('node') !== undefined && get('node') !== NODE_ID;
    const expected: Expected =
      refused ? refused
      : method === 'OPTIONS' ? { status: 204 }
      : method !== 'GET' && method !== 'POST' && method !== 'DELETE' ? { status: 405 }
      : !get('id') ? { status: 400, text: 'Connection ID required' }
      : kind !== undefined ? (LIVE[kind]?.[action] ?? expect.fail())
      : { ...GONE, code: isOther ? 'wrong_node' : 'connection_gone' };
    const request = requestLines(method, `/hub${search}`, { ...headers, 'content-length': '0' });
    return { request, run: () => exchange(socket, request, expected) };
  };
  const { cases, random, attempt } = campaign('requests', 60);
  for (let i = 0; i < cases; i++) {
    const { request, run } = ask(random(i));
    await attempt(i, request, run);
    if (asked++ % 20 === 0) await world.serves();
  }
  await live.close();
  await world.settled();
});

/** The response texts of the server; Node sends none of its own. */
const TEXTS = new RegExp(
  `^(${[
    '', 'Connection ID required', 'No Connection with that ID', 'The (request target|host) is not valid in a URL\\.',
    'Cannot terminate this connection using the DELETE endpoint\\.', 'The body could not be read\\.', '\\{"negotiateVersion":.*\\}',
    '\\{"error":"The client requested .*"\\}', 'Missing or invalid Sec-WebSocket-(Key|Version) header', 'Invalid Upgrade header', 'Invalid HTTP method', 'Bad Request', 'Invalid or missing Sec-WebSocket-.*', 'This page may not connect: its origin .*',
  ].join('|')})$`,
); // prettier-ignore

it('damaged HTTP requests are answered with a status or their socket is closed', { timeout: 3_600_000 }, async () => {
  const VALID = [
    requestLines('POST', '/hub/negotiate?negotiateVersion=1', { 'content-length': '0' }),
    requestLines('OPTIONS', '/hub/negotiate', { origin: 'http://localhost', 'access-control-request-method': 'POST' }),
    requestLines('POST', '/hub?id=x', { 'content-length': '3' }) + 'abc',
    requestLines('POST', '/hub?id=x', { 'transfer-encoding': 'chunked' }) + '3\r\nabc\r\n0\r\n\r\n',
    requestLines('GET', '/hub?id=x', { accept: 'text/event-stream' }),
    requestLines('DELETE', '/hub?id=x', {}),
    requestLines('GET', '/other?access_token=%41', { authorization: 'Bearer x', cookie: 'a=b' }),
    upgradeLines('/hub'),
    upgradeLines('/hub?id=x', { origin: 'http://localhost' }),
    upgradeLines('/other'),
  ];
  const statuses = new Set<number>();
  await each('raw HTTP', 40, (random) => {
    const bytes = bent(random, Buffer.from(random.pick(VALID)));
    return {
      request: Buffer.from(bytes).toString('latin1'),
      run: async () => {
        const answer = await rawExchange(bytes);
        if (answer.length === 0) return;
        expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 (101|200|204|400|403|404|405|408|409|413|414|417|426|431|501) /);
        const parsed = parse(answer);
        if (!parsed) return; // an upgrade, or an incomplete response
        statuses.add(parsed.answer.status);
        if (parsed.answer.status !== 101) expect(parsed.answer.body.toString()).toMatch(TEXTS);
      },
    };
  });
  expect(statuses.size).toBeGreaterThan(3);
});

/** Sends the bytes and the end, and returns all bytes until the server closes. */
function rawExchange(bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect(world.port, '127.0.0.1');
    socket.on('data', (data) => received.push(data));
    socket.on('error', () => undefined); // a reset is an answer, and `close` follows
    socket.on('close', () => resolve(Buffer.concat(received)));
    socket.end(bytes);
  });
}
