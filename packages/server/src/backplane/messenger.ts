import { isHublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, LinkObserver, ProcessId, PublishOptions } from './backplane.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeKind, type Envelope } from './envelope.ts';

/** Reads what arrives from one process. The header's shape is the handler's business: it knows the kind. */
export type EnvelopeHandler<Header extends object> = (header: Header, body: Uint8Array, from: ProcessId) => void;

/** No topic begins like this: names of hubs are encoded, and have no `=`. */
export const nodeChannel = (process: ProcessId): string => `node=${process}`;

/** A node's mail: what it says to other nodes and topics, and who reads what arrives. */
export class Messenger {
  readonly #bus: Bus;
  readonly #self: ProcessId;
  readonly #report: LinkObserver['report'];
  readonly #handlers = new Map<number, EnvelopeHandler<object>>();
  readonly #inbox: BusSubscription;

  constructor(bus: Bus, self: ProcessId, report: LinkObserver['report']) {
    this.#bus = bus;
    this.#self = self;
    this.#report = report;
    this.#inbox = this.listen(nodeChannel(self));
  }

  /** Settles when this node hears what is said to it. */
  get ready(): Promise<void> {
    return this.#inbox.ready;
  }

  on<Header extends object>(kind: EnvelopeKind, handle: EnvelopeHandler<Header>): void {
    this.#handlers.set(kind, handle as EnvelopeHandler<object>);
  }

  /** To one process, this one included. @throws HublineError `backplane_unavailable` */
  tell(process: ProcessId, envelope: Envelope, options?: PublishOptions): Promise<void> {
    const payload = encodeEnvelope(envelope);
    if (process !== this.#self) return this.#bus.publish(nodeChannel(process), payload, options);
    setImmediate(() => this.#deliver(payload, process));
    return Promise.resolve();
  }

  /** To every other node that listens. @throws HublineError `backplane_unavailable` */
  publish(channel: string, envelope: Envelope, options?: PublishOptions): Promise<void> {
    return this.#bus.publish(channel, encodeEnvelope(envelope), options);
  }

  listen(channel: string): BusSubscription {
    return this.#bus.subscribe(channel, (payload, from) => this.#deliver(payload, from));
  }

  #deliver(payload: Uint8Array, from: ProcessId): void {
    try {
      const { kind, header, body } = decodeEnvelope(payload);
      this.#handlers.get(kind)?.(header, body, from);
    } catch (error) {
      this.#report('deliver', error);
      if (!isHublineError(error) || error.code !== 'unsupported_version') return;
      // A refusal is the same in every version; to answer one would go on for ever.
      if (payload[1] === EnvelopeKind.refused) this.#handlers.get(EnvelopeKind.refused)?.({}, new Uint8Array(), from);
      else this.#refuse(from);
    }
  }

  #refuse(process: ProcessId): void {
    this.tell(process, { kind: EnvelopeKind.refused, header: {} }).catch((error: unknown) => this.#report('publish', error));
  }

  close(): void {
    this.#inbox.close();
  }
}
