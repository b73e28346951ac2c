import { isHublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, LinkObserver, ProcessId, PublishOptions } from './backplane.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeKind, type Envelope } from './envelope.ts';
import type { Read } from './fields.ts';

/** Handles an envelope from one process, whose header is checked. */
export type EnvelopeHandler<Header> = (header: Header, body: Uint8Array, from: ProcessId) => void;

/** The channel of a process. No topic begins like this: names of hubs are encoded, and have no `=`. */
export const nodeChannel = (process: ProcessId): string => `node=${process}`;

export interface NodeMessengerOptions {
  readonly bus: Bus;
  readonly self: ProcessId;
  /** The milliseconds of a clock that only goes forward. */
  readonly elapsed: () => number;
  readonly report: LinkObserver['report'];
}

/** How many kinds of faults are remembered as reported. */
const MAX_REPORTED = 1000;
/** A kind of faults is reported again after this time: a node of another version would fill every log. */
const AGAIN_MS = 60_000;

/** Sends envelopes to nodes and topics, and hands those that arrive to the handler of their kind. */
export class NodeMessenger {
  readonly #bus: Bus;
  readonly #self: ProcessId;
  readonly #elapsed: () => number;
  readonly #report: LinkObserver['report'];
  readonly #handlers = new Map<number, (header: unknown, body: Uint8Array, from: ProcessId) => void>();
  readonly #own: BusSubscription;
  /** When a kind of faults was last reported: by process, code and kind of message. */
  readonly #reportedAt = new Map<string, number>();

  constructor({ bus, self, elapsed, report }: NodeMessengerOptions) {
    this.#bus = bus;
    this.#self = self;
    this.#elapsed = elapsed;
    this.#report = report;
    this.#own = this.subscribe(nodeChannel(self));
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
  async send(process: ProcessId, envelope: Envelope, options?: PublishOptions): Promise<void> {
    const payload = encodeEnvelope(envelope);
    if (process !== this.#self) return this.#bus.publish(nodeChannel(process), payload, options);
    setImmediate(() => this.#deliver(payload, process));
  }

  /** Sends to every other node that is subscribed. Never throws. @throws HublineError `backplane_unavailable`, by rejection */
  async publish(channel: string, envelope: Envelope, options?: PublishOptions): Promise<void> {
    return this.#bus.publish(channel, encodeEnvelope(envelope), options);
  }

  /** The same on several channels, with one encoding. */
  publishAll(channels: readonly string[], envelope: Envelope, options?: PublishOptions): readonly Promise<void>[] {
    const payload = encodeEnvelope(envelope);
    return channels.map(async (channel) => this.#bus.publish(channel, payload, options));
  }

  subscribe(channel: string): BusSubscription {
    return this.#bus.subscribe(channel, (payload, from) => this.#deliver(payload, from));
  }

  #deliver(payload: Uint8Array, from: ProcessId): void {
    try {
      const { kind, header, body } = decodeEnvelope(payload);
      this.#handlers.get(kind)?.(header, body, from);
    } catch (error) {
      const code = isHublineError(error) ? error.code : 'internal';
      this.#reportFault({ from, code, kind: payload[1] ?? 0 }, error);
      if (code !== 'unsupported_version') return;
      // A refusal is the same in every version; to answer one would go on for ever.
      if (payload[1] === EnvelopeKind.refused) this.#handlers.get(EnvelopeKind.refused)?.({}, new Uint8Array(), from);
      else this.#refuse(from);
    }
  }

  /** Reports a message that cannot be read, or whose handler failed, once a minute for each kind of faults. */
  #reportFault({ from, code, kind }: { readonly from: ProcessId; readonly code: string; readonly kind: number }, error: unknown): void {
    // Other kinds, and those of other versions, have no meaning here.
    const known = this.#handlers.has(kind) && code !== 'unsupported_version' ? kind : 'any';
    const fault = `${from} ${code} ${known}`;
    const now = this.#elapsed();
    if (now - (this.#reportedAt.get(fault) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    if (this.#reportedAt.size >= MAX_REPORTED) this.#reportedAt.clear();
    this.#reportedAt.set(fault, now);
    this.#report('deliver', error);
  }

  #refuse(process: ProcessId): void {
    this.send(process, { kind: EnvelopeKind.refused, header: {} }).catch((error: unknown) => this.#report('publish', error));
  }

  close(): void {
    this.#own.close();
  }
}
