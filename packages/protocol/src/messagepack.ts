import type { Codec } from './codec.ts';
import { messagePackCodec } from './messagepack-codec.ts';
import { checkExtensions, type Extension } from './messagepack-extension.ts';
import { MessagePackReader } from './messagepack-reader.ts';
import { MessagePackWriter } from './messagepack-writer.ts';

export { messagePackCodec, type MessagePack } from './messagepack-codec.ts';
export { ExtensionData, type Extension } from './messagepack-extension.ts';

export interface MessagePackOptions {
  /** Types of the application. Default: none. */
  readonly extensions?: readonly Extension[];
}

/**
 * SignalR's MessagePack protocol, for both ends. Carries all values that JSON carries, and `Uint8Array`, `Date` and integers of 64 bits,
 * which are numbers if that is exact and bigints otherwise. @throws HublineError `invalid_option`
 */
export function messagePack(options: MessagePackOptions = {}): Codec {
  const extensions = checkExtensions(options.extensions ?? []);
  let spare: MessagePackWriter | undefined;
  return messagePackCodec({
    encode(value) {
      // A getter or an extension may encode another value meanwhile; that needs a second writer.
      const writer = spare ?? new MessagePackWriter(extensions);
      spare = undefined;
      const bytes = writer.write(value);
      spare = writer;
      return bytes;
    },
    decode: (bytes) => new MessagePackReader(bytes, extensions).read(),
  });
}
