/**
 * A node for tests: the conformance server, and `POST /` on another port for what takes its time. That one answers in lines of
 * JSON as things come, and gives up when whoever asked does.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { HubServerEvents, InvokeOptions } from '@hubline/server';
import { optionsFrom, startConformanceServer } from '@hubline/testing/conformance-server';

/** Orders are given up soon: tests wait for that. */
const timeouts = { commandMs: 2000 };
const member = await startConformanceServer({ ...optionsFrom(process.argv.slice(2)), timeouts });
const { server } = member;
const hub = member.hubs.get('testhub');
if (!hub) throw new Error('The conformance server has a testhub.');

type Filter = Parameters<typeof hub.clients.matching>[0];

const happened: object[] = [];
const keep = (event: keyof HubServerEvents, details: (...args: never[]) => object): void => {
  server.on(event, (...args: unknown[]) => void happened.push({ event, atMs: Date.now(), ...details(...(args as never[])) }));
};
keep('nodeJoined', ({ nodeId, process }: { nodeId: string; process: string }) => ({ nodeId, process }));
keep('nodeLost', ({ nodeId, process }: { nodeId: string; process: string }, reason: string) => ({ nodeId, process, reason }));
keep('gap', (gap: object) => ({ gap }));
keep('lost', ({ method, error }: { method: string; error: Error }) => ({ method, message: error.message }));
keep('backplaneDown', (cause: Error) => ({ message: cause.message }));
keep('backplaneUp', (outage: object) => ({ outage }));
keep('error', (stage: string, error: unknown) => ({ stage, message: String(error) }));

interface Call extends InvokeOptions {
  readonly method: string;
}
type Speaker<T> = Readonly<Record<string, (...args: readonly unknown[]) => T>>;

/** What streams, by name. */
const streams: Readonly<Record<string, (signal: AbortSignal, ...args: never[]) => AsyncIterable<object>>> = {
  watch: (signal, filter?: Filter) => hub.presence.watch(filter, { signal }),
  watchUsers: (signal, filter?: Filter, graceMs?: number) =>
    hub.presence.watchUsers(filter, { signal, ...(graceMs === undefined ? {} : { graceMs }) }),
  /** The outcomes, and at last the nodes that are missing. */
  async *invokeAll(signal, target: Filter, { method, ...options }: Call) {
    const { invokeAll } = hub.clients.matching(target).with({ ...options, signal });
    const outcomes = (invokeAll as unknown as Speaker<AsyncIterable<object> & PromiseLike<{ readonly missingNodes: string[] }>>)[method]!();
    yield* outcomes;
    yield { missingNodes: (await outcomes).missingNodes };
  },
  async *happened() {
    yield* happened;
  },
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { op, args = [] } = JSON.parse(await text(request)) as { op: string; args?: readonly unknown[] };
  const given = new AbortController();
  response.once('close', () => given.abort());
  response.flushHeaders();
  try {
    for await (const item of streams[op]!(given.signal, ...(args as never[]))) response.write(`${JSON.stringify(item)}\n`);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    response.write(`${JSON.stringify({ error: { code, message } })}\n`);
    happened.push({ event: 'refused', code, message });
  }
  response.end();
}

const http = createServer((request, response) => void answer(request, response));
http.listen(0, '127.0.0.1');
await once(http, 'listening');
process.stdout.write(`${JSON.stringify({ url: member.url, streams: `http://127.0.0.1:${(http.address() as AddressInfo).port}` })}\n`);
process.once('SIGTERM', () => void member.close().then(() => process.exit(0)));
