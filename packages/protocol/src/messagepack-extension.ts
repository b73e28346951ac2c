import { HublineError } from './errors.ts';

/** Carries a type of the application as a MessagePack extension. Both ends need it. */
export interface Extension {
  /** From 0 to 127; negative types are MessagePack's own. */
  readonly type: number;
  /** Returns undefined if the object is not of this type. Not called for plain objects, arrays, bytes and dates. */
  encode(value: object): Uint8Array | undefined;
  /** Returns the object. It may keep the bytes. If it throws, the message is an `invalid_message`. */
  decode(data: Uint8Array): unknown;
}

/** The content of an extension that was not declared. It can be sent again unchanged. */
export class ExtensionData {
  readonly type: number;
  readonly data: Uint8Array;

  constructor(type: number, data: Uint8Array) {
    this.type = type;
    this.data = data;
  }
}

/** MessagePack's own extension: seconds and nanoseconds since 1970. */
export const TIMESTAMP = -1;

/** Checks the types of extensions, and returns the extensions. @throws HublineError `invalid_option` */
export function checkExtensions(extensions: readonly Extension[]): readonly Extension[] {
  for (const { type } of extensions) {
    const isUnique = extensions.filter((other) => other.type === type).length === 1;
    if (Number.isInteger(type) && type >= 0 && type <= 127 && isUnique) continue;
    throw new HublineError('invalid_option', `The extension type ${type} is not from 0 to 127, or is there twice.`, {
      option: 'extensions',
    });
  }
  return extensions;
}
