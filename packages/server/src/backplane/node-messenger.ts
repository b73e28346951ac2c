import { isHublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, LinkObserver, ProcessId, PublishOptions } from './backplane.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeKind, type Envelope } from './envelope.ts';
import type { Read } from './fields.ts';

/** Handles an envelope with a checked header. */
export type EnvelopeHandler<Header> = (header: Header, body: Uint8Array, from: ProcessId) => void;

/** The channel of a process. It is never a topic: a topic begins with the encoded name of a hub, which contains no `=`. */
export const nodeChannel = (process: ProcessId): string => `node=${process}`;

export interface NodeMessengerOptions {
  readonly bus: Bus;
  readonly self: ProcessId;
  /** Milliseconds on a clock that only goes forward. */
  readonly elapsed: () => number;
  readonly report: LinkObserver['report'];
}

/** The most faults whose time of report is kept. */
const MAX_REPORTED = 1000;
/** The least time between two reports of a fault: without it a node of another version would fill every log. */
const AGAIN_MS = 60_000;

/** Sends envelopes to nodes and channels, and calls the handler of each received envelope's kind. */
export class NodeMessenger {
  readonly #bus: Bus;
  readonly #self: ProcessId;
  readonly #elapsed: () => number;
  readonly #report: LinkObserver['report'];
  readonly #handlers = new Map<number, (header: unknown, body: Uint8Array, from: ProcessId) => void>();
  readonly #own: BusSubscription;
  /** The time of the last report of each fault, by process, error code and kind of message. */
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

  /** Registers the handler of a kind. `read` decodes the header; a message that it refuses is reported, and not handled. */
  on<Header>(kind: EnvelopeKind, read: Read<Header>, handle: EnvelopeHandler<Header>): void {
    this.#handlers.set(kind, (header, body, from) => handle(read(header), body, from));
  }

  /** Sends an envelope to one process, which may be this one. @throws HublineError `backplane_unavailable`, by rejection */
  async send(process: ProcessId, envelope: Envelope, options?: PublishOptions): Promise<void> {
    const payload = encodeEnvelope(envelope);
    if (process !== this.#self) return this.#bus.publish(nodeChannel(process), payload, options);
    setImmediate(() => this.#deliver(payload, process));
  }

  /** Sends an envelope to every other subscribed node. @throws HublineError `backplane_unavailable`, by rejection */
  async publish(channel: string, envelope: Envelope, options?: PublishOptions): Promise<void> {
    return this.#bus.publish(channel, encodeEnvelope(envelope), options);
  }

  /** Like {@link publish}, on several channels; encodes the envelope once. */
  publishAll(channels: readonly string[], envelope: Envelope, options?: PublishOptions): readonly Promise<void>[] {
    const payload = encodeEnvelope(envelope);
    return channels.map(async (channel) => this.#bus.publish(channel, payload, options));
  }

  subscribe(channel: string): BusSubscription {
    return this.#bus.subscribe(channel, this.#deliver);
  }

  /** The same function for all channels, of which there may be one for each client. */
  readonly #deliver = (payload: Uint8Array, from: ProcessId): void => {
    try {
      const { kind, header, body } = decodeEnvelope(payload);
      this.#handlers.get(kind)?.(header, body, from);
    } catch (error) {
      const code = isHublineError(error) ? error.code : 'internal';
      this.#reportFault({ from, code, kind: payload[1] ?? 0 }, error);
      if (code !== 'unsupported_version') return;
      // A refusal is the same in every version. It gets no reply: two nodes would refuse each other's refusals for ever.
      if (payload[1] === EnvelopeKind.refused) this.#handlers.get(EnvelopeKind.refused)?.({}, new Uint8Array(), from);
      else this.#refuse(from);
    }
  };

  /** Reports a message that could not be decoded or handled, once a minute for each fault. */
  #reportFault({ from, code, kind }: { readonly from: ProcessId; readonly code: string; readonly kind: number }, error: unknown): void {
    // An unknown kind, and any kind of another version, counts as the same fault.
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
