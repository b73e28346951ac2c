import { isHublineError, type Codec, type HublineError, type HubMessage, type Wire } from '@hubline/protocol';

/** A message for many connections, encoded once for each protocol that they speak. */
export class OutgoingMessage {
  readonly #read: () => HubMessage;
  readonly #written: Map<string, Wire>;
  /** Errors of protocols that cannot encode the message: one attempt is enough for all connections of a protocol. */
  #refused: Map<string, HublineError> | undefined;
  #message: HubMessage | undefined;

  /** A newer message with this key replaces this one, if it has not been written to a client yet. */
  readonly replaces: string | undefined;

  /** `read` is called for the first protocol in which the message is not written yet. */
  constructor(read: () => HubMessage, written: Iterable<readonly [codec: string, wire: Wire]> = [], replaces?: string) {
    this.replaces = replaces;
    this.#read = read;
    this.#written = new Map(written);
  }

  /** Undefined before it is read, or if it could not be read. */
  get message(): HubMessage | undefined {
    return this.#message;
  }

  /** @throws HublineError `not_encodable` */
  as(codec: Codec): Wire {
    const wire = this.#written.get(codec.name);
    if (wire !== undefined) return wire;
    const refused = this.#refused?.get(codec.name);
    if (refused) throw refused;
    return this.#write(codec);
  }

  #write(codec: Codec): Wire {
    try {
      const wire = codec.encode((this.#message ??= this.#read()));
      this.#written.set(codec.name, wire);
      return wire;
    } catch (error) {
      if (isHublineError(error)) (this.#refused ??= new Map()).set(codec.name, error);
      throw error;
    }
  }
}
