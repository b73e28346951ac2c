import { HublineError, isHublineError, type Invocation } from '@hubline/protocol';
import { EnvelopeKind, nodeChannel, read, type NodeMessenger, type ProcessId } from '../backplane/index.ts';
import { Outgoing, processOf, type Clock } from '../connection/index.ts';
import { ExpiringMap } from './expiring-map.ts';
import type { LocalMembership } from './local-membership.ts';
import { routeOf, type Route } from './route.ts';
import { readSelector, select, type Selector } from './selector.ts';
import { decodeCopies, encodeCopies, type Codecs } from './encoded-copies.ts';

/** A send on its way. Awaited, it settles when local members and the backplane's buffer have it. */
export interface Sent extends PromiseLike<void> {
  /**
   * Settles when the backplane has it. Rejects `backplane_unavailable`, with the number of local connections that got it,
   * where it is lost to other nodes. The rejection is already handled: a caller may ignore it.
   */
  readonly confirmed: Promise<void>;
}

/** An event, with its key where a newer event may replace it. */
export interface Sending {
  readonly message: Invocation;
  readonly replaces?: string | undefined;
}

/** A message that did not reach all connections of its selector. */
export interface Loss {
  readonly hub: string;
  /** Empty where the message came from a node whose protocols this one does not speak. */
  readonly method: string;
  readonly error: HublineError;
}

export interface BroadcasterOptions {
  readonly self: ProcessId;
  readonly membership: LocalMembership;
  readonly messenger: NodeMessenger;
  readonly codecs: Codecs;
  readonly clock: Pick<Clock, 'elapsed'>;
  /** Called for every loss, also where the sender handles `confirmed`. */
  readonly lost: (loss: Loss) => void;
}

const readDeliver = read.fields({
  hub: read.text,
  target: readSelector,
  written: read.list(read.copyLength),
  /** Set only where copies go over several channels: receivers drop all but the first. */
  id: read.optional(read.count),
  /** A newer message with this key replaces this one where it has not been written yet. */
  replaces: read.optional(read.text),
});
type DeliverHeader = Pick<ReturnType<typeof readDeliver>, 'hub' | 'target' | 'written'> &
  Partial<Pick<ReturnType<typeof readDeliver>, 'id' | 'replaces'>>;

/** During an outage an event is kept and sent later, where the backplane can do that. */
const EVENT = { mayWait: true };

/** Sends messages to the connections of a selector, on this node and on others. */
export class Broadcaster {
  readonly #options: BroadcasterOptions;
  /** The ids of messages that arrived over one of several channels: a later copy is dropped. */
  readonly #seen: ExpiringMap<true>;
  #nextId = 1;

  constructor(options: BroadcasterOptions) {
    this.#options = options;
    this.#seen = new ExpiringMap({ elapsed: () => options.clock.elapsed() });
    options.messenger.on(EnvelopeKind.deliver, readDeliver, (header, body, from) => this.#receive(header, body, from));
  }

  /**
   * Sends a message. Never throws. A value that only some protocols can encode reaches the clients of those, and is reported as a
   * loss on every node with other clients; `confirmed` rejects `not_encodable` where no protocol can encode it.
   */
  send(hub: string, selector: Selector, { message, replaces }: Sending): Sent {
    const { target: method } = message;
    try {
      const outgoing = new Outgoing(() => message, [], replaces);
      const { local, missed } = this.#deliver(hub, selector, outgoing);
      const copies = this.#publish(hub, selector, outgoing);
      if (missed && local + copies.length === 0) throw missed;
      if (missed) this.#options.lost({ hub, method, error: missed });
      return copies.length === 0 ? DELIVERED : sent(this.#confirm(copies, { hub, method, local }));
    } catch (cause) {
      const error = isHublineError(cause) ? cause : new HublineError('internal', `Sending '${method}' failed.`, { method }, { cause });
      this.#options.lost({ hub, method, error });
      return refused(error);
    }
  }

  /** Returns the number of local connections that got the message, and the error of those whose protocol cannot encode it. */
  #deliver(hub: string, selector: Selector, outgoing: Outgoing): { readonly local: number; readonly missed?: HublineError } {
    const named = select(selector, this.#options.membership.of(hub));
    let local = named.size;
    let missed: HublineError | undefined;
    for (const { connection } of named.values()) {
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

  #publish(hub: string, selector: Selector, outgoing: Outgoing): readonly Promise<void>[] {
    const { messenger, self } = this.#options;
    const route = routeOf(selector, hub);
    const processes = new Set(route.connections.map(processOf).filter((process) => process !== self));
    if (processes.size + route.topics.length === 0) return [];
    const { replaces } = outgoing;
    const header = { hub, target: selector, ...this.#id(route), ...(replaces === undefined ? {} : { replaces }) };
    const envelope = this.#envelope(header, outgoing);
    // Several targets share a channel: only a message to the same connections takes the place of one that waits.
    const options = replaces === undefined ? EVENT : { ...EVENT, replaces: JSON.stringify([hub, selector, replaces]) };
    return messenger.publishAll([...route.topics, ...[...processes].map(nodeChannel)], envelope, options);
  }

  #id({ topics, connections }: Route): { readonly id?: number } {
    return topics.length + connections.length > 1 ? { id: this.#nextId++ } : {};
  }

  #envelope(header: Omit<DeliverHeader, 'written'>, outgoing: Outgoing) {
    const { written, body } = encodeCopies(outgoing, this.#options.codecs);
    return { kind: EnvelopeKind.deliver, header: { ...header, written } satisfies DeliverHeader, body };
  }

  async #confirm(copies: readonly Promise<void>[], { hub, method, local }: { hub: string; method: string; local: number }): Promise<void> {
    try {
      await Promise.all(copies);
    } catch (cause) {
      const text = `'${method}' reached ${local} connections here and may not have reached other nodes.`;
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

  #receive({ hub, target, written, id, replaces }: DeliverHeader, body: Uint8Array, from: ProcessId): void {
    if (id !== undefined && this.#isCopy(`${from}${id.toString(36)}`)) return;
    const outgoing = decodeCopies(written, body, this.#options.codecs, replaces);
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
