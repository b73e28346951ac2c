import { checkDurations } from '#diagnostics';
import { tooLarge } from '@hubline/protocol';
import { openHttpPipe, type HttpOptions, type Port } from './http-pipe.ts';
import { refusal } from './refusal.ts';
import type { Transport } from './transport.ts';

/**
 * Server-sent events, read with `fetch`: headers can be sent, and Node and workers have it. Text only: with a binary
 * protocol the next transport is tried. Open when the first bytes have come: what holds back the answer, as some proxies
 * and virus scanners do, does not open it.
 */
export function serverSentEvents(options: HttpOptions = {}): Transport {
  checkDurations(options);
  return {
    name: 'ServerSentEvents',
    open: (request) => openHttpPipe(request, { ...options, run: (port) => run(port, request.maxMessageBytes) }),
  };
}

async function run({ get, opened, receive }: Port, maxMessageBytes: number): Promise<void> {
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
 * Takes the bytes of an event stream, cut anywhere, and gives the data of each event (HTML standard, 9.2.6). What is not
 * data says nothing to us: comments, names, ids, retry times. @throws HublineError `message_too_large`
 */
export function createEventReader(deliver: (data: string) => void, maxBytes = Infinity): (bytes: Uint8Array) => void {
  const utf8 = new TextDecoder();
  /** The start of a line whose end has not arrived. */
  let partial = '';
  let data: string[] = [];
  let length = 0;
  /** The last line ended with CR: LF, if it comes next, is the other half of that end. */
  let afterCr = false;
  return (bytes) => {
    const text = utf8.decode(bytes, { stream: true });
    // In the middle of a character.
    if (!text) return;
    const lines = text.slice(afterCr && text[0] === '\n' ? 1 : 0).split(/\r\n|\r|\n/);
    afterCr = text.endsWith('\r');
    lines[0] = partial + lines[0]!;
    partial = lines.pop()!;
    for (const line of lines) {
      const field = /^data(?:: ?|$)/.exec(line)?.[0];
      if (field) length += data[data.push(line.slice(field.length)) - 1]!.length + 1; // lines cost memory also where they are empty
      if (line) continue;
      const event = data.join('\n');
      data = [];
      length = 0;
      if (event) deliver(event);
    }
    if (length + partial.length > maxBytes) throw tooLarge(maxBytes);
  };
}
