import { isHublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, LinkObserver, ProcessId, PublishOptions } from './backplane.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeKind, type Envelope } from './envelope.ts';
import type { Read } from './fields.ts';

/** Handles an envelope from one process, whose header is checked. */
export type EnvelopeHandler<Header> = (header: Header, body: Uint8Array, from: ProcessId) => void;

/** The channel of a process. No topic begins like this: names of hubs are encoded, and have no `=`. */
export const nodeChannel = (process: ProcessId): string => `node=${process}`;

/** How many kinds of unreadable messages are remembered as reported. */
const MAX_REPORTED = 1000;

/** Sends envelopes to nodes and topics, and hands those that arrive to the handler of their kind. */
export class Messenger {
  readonly #bus: Bus;
  readonly #self: ProcessId;
  readonly #report: LinkObserver['report'];
  readonly #handlers = new Map<number, (header: unknown, body: Uint8Array, from: ProcessId) => void>();
  readonly #own: BusSubscription;
  /** Undecodable messages by process, kind and code: each is reported once. */
  readonly #reported = new Set<string>();

  constructor(bus: Bus, self: ProcessId, report: LinkObserver['report']) {
    this.#bus = bus;
    this.#self = self;
    this.#report = report;
    this.#own = this.listen(nodeChannel(self));
  }

  /** Settles when this node is subscribed to its own channel. */
  get ready(): Promise<void> {
    return this.#own.ready;
  }

  /** Registers the handler of a kind. `read` is the kind's one decoder: a message that it refuses is reported, and reaches no handler. */
  on<Header>(kind: EnvelopeKind, read: Read<Header>, handle: EnvelopeHandler<Header>): void {
    this.#handlers.set(kind, (header, body, from) => handle(read(header), body, from));
  }

  /** Sends to one process, this one included. Never throws. @throws HublineError `backplane_unavailable`, by rejection */
  async tell(process: ProcessId, envelope: Envelope, options?: PublishOptions): Promise<void> {
    const payload = encodeEnvelope(envelope);
    if (process !== this.#self) return this.#bus.publish(nodeChannel(process), payload, options);
    setImmediate(() => this.#deliver(payload, process));
  }

  /** Sends to every other node that is subscribed. Never throws. @throws HublineError `backplane_unavailable`, by rejection */
  async publish(channel: string, envelope: Envelope, options?: PublishOptions): Promise<void> {
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
      const code = isHublineError(error) ? error.code : undefined;
      if (code === 'invalid_message' || code === 'unsupported_version') this.#reportOnce(`${from} ${payload[1]} ${code}`, error);
      else this.#report('deliver', error);
      if (code !== 'unsupported_version') return;
      // A refusal is the same in every version; to answer one would go on for ever.
      if (payload[1] === EnvelopeKind.refused) this.#handlers.get(EnvelopeKind.refused)?.({}, new Uint8Array(), from);
      else this.#refuse(from);
    }
  }

  #reportOnce(what: string, error: unknown): void {
    if (this.#reported.has(what)) return;
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear();
    this.#reported.add(what);
    this.#report('deliver', error);
  }

  #refuse(process: ProcessId): void {
    this.tell(process, { kind: EnvelopeKind.refused, header: {} }).catch((error: unknown) => this.#report('publish', error));
  }

  close(): void {
    this.#own.close();
  }
}
