import { isUtf8 } from 'node:buffer';
import { EventStream, HttpClient } from '../http-client.ts';
import { requestLines } from '../raw-client.ts';
import { AnswerReader } from './answers.ts';
import { HttpSocket } from './http-socket.ts';
import type { Random } from './random.ts';
import { encodeFrame, Opcode, WireSocket } from './wire.ts';
import type { FuzzWorld } from './world.ts';

export type Protocol = 'json' | 'messagepack';

/** A connection after its handshake, over any transport. */
export interface Channel extends AsyncDisposable {
  readonly reader: AnswerReader;
  readonly isOver: boolean;
  /** Returns the WebSocket code with which the transport refuses these bytes, or undefined. */
  refusal(bytes: Uint8Array): number | undefined;
  /** Sends the bytes in random pieces. */
  send(bytes: Uint8Array, random: Random): Promise<void>;
  until(condition: () => boolean): Promise<void>;
  /** The code of the close frame; undefined without one. */
  readonly closeCode: number | undefined;
}

export interface Opening {
  readonly protocol: Protocol;
  readonly random: Random;
  /** Default: a valid handshake. */
  readonly handshake?: Uint8Array;
}

export type OpenChannel = (world: FuzzWorld, opening: Opening) => Promise<Channel>;

const shake = (protocol: Protocol): Buffer => Buffer.from(`{"protocol":"${protocol}","version":1,"hubline":1}\u001e`);

/** Opens a WebSocket, and sends text or binary frames, cut into fragments. */
export const overWebSockets: OpenChannel = async ({ port }, { protocol, random, handshake = shake(protocol) }) => {
  const isText = protocol === 'json' && random.chance(0.5);
  const opcode = isText ? Opcode.text : Opcode.binary;
  const reader = new AnswerReader(protocol);
  const wire = new WireSocket(port, encodeFrame(opcode, handshake));
  let isOver = false;
  let taken = 0;
  const take = (): void => {
    for (const frame of wire.frames.slice(taken))
      if (frame.opcode === Opcode.text || frame.opcode === Opcode.binary) reader.push(frame.payload);
    taken = wire.frames.length;
  };
  void wire.closed.then(() => (isOver = true));
  const until = (condition: () => boolean): Promise<void> => wire.until(() => (take(), condition()));
  await until(() => reader.handshake !== undefined);
  return {
    reader,
    until,
    refusal: (bytes) => (isText && !isUtf8(bytes) ? 1007 : undefined),
    async send(bytes, numbers) {
      const parts = cut(bytes, numbers);
      if (isText || numbers.chance(0.5)) {
        parts.forEach((part, i) => {
          wire.write(encodeFrame(i === 0 ? opcode : Opcode.continuation, part, { isFinal: i === parts.length - 1 }));
          if (numbers.chance(0.1)) wire.write(encodeFrame(Opcode.ping, numbers.bytes(numbers.below(125))));
        });
      } else {
        for (const part of parts) wire.write(encodeFrame(opcode, part));
      }
    },
    get isOver() {
      return isOver;
    },
    get closeCode() {
      return wire.closeCode;
    },
    [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
  };
};

function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = parts.length > 4 || random.chance(0.5) ? bytes.length : at + 1 + random.below(bytes.length - at);
    parts.push(bytes.subarray(at, end));
  }
  return parts;
}

/** Opens a connection over HTTP requests, whose messages `listen` reads until the end. */
async function overHttp(world: FuzzWorld, { protocol, handshake = shake(protocol) }: Opening, listen: Listen): Promise<Channel> {
  const client = await HttpClient.negotiate(world.url);
  const { pathname, search } = new URL(client.url);
  const reader = new AnswerReader(protocol);
  const posts = new HttpSocket(world.port);
  let isOver = false;
  let wake = (): void => undefined;
  const listening = await listen(client, (bytes) => {
    reader.push(bytes);
    wake();
  });
  void listening.over.then(() => {
    isOver = true;
    wake();
  });
  const channel: Channel = {
    reader,
    closeCode: 1000, // HTTP has no close codes
    refusal: () => undefined,
    async send(bytes, random) {
      for (const part of random.chance(0.8) ? [bytes] : cut(bytes, random)) {
        const lines = requestLines('POST', pathname + search, { 'content-length': String(part.length) });
        const answer = await posts.request(lines, part);
        // Between the last post and this one the connection may have ended.
        if (answer?.status !== 200 && answer?.status !== 404) throw new Error(`A post was answered ${answer?.status}.`);
      }
    },
    async until(condition) {
      while (!isOver && !condition()) await new Promise<void>((resolve) => (wake = resolve));
    },
    get isOver() {
      return isOver;
    },
    async [Symbol.asyncDispose]() {
      await listening.leave();
      posts[Symbol.dispose]();
      await listening.over;
    },
  };
  await posts.request(requestLines('POST', pathname + search, { 'content-length': String(handshake.length) }), handshake);
  await channel.until(() => reader.handshake !== undefined);
  return channel;
}

type Listen = (
  client: HttpClient,
  take: (bytes: Uint8Array) => void,
) => Promise<{ readonly over: Promise<void>; leave(): Promise<unknown> }>;

export const overServerSentEvents: OpenChannel = (world, opening) =>
  overHttp(world, opening, async (client, take) => {
    const leaving = new AbortController();
    const response = await fetch(client.url, { headers: { accept: 'text/event-stream' }, signal: leaving.signal });
    const events = new EventStream(response);
    const read = async (): Promise<void> => {
      for (;;) {
        const text = await events.until('\r\n\r\n').catch(() => undefined); // the end
        if (text === undefined) return;
        const end = text.lastIndexOf('\r\n\r\n') + 4;
        events.text = text.slice(end);
        for (const event of text.slice(0, end).split('\r\n\r\n')) take(Buffer.from(dataOf(event)));
      }
    };
    return { over: read(), leave: async () => leaving.abort() };
  });

const dataOf = (event: string): string =>
  event
    .split('\r\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6))
    .join('\n');

export const overLongPolling: OpenChannel = (world, opening) =>
  overHttp(world, opening, async (client, take) => {
    const polls = new HttpSocket(world.port);
    const { pathname, search } = new URL(client.url);
    const lines = requestLines('GET', pathname + search, {});
    await polls.request(lines);
    const read = async (): Promise<void> => {
      for (let answer = await polls.request(lines); answer?.status === 200; answer = await polls.request(lines)) take(answer.body);
      polls[Symbol.dispose]();
    };
    return { over: read(), leave: () => client.leave().then((response) => response.arrayBuffer()) };
  });
