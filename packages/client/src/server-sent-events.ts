import { checkDurations } from '#diagnostics';
import { tooLarge } from '@hubline/protocol';
import { openHttpPipe, type HttpOptions, type HttpReceiver } from './http-pipe.ts';
import { refusal } from './refusal.ts';
import type { Transport } from './transport.ts';

/**
 * Server-sent events. They are read with `fetch`, which can send headers and exists in Node and workers. They carry text only; with a
 * binary protocol the client tries the next transport. The transport is open when its first bytes arrive, so the client tries the next one
 * if a proxy or virus scanner holds back the response.
 */
export function serverSentEvents(options: HttpOptions = {}): Transport {
  checkDurations(options);
  return {
    name: 'ServerSentEvents',
    open: (request) => openHttpPipe(request, { ...options, run: (port) => run(port, request.maxMessageBytes) }),
  };
}

async function run({ get, opened, receive }: HttpReceiver, maxMessageBytes: number): Promise<void> {
  const push = createEventReader(receive, maxMessageBytes);
  const { reader, first } = await get({ Accept: 'text/event-stream' }, async ({ headers, body }) => {
    const type = headers.get('content-type') ?? 'nothing';
    const reader = body?.getReader();
    if (!reader || !type.startsWith('text/event-stream')) {
      await reader?.cancel();
      throw refusal(`Expected an event stream, got ${type}.`);
    }
    return { reader, first: await reader.read() };
  });
  for (let { done, value } = first; !done; { done, value } = await reader.read()) {
    opened();
    push(value!);
  }
}

/**
 * Creates a parser of an event stream (HTML standard, 9.2.6). It takes chunks of bytes and delivers the data of each event. It ignores
 * comments, names, ids and retry times. @throws HublineError `message_too_large`
 */
export function createEventReader(deliver: (data: string) => void, maxBytes = Infinity): (bytes: Uint8Array) => void {
  const utf8 = new TextDecoder();
  /** The start of a line whose end has not arrived. */
  let partial = '';
  let data: string[] = [];
  let length = 0;
  /** Whether the last chunk ended with CR. An LF that follows belongs to the same end of line. */
  let afterCr = false;
  return (bytes) => {
    const text = utf8.decode(bytes, { stream: true });
    // The chunk ended within a character.
    if (!text) return;
    const lines = text.slice(afterCr && text[0] === '\n' ? 1 : 0).split(/\r\n|\r|\n/);
    afterCr = text.endsWith('\r');
    lines[0] = partial + lines[0]!;
    partial = lines.pop()!;
    for (const line of lines) {
      const field = /^data(?:: ?|$)/.exec(line)?.[0];
      if (field) length += data[data.push(line.slice(field.length)) - 1]!.length + 1; // empty lines cost memory too
      if (line) continue;
      const event = data.join('\n');
      data = [];
      length = 0;
      if (event) deliver(event);
    }
    if (length + partial.length > maxBytes) throw tooLarge(maxBytes);
  };
}
