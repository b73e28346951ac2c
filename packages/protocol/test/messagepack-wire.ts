import { expect } from 'vitest';
import { MessageType, type HubMessage } from '@hubline/protocol';
import { messagePack, type MessagePackOptions } from '@hubline/protocol/messagepack';

const { StreamItem } = MessageType;
/** The codec without options. */
export const codec = messagePack();

export const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (byte) => parseInt(byte, 16));
export const hex = (wire: unknown): string => Array.from(wire as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
export const join = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
export const wireOf = (messages: readonly HubMessage[]): Uint8Array => join(messages.map((each) => codec.encode(each) as Uint8Array));
/** Returns a short body behind its length. */
export const framed = (body: string): Uint8Array => join([Uint8Array.of(bytes(body).length), bytes(body)]);

/** Decodes the chunks, and returns their messages. */
export function decode(
  chunks: readonly Uint8Array[],
  { maxMessageBytes = Infinity, ...options }: MessagePackOptions & { maxMessageBytes?: number } = {},
) {
  const messages: HubMessage[] = [];
  const decoder = messagePack(options).decoder({ maxMessageBytes });
  for (const chunk of chunks) decoder.push(chunk, (received) => messages.push(received));
  return messages;
}

/** Encodes and decodes a value. */
export function sent(value: unknown, options: MessagePackOptions = {}): unknown {
  const wire = messagePack(options).encode({ type: StreamItem, invocationId: '1', item: value }) as Uint8Array;
  const [received] = decode([wire], options);
  return received?.type === StreamItem ? received.item : expect.fail('no item');
}
/** Decodes the bytes of an item. */
export const item = (body: string): unknown => {
  const [received] = decode([framed(`94 02 80 a1 31 ${body}`)]);
  return received?.type === StreamItem ? received.item : expect.fail('no item');
};
/** Encodes an item. */
export const itemBytes = (value: unknown): string =>
  hex(codec.encode({ type: StreamItem, invocationId: '1', item: value })).replace(/^.. 94 02 80 a1 31 /, '');
