import { tooLarge } from '@hubline/protocol';

/** The limit for responses that carry no hub messages. */
const MAX_BODY_BYTES = 65_536;

/** Reads the whole body of a response. @throws HublineError `message_too_large` after more than `maxBytes` */
export async function readBody(response: Response, maxBytes = MAX_BODY_BYTES): Promise<Pick<Body, 'text' | 'arrayBuffer'>> {
  const reader = response.body?.getReader();
  // React Native has no streams, so nothing bounds its bodies.
  if (!reader) return response;
  const parts: BlobPart[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    length += value.length;
    if (length <= maxBytes) continue;
    await reader.cancel();
    throw tooLarge(maxBytes);
  }
}
