import { tooLarge } from '@hubline/protocol';

/** More than any answer has that is not a message. */
const MAX_ANSWER_BYTES = 65_536;

/** The body of an answer, once it is here and has no more bytes than these. @throws HublineError `message_too_large` */
export async function bodyOf(response: Response, maxBytes = MAX_ANSWER_BYTES): Promise<Pick<Body, 'text' | 'arrayBuffer'>> {
  const reader = response.body?.getReader();
  // React Native has no streams.
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
