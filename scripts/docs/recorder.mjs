/** Records what a client sends and receives, as the transcripts of the documentation show it. */
import { Buffer } from 'node:buffer';
import { WebSocket } from 'ws';
import { MessagePackReader } from '../../packages/protocol/src/messagepack-reader.ts';

const SEPARATOR = '\u001e';
/** Headers of every HTTP answer, which say nothing about the protocol. */
const COMMON = ['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'set-cookie'];

/**
 * The record of one conversation. An entry is a title and the bytes that follow it. A poll has two entries, because messages are sent
 * between its request and its answer; any other request has one.
 */
export class Recorder {
  entries = [];
  /** Set when the client begins to close: whether it receives more before it stops reading differs from run to run. */
  isLeaving = false;
  /** Requests without an answer. */
  #open = 0;
  #polls = 0;

  /** Whether all requests are answered; while a client polls, all but its poll. */
  isQuiet({ polls = false } = {}) {
    return this.#open === 0 && (!polls || this.#polls === 1);
  }

  heading(text) {
    this.entries.push({ title: `# ${text}` });
  }

  add(title, bytes, format) {
    const entry = { title, bytes: Buffer.from(bytes ?? ''), format };
    this.entries.push(entry);
    return entry;
  }

  #addUnlessLeaving(title, bytes, format) {
    return this.isLeaving ? undefined : this.add(title, bytes, format);
  }

  /** A `fetch` that records. */
  fetch = async (url, init = {}) => {
    const { method = 'GET', headers = {}, body } = init;
    const { pathname, search } = new URL(url);
    const bytes = Buffer.from((await body?.arrayBuffer()) ?? '');
    const names = Object.entries(headers).filter(([name]) => !/^x-/i.test(name));
    const lines = names.map(([name, value]) => `\n  ${name}: ${value}`).join('');
    const isPoll = method === 'GET' && !headers.Accept;
    const add = isPoll ? this.#addUnlessLeaving : this.add;
    const request = add.call(this, `→ ${method} ${pathname}${search}${lines}`, bytes);
    if (isPoll) this.#polls++;
    else this.#open++;
    try {
      const response = await globalThis.fetch(url, init);
      const status = `${response.status} ${response.headers.get('content-type') ?? ''}`.trim();
      if (response.headers.get('content-type')?.startsWith('text/event-stream')) return this.#events(response, request, status);
      const answer = Buffer.from(await response.arrayBuffer());
      if (isPoll) this.#addUnlessLeaving(`← answer to the poll: ${status}${answer.length > 0 ? '' : ', empty'}`, answer);
      else Object.assign(request, { answer, status });
      return new globalThis.Response(response.status === 204 ? null : answer, response);
    } finally {
      if (isPoll) this.#polls--;
      else this.#open--;
    }
  };

  /** Records an event stream while its client reads it. */
  #events(response, request, status) {
    const fields = [...response.headers].filter(([name]) => !COMMON.includes(name)).map(([name, value]) => `\n  ${name}: ${value}`);
    Object.assign(request, { answer: Buffer.alloc(0), status: `${status.split(' ')[0]}${fields.join('')}` });
    const record = (chunk, controller) => {
      this.#addUnlessLeaving('← on the event stream', chunk, 'events');
      controller.enqueue(chunk);
    };
    const flush = () => void this.#addUnlessLeaving('← the event stream ends');
    const { readable, writable } = new globalThis.TransformStream({ transform: record, flush });
    // The client may leave the stream, which is no failure of the recording.
    response.body.pipeTo(writable).catch(() => undefined);
    return new globalThis.Response(readable, response);
  }

  /** A class of WebSockets that record. */
  get WebSocket() {
    const add = (title, bytes, format) => this.add(title, bytes, format);
    return class extends WebSocket {
      constructor(url, options) {
        super(url, options);
        const { pathname, search } = new URL(url);
        add(`→ GET ${pathname}${search}\n  Connection: Upgrade\n  Upgrade: websocket`);
        this.on('upgrade', ({ statusCode }) => add(`← ${statusCode} Switching Protocols`));
        this.on('message', (data, isBinary) => add(`← ${isBinary ? 'binary' : 'text'} frame`, data));
        this.on('close', (code) => add(`← close frame, ${code}`));
      }
      send(data) {
        add(`→ ${typeof data === 'string' ? 'text' : 'binary'} frame`, data);
        super.send(data);
      }
      close(code) {
        if (this.readyState === WebSocket.OPEN) add(`→ close frame, ${code}`);
        super.close(code);
      }
    };
  }
}

/** Returns the text of a transcript. `mask` replaces what differs between two runs by texts of the same length. */
export function textOf({ entries }, mask) {
  const masked = (bytes) => Buffer.from(mask(bytes.toString('latin1')), 'latin1');
  const payload = (bytes, format) => (bytes?.length ? `\n${shown(masked(bytes), format)}` : '');
  const text = entries.map(({ title, bytes, format, answer, status }) => {
    const size = bytes?.length ? `, ${bytes.length} bytes` : '';
    const reply =
      status ?
        `\n← ${mask(status)}${
          answer.length ? `, ${answer.length} bytes`
          : status.includes('\n') ? ''
          : ', empty'
        }`
      : '';
    return mask(title) + size + payload(bytes, format) + reply + payload(answer);
  });
  return `${text
    .map((each) => (each.startsWith('# ') ? `\n${each}\n` : each))
    .join('\n')
    .trim()}\n`;
}

function shown(bytes, format) {
  const text = bytes.toString();
  if (format === 'events') return text.replaceAll(SEPARATOR, '¶').replaceAll('\r\n', '\\r\\n\n').trimEnd();
  const isText = bytes[0] === 0x7b || !/[\0-\x1d]|\ufffd/.test(text);
  return isText ? text.replaceAll(SEPARATOR, '¶\n').trimEnd() : messagesOf(bytes).map(dumpOf).join('\n');
}

/** Returns the MessagePack messages of a frame: the bytes of each with its length, and the bytes of its array. */
function messagesOf(bytes) {
  const messages = [];
  for (let at = 0; at < bytes.length;) {
    let size = 0;
    let start = at;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[start++];
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    messages.push({ bytes: bytes.subarray(at, start + size), array: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return messages;
}

/** Returns the array of a message, then its bytes in lines of 16. */
const dumpOf = ({ bytes, array }) => `${JSON.stringify(new MessagePackReader(array, []).read())}\n${hexOf(bytes)}`;

/** Returns bytes in lines of 16, each as hexadecimal digits and as ASCII. */
function hexOf(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    const hex = [...line].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = line.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.');
    lines.push(`  ${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join('\n');
}
