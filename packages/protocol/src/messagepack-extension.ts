import { HublineError } from './errors.ts';

/** Carries a type of your own as a MessagePack extension. Both ends need it. */
export interface Extension {
  /** 0 to 127; the negative ones are MessagePack's own. */
  readonly type: number;
  /** Undefined where the object is not of this type. Not asked about plain objects, arrays, bytes and dates. */
  encode(value: object): Uint8Array | undefined;
  /** The bytes are yours. What it throws makes the message an `invalid_message`. */
  decode(data: Uint8Array): unknown;
}

/** An extension that nobody has declared arrives as this, and is written as it came. */
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

/** @throws HublineError `invalid_option` */
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
