import { HublineError, isHublineError, type Invocation } from '@hubline/protocol';
import { EnvelopeKind, nodeChannel, read, type NodeMessenger, type ProcessId } from '../backplane/index.ts';
import { OutgoingMessage, processOf, type Clock } from '../connection/index.ts';
import { ExpiringMap } from './expiring-map.ts';
import type { LocalMembership } from './local-membership.ts';
import { routeOf } from './route.ts';
import { readSelector, select, type SelectorTerms, type Selector } from './selector.ts';
import { decodeCopies, encodeCopies, type Codecs } from './encoded-copies.ts';

/** A sent message. Awaited, it settles when local members and the backplane's buffer have the message. */
export interface Sent extends PromiseLike<void> {
  /**
   * Resolves when the backplane has the message. Rejects `backplane_unavailable`, with the number of local connections that received it, if
   * the message is lost for other nodes. A caller may ignore the promise: its rejection is handled.
   */
  readonly confirmed: Promise<void>;
}

/** An event. With the key `replaces`, a newer event with this key may replace it. */
export interface OutgoingEvent {
  readonly message: Invocation;
  readonly replaces?: string | undefined;
}

/** A message that some connections of its selector did not receive. */
export interface Loss {
  readonly hub: string;
  /** Empty if the message came from a node whose protocols this node does not speak. */
  readonly method: string;
  readonly error: HublineError;
}

export interface BroadcasterOptions {
  readonly self: ProcessId;
  readonly membership: LocalMembership;
  readonly messenger: NodeMessenger;
  readonly codecs: Codecs;
  readonly clock: Pick<Clock, 'elapsed'>;
  /** Called for every loss, also if the sender handles `confirmed`. */
  readonly lost: (loss: Loss) => void;
}

/** A message that is being sent. */
interface Delivery {
  readonly hub: string;
  readonly method: string;
  /** The number of local connections that received it. */
  local: number;
}

const readDeliver = read.fields({
  hub: read.text,
  target: readSelector,
  written: read.list(read.copyLength),
  /** Set if the message is published on several channels: a receiver drops all copies but the first. */
  id: read.optional(read.count),
  /** A newer message with this key replaces this one in outboxes that have not written it. */
  replaces: read.optional(read.text),
});
type DeliverHeader = Pick<ReturnType<typeof readDeliver>, 'hub' | 'target' | 'written'> &
  Partial<Pick<ReturnType<typeof readDeliver>, 'id' | 'replaces'>>;

/** During an outage an event is kept and sent later, if the backplane can do that. */
const EVENT = { mayWait: true };

/** Sends messages to the connections of a selector, on all nodes. */
export class Broadcaster {
  readonly #options: BroadcasterOptions;
  /** The ids of messages that were received on one of several channels: later copies are dropped. */
  readonly #seen: ExpiringMap<true>;
  #nextId = 1;

  constructor(options: BroadcasterOptions) {
    this.#options = options;
    this.#seen = new ExpiringMap({ elapsed: () => options.clock.elapsed() });
    options.messenger.on(EnvelopeKind.deliver, readDeliver, (header, body, from) => this.#receive(header, body, from));
  }

  /**
   * Sends a message. Never throws. If only some protocols can encode the message, clients of the others do not receive it, and each of their nodes
   * reports a loss. If no protocol can, `confirmed` rejects `not_encodable`.
   */
  send(hub: string, selector: Selector, { message, replaces }: OutgoingEvent): Sent {
    const { target: method } = message;
    const delivery: Delivery = { hub, method, local: 0 };
    try {
      const outgoing = new OutgoingMessage(() => message, [], replaces);
      // Before the local sockets are written to: with 200 of them, other nodes received the message 3 ms later.
      const copies = this.#publish(hub, selector, outgoing);
      const result = copies.length === 0 ? DELIVERED : sent(this.#confirm(copies, delivery));
      const { local, missed } = this.#deliver(hub, selector, outgoing);
      delivery.local = local;
      if (missed && local + copies.length === 0) throw missed;
      if (missed) this.#options.lost({ hub, method, error: missed });
      return result;
    } catch (cause) {
      const error = isHublineError(cause) ? cause : new HublineError('internal', `Sending '${method}' failed.`, { method }, { cause });
      this.#options.lost({ hub, method, error });
      return refused(error);
    }
  }

  /** Returns the number of local connections that received the message, and the error of those whose protocol cannot encode it. */
  #deliver(hub: string, selector: Selector, outgoing: OutgoingMessage): { readonly local: number; readonly missed?: HublineError } {
    const members = select(selector, this.#options.membership.of(hub));
    let local = members.size;
    let missed: HublineError | undefined;
    for (const { connection } of members.values()) {
      try {
        connection.send(outgoing);
      } catch (error) {
        if (!isHublineError(error)) throw error;
        missed = error;
        local--;
      }
    }
    return missed ? { local, missed } : { local };
  }

  #publish(hub: string, selector: Selector, outgoing: OutgoingMessage): readonly Promise<void>[] {
    const { messenger, self } = this.#options;
    const route = routeOf(selector, hub);
    const processes = new Set(route.connections.map(processOf).filter((process) => process !== self));
    if (processes.size + route.topics.length === 0) return [];
    const { replaces } = outgoing;
    const header = { hub, target: selector, ...this.#id(route), ...(replaces === undefined ? {} : { replaces }) };
    const envelope = this.#envelope(header, outgoing);
    // Several selectors share a channel: a message replaces only one to the same selector.
    const options = replaces === undefined ? EVENT : { ...EVENT, replaces: JSON.stringify([hub, selector, replaces]) };
    return messenger.publishAll([...route.topics, ...[...processes].map(nodeChannel)], envelope, options);
  }

  #id({ topics, connections }: SelectorTerms): { readonly id?: number } {
    return topics.length + connections.length > 1 ? { id: this.#nextId++ } : {};
  }

  #envelope(header: Omit<DeliverHeader, 'written'>, outgoing: OutgoingMessage) {
    const { written, body } = encodeCopies(outgoing, this.#options.codecs);
    return { kind: EnvelopeKind.deliver, header: { ...header, written } satisfies DeliverHeader, body };
  }

  /** Waits for the copies. Reads the number of local connections only then, because the message is published before it is delivered here. */
  async #confirm(copies: readonly Promise<void>[], delivery: Readonly<Delivery>): Promise<void> {
    try {
      await Promise.all(copies);
    } catch (cause) {
      const { hub, method, local } = delivery;
      const text = `'${method}' reached ${local} connections on this node, and may not have reached other nodes.`;
      const error = new HublineError('backplane_unavailable', text, { local }, { cause });
      this.#options.lost({ hub, method, error });
      throw error;
    }
  }

  #isCopy(key: string): boolean {
    if (this.#seen.get(key)) return true;
    this.#seen.set(key, true);
    return false;
  }

  #receive(header: DeliverHeader, body: Uint8Array, from: ProcessId): void {
    const { hub, target, id } = header;
    if (id !== undefined && this.#isCopy(`${from}${id.toString(36)}`)) return;
    const outgoing = decodeCopies(header, body, this.#options.codecs);
    const { missed } = this.#deliver(hub, target, outgoing);
    if (!missed) return;
    const { message } = outgoing;
    this.#options.lost({ hub, method: message && 'target' in message ? message.target : '', error: missed });
  }
}

function sent(confirmed: Promise<void>): Sent {
  confirmed.catch(() => undefined); // reported as a loss already
  return { confirmed, then: (...settled) => Promise.resolve().then(...settled) };
}

const DELIVERED = sent(Promise.resolve());

function refused(error: HublineError): Sent {
  const confirmed = Promise.reject<void>(error);
  confirmed.catch(() => undefined); // reported as a loss already
  return { confirmed, then: (...settled) => confirmed.then(...settled) };
}
