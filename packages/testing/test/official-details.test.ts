import { createRequire } from 'node:module';
import {
  DefaultHttpClient,
  HttpTransportType,
  HubConnectionBuilder,
  LogLevel,
  NullLogger,
  VERSION,
  type HttpRequest,
  type HttpResponse,
  type IHttpConnectionOptions,
  type ILogger,
} from '@microsoft/signalr';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { describe, expect, it } from 'vitest';

/** The transport layer of the client, which it does not export. */
interface HttpConnection {
  onreceive: (data: string | ArrayBuffer) => void;
  onclose: (error?: Error) => void;
  start(format: number): Promise<void>;
  send(data: string | ArrayBuffer): Promise<void>;
  stop(): Promise<void>;
}
const { HttpConnection } = createRequire(import.meta.url)('@microsoft/signalr/dist/cjs/HttpConnection.js') as {
  HttpConnection: new (url: string, options: IHttpConnectionOptions) => HttpConnection;
};
const TEXT = 1;
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;
const quiet = { logger: NullLogger.instance };

class RecordingClient extends DefaultHttpClient {
  readonly log: string[] = [];

  constructor() {
    super(NullLogger.instance);
  }

  override async send(request: HttpRequest): Promise<HttpResponse> {
    const what = `${request.method} ${new URL(request.url ?? '').pathname}`;
    this.log.push(what);
    try {
      const response = await super.send(request);
      this.log.push(`${response.statusCode} ${what}`);
      return response;
    } catch (error) {
      this.log.push(`${(error as Error).name} ${what}`);
      throw error;
    }
  }
}

describe(`@microsoft/signalr ${VERSION}, Node, all, json`, () => {
  it('the client sends DELETE when it stops long polling, after its last poll ended', async () => {
    await using server = await startConformanceServer({ port: 0 });
    const httpClient = new RecordingClient();
    const connection = new HubConnectionBuilder()
      .withUrl(`${server.url}/testhub`, { transport: HttpTransportType.LongPolling, httpClient })
      .configureLogging(LogLevel.None)
      .build();
    await connection.start();
    await connection.invoke('Echo', 1);
    httpClient.log.length = 0;
    await connection.stop();
    const { log } = httpClient;
    const pollIsOver = log.findIndex((entry) => /^\S+ GET /.test(entry));
    expect(pollIsOver).toBeGreaterThanOrEqual(0);
    expect(log.indexOf('DELETE /testhub')).toBeGreaterThan(pollIsOver);
    // The close message was sent before, so the connection may be gone already. The client accepts 404.
    expect(log.at(-1)).toMatch(/^(202|Error) DELETE/);
    await expect.poll(() => server.server.health().connections).toBe(0);
  });

  it.each(TRANSPORTS)('the client sends and receives over a raw connection: %s', async (transport) => {
    await using server = await startConformanceServer({ port: 0 });
    const connection = new HttpConnection(`${server.url}/echo`, { transport: HttpTransportType[transport], ...quiet });
    let received = '';
    connection.onreceive = (data) => (received += typeof data === 'string' ? data : Buffer.from(data).toString());
    await connection.start(TEXT);
    await connection.send('Hello World!\r\n€😀');
    await expect.poll(() => received.replaceAll('\r\n', '\n')).toBe('Hello World!\n€😀'); // events end every line with \n
    await connection.stop();
  });

  it('the client connects to a raw connection without a given transport, and through a 307 redirect', async () => {
    await using server = await startConformanceServer({ port: 0 });
    const answer = await fetch(`${server.url}/echoredirect/negotiate?negotiateVersion=1`, { method: 'POST', redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([307, '/echo/negotiate?negotiateVersion=1']);
    for (const [path, transport] of [['/echo'], ['/echoredirect', HttpTransportType.LongPolling]] as const) {
      const connection = new HttpConnection(server.url + path, { ...(transport ? { transport } : {}), ...quiet });
      const received: unknown[] = [];
      connection.onreceive = (data) => received.push(typeof data === 'string' ? data : Buffer.from(data).toString());
      await connection.start(TEXT);
      await connection.send('hello');
      await expect.poll(() => received).toEqual(['hello']);
      await connection.stop();
    }
  });

  it.each(TRANSPORTS)('the client logs message contents over %s only with logMessageContent', async (transport) => {
    await using server = await startConformanceServer({ port: 0 });
    for (const logMessageContent of [false, true]) {
      const lines: string[] = [];
      const logger: ILogger = { log: (_level, message) => void lines.push(message) };
      const connection = new HttpConnection(`${server.url}/echo`, { transport: HttpTransportType[transport], logger, logMessageContent });
      let received = false;
      connection.onreceive = () => (received = true);
      await connection.start(TEXT);
      await connection.send('the content');
      await expect.poll(() => received).toBe(true);
      await connection.stop();
      expect(lines.some((line) => line.includes('the content'))).toBe(logMessageContent);
    }
  });

  it('the client sends its name and version as user agent', async () => {
    await using server = await startConformanceServer({ port: 0 });
    const connection = new HubConnectionBuilder().withUrl(`${server.url}/testhub`).configureLogging(LogLevel.None).build();
    await connection.start();
    const agent = await connection.invoke<string>('GetHeader', 'User-Agent');
    expect(agent).toMatch(new RegExp(`^Microsoft SignalR/\\d+\\.\\d+ \\(${VERSION}; .+; NodeJS; .+\\)$`));
    await connection.stop();
  });

  it('the client uses a plain connection if the server does not support stateful reconnect', async () => {
    await using server = await startConformanceServer({ port: 0 });
    const connection = new HubConnectionBuilder()
      .withUrl(`${server.url}/testhub`)
      .configureLogging(LogLevel.None)
      .withStatefulReconnect()
      .build();
    await connection.start();
    expect(await connection.invoke('Echo', 'plain')).toBe('plain');
    await connection.stop();
  });

  it('the client sends the access token of a redirect to the new address', async () => {
    interface WhoAmI {
      whoAmI(): Promise<string | null>;
    }
    await using away = createHubServer();
    const methods = { whoAmI: async (ctx: { readonly userId: string | undefined }) => ctx.userId ?? null };
    away.hub(defineHub<WhoAmI>('who'), { path: '/who', authenticate: ({ token }) => (token ? { userId: token } : {}), methods });
    const url = `http://127.0.0.1:${await away.listen(0, '127.0.0.1')}/who`;
    await using home = createHubServer();
    home.hub(defineHub<WhoAmI>('who'), { path: '/who', redirect: () => ({ url, accessToken: 'guest' }), methods });
    const port = await home.listen(0, '127.0.0.1');
    for (const transport of TRANSPORTS) {
      const connection = new HubConnectionBuilder()
        .withUrl(`http://127.0.0.1:${port}/who`, { transport: HttpTransportType[transport], accessTokenFactory: () => 'host' })
        .configureLogging(LogLevel.None)
        .build();
      await connection.start();
      expect(await connection.invoke('whoAmI')).toBe('guest');
      await connection.stop();
    }
  });

  it.each(TRANSPORTS)('the client reconnects when the server drains, over %s', async (transport) => {
    await using server = await startConformanceServer({ port: 0 });
    const connection = new HubConnectionBuilder()
      .withUrl(`${server.url}/testhub`, { transport: HttpTransportType[transport] })
      .configureLogging(LogLevel.None)
      .withAutomaticReconnect([60_000])
      .build();
    let reconnecting = false;
    connection.onreconnecting(() => (reconnecting = true));
    await connection.start();
    await server.server.drain();
    await expect.poll(() => reconnecting).toBe(true);
    await connection.stop();
  });
});
