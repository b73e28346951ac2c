import type { Codec, HubMessage, Wire } from '@hubline/protocol';

/** A message on its way to many: written once for each protocol that somebody speaks. */
export class Outgoing {
  readonly #message: HubMessage | undefined;
  readonly #written = new Map<string, Wire>();

  constructor(message: HubMessage | undefined, written: Iterable<readonly [codec: string, wire: Wire]> = []) {
    this.#message = message;
    for (const [codec, wire] of written) this.#written.set(codec, wire);
  }

  /** Undefined where the message came from another node, written in other protocols only. @throws HublineError `not_encodable` */
  as(codec: Codec): Wire | undefined {
    let wire = this.#written.get(codec.name);
    if (wire === undefined && this.#message) this.#written.set(codec.name, (wire = codec.encode(this.#message)));
    return wire;
  }
}
