import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Refusal } from './refusal.ts';

/** RFC 6455, 1.3: proves that the server speaks WebSocket. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** The first offered protocol (a token of RFC 9110, 5.6.2): a browser refuses an answer without one of its protocols. */
const FIRST_PROTOCOL = /^[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?:,|$)/;

/** Checks an upgrade to a WebSocket (RFC 6455, 4.2). Returns the lines that accept it, or the refusal of an invalid one. */
export function answerUpgrade({ method, headers }: IncomingMessage): { readonly lines: string } | { readonly refusal: Refusal } {
  const key = headers['sec-websocket-key'];
  const version = headers['sec-websocket-version'];
  const offered = headers['sec-websocket-protocol'];
  const protocol = offered === undefined ? undefined : FIRST_PROTOCOL.exec(offered)?.[1];
  if (method !== 'GET') return refused('Invalid HTTP method', 405);
  if (headers.upgrade?.toLowerCase() !== 'websocket') return refused('Invalid Upgrade header');
  if (key === undefined || !KEY.test(key)) return refused('Missing or invalid Sec-WebSocket-Key header');
  if (version !== '13' && version !== '8') return refused('Missing or invalid Sec-WebSocket-Version header');
  if (offered !== undefined && protocol === undefined) return refused('Invalid or missing Sec-WebSocket-Protocol header');
  const accept = hash('sha1', key + GUID, 'base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  return { lines: `${lines.join('\r\n')}\r\n\r\n` };
}

const refused = (text: string, status = 400): { readonly refusal: Refusal } => ({ refusal: { status, text } });
