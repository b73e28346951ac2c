/** The kinds of floods: the data that a connection sends repeatedly, as fast as the server reads it. */
import { Buffer } from 'node:buffer';

const END = '\x1e';
const MESSAGES_BYTES = 60_000;
const MEBIBYTE = 1024 * 1024;

const record = (message) => JSON.stringify(message) + END;
/** One message, repeated in one frame. */
const filled = (text, bytes) => frame(text.repeat(Math.ceil(bytes / text.length)));
/** One message, repeated with a frame for each. */
const apart = (text) => Buffer.concat(Array(Math.ceil(MESSAGES_BYTES / text.length)).fill(frame(text)));

const request = (text) => Buffer.from(`${text} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`);
const requests = (text) => ({ isHttp: true, block: Buffer.concat(Array(500).fill(request(text))) });

const escaped = `{"type":1,"target":"hit","arguments":["${'\\u003c\\u0027'.repeat(500)}"]}${END}`;
const objects = `{"type":1,"target":"slow","arguments":[[${Array(5000).fill('{}').join()}]]}${END}`;
const items = `{"type":2,"invocationId":"u","item":[${Array(5000).fill('{}').join()}]}${END}`;

export const FLOODS = {
  nothing: { block: Buffer.alloc(0) },
  pings: { block: apart(record({ type: 6 })) },
  'pings of the WebSocket': { block: Buffer.concat(Array(8000).fill(Buffer.from([0x89, 0x80, 0, 0, 0, 0]))) },
  'plain sends': { block: apart(record({ type: 1, target: 'hit', arguments: [1] })) },
  'unknown methods': { block: apart(record({ type: 1, invocationId: '1', target: 'nope', arguments: [] })) },
  'frames of 1 MiB': { block: filled(record({ type: 1, target: 'hit', arguments: [1] }), MEBIBYTE - 100) },
  escapes: { block: filled(escaped, MESSAGES_BYTES) },
  negotiations: requests('POST /flood/negotiate?negotiateVersion=1'),
  'posts of connections that do not exist': requests('POST /flood?id=nobody'),
  'ten behind a slow method': { block: filled(objects, MESSAGES_BYTES), connections: 10, megabytes: 47 },
  'one that is asked': {
    first: frame(record({ type: 1, invocationId: '1', target: 'asking', arguments: [], streamIds: ['u'] })),
    block: filled(items, MESSAGES_BYTES),
    megabytes: 55,
  },
};

export const HANDSHAKE = frame(record({ protocol: 'json', version: 1 }));

/** Returns a frame of a client. Its mask is zero, which is valid and changes nothing. */
export function frame(text) {
  const body = Buffer.from(text);
  const { length } = body;
  const header = Buffer.alloc(
    length < 126 ? 6
    : length < 65_536 ? 8
    : 14,
  );
  header[0] = 0x81;
  if (length < 126) {
    header[1] = 0x80 | length;
  } else if (length < 65_536) {
    header[1] = 0x80 | 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 0x80 | 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, body]);
}
