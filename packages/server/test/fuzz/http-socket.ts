import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Writes any bytes as HTTP/1.1 requests to a socket, which is opened again when the server has closed it. */
export class HttpSocket implements Disposable {
  readonly #port: number;
  #socket: Socket | undefined;
  #received = Buffer.alloc(0);
  #isBodyless = false;
  #settle: ((answer: HttpAnswer | undefined) => void) | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and returns its response, or undefined if the server closed without one. Call it for one request at a time. */
  request(head: string, body: Uint8Array | string = ''): Promise<HttpAnswer | undefined> {
    this.#isBodyless = head.startsWith('HEAD ');
    return new Promise((resolve) => {
      this.#settle = resolve;
      const socket = (this.#socket ??= this.#open());
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body as string)]));
    });
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect(this.#port, '127.0.0.1').setNoDelay(true);
    this.#received = Buffer.alloc(0);
    socket.on('error', () => undefined); // `close` follows
    socket.on('data', (data) => {
      this.#received = Buffer.concat([this.#received, data]);
      const parsed = parse(this.#received, this.#isBodyless);
      if (!parsed) return;
      this.#received = this.#received.subarray(parsed.length);
      if (parsed.answer.headers.get('connection') === 'close') this.#forget(socket);
      this.#done(parsed.answer);
    });
    socket.on('close', () => {
      if (this.#socket !== socket) return; // replaced by a newer socket
      this.#forget(socket);
      this.#done(undefined);
    });
    return socket;
  }

  #forget(socket: Socket): void {
    this.#socket = undefined;
    socket.end();
  }

  #done(answer: HttpAnswer | undefined): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(answer);
  }
}

/** Parses a complete response. */
export function parse(bytes: Buffer, isBodyless = false): { readonly answer: HttpAnswer; readonly length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(lines.map((each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]));
  const status = Number(line.slice(9, 12));
  let at = end + 4;
  const answer = (body: Buffer) => ({ answer: { status, headers, body }, length: at });
  if (isBodyless || status === 204 || status === 304) return answer(Buffer.alloc(0));
  if (headers.get('transfer-encoding') !== 'chunked') {
    const size = Number(headers.get('content-length') ?? 0);
    if (bytes.length < at + size) return undefined;
    at += size;
    return answer(bytes.subarray(at - size, at));
  }
  const chunks: Buffer[] = [];
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const next = lineEnd + 2 + size + 2;
    if (bytes.length < next) return undefined;
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
    if (size === 0) return answer(Buffer.concat(chunks));
  }
}
