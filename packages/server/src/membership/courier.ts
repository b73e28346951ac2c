import { HublineError, isHublineError, type Codec, type HubMessage } from '@hubline/protocol';
import { EnvelopeKind, type Post, type ProcessId } from '../backplane/index.ts';
import { Outgoing, processOf } from '../connection/index.ts';
import { RecentSet } from './recent-set.ts';
import type { Roster } from './roster.ts';
import { routeOf, type Route } from './route.ts';
import { select, type Selector } from './selector.ts';
import { readCopies, writeCopies, type Written } from './written.ts';

/** A send on its way. Awaited, it settles when local members and the backplane's buffer have it. */
export interface Sent extends PromiseLike<void> {
  /**
   * Settles when the backplane has it. Rejects `backplane_unavailable`, with the number of local connections that got it,
   * where it is lost to other nodes. Handled already: who does not look at it loses nothing but the news.
   */
  readonly confirmed: Promise<void>;
}

/** A message that did not reach everybody. */
export interface Loss {
  readonly hub: string;
  readonly method: string;
  readonly error: HublineError;
}

export interface CourierOptions {
  readonly self: ProcessId;
  readonly roster: Roster;
  readonly post: Post;
  readonly codecs: ReadonlyMap<string, Codec>;
  /** Every loss ends here, also where the sender looks at `confirmed`. */
  readonly lost: (loss: Loss) => void;
}

interface DeliverHeader {
  readonly hub: string;
  readonly target: Selector;
  readonly written: Written;
  /** Only where copies go over several channels: the first one counts. */
  readonly id?: number;
}

/** Brings messages to whom a selector names, here and on other nodes. */
export class Courier {
  readonly #options: CourierOptions;
  readonly #seen = new RecentSet(4096);
  #nextId = 1;

  constructor(options: CourierOptions) {
    this.#options = options;
    options.post.on<DeliverHeader>(EnvelopeKind.deliver, (header, body, from) => this.#receive(header, body, from));
  }

  /** Never throws. */
  send(hub: string, selector: Selector, message: HubMessage & { readonly target: string }): Sent {
    let local = 0;
    try {
      const outgoing = new Outgoing(message);
      local = this.#deliver(hub, selector, outgoing);
      const copies = this.#publish(hub, selector, outgoing);
      return copies.length === 0 ? DELIVERED : sent(this.#confirm(copies, { hub, method: message.target, local }));
    } catch (error) {
      const failure =
        isHublineError(error) ? error : (
          new HublineError('internal', `Sending '${message.target}' failed.`, { method: message.target }, { cause: error })
        );
      this.#options.lost({ hub, method: message.target, error: failure });
      return refused(failure);
    }
  }

  #deliver(hub: string, selector: Selector, outgoing: Outgoing): number {
    const named = select(selector, this.#options.roster.of(hub));
    for (const { connection } of named.values()) connection.send(outgoing);
    return named.size;
  }

  #publish(hub: string, selector: Selector, outgoing: Outgoing): readonly Promise<void>[] {
    const { post, self } = this.#options;
    const route = routeOf(selector, hub);
    const processes = new Set(route.connections.map(processOf).filter((process) => process !== self));
    if (processes.size + route.topics.length === 0) return [];
    const envelope = this.#envelope({ hub, target: selector, ...this.#id(route) }, outgoing);
    return [
      ...route.topics.map((topic) => post.publish(topic, envelope)),
      ...[...processes].map((process) => post.tell(process, envelope)),
    ];
  }

  #id({ topics, connections }: Route): { readonly id?: number } {
    return topics.length + connections.length > 1 ? { id: this.#nextId++ } : {};
  }

  #envelope(header: Omit<DeliverHeader, 'written'>, outgoing: Outgoing) {
    const { written, body } = writeCopies(outgoing, this.#options.codecs);
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

  #receive({ hub, target, written, id }: DeliverHeader, body: Uint8Array, from: ProcessId): void {
    if (id !== undefined && !this.#seen.add(`${from}${id}`)) return;
    this.#deliver(hub, target, readCopies(written, body, this.#options.codecs));
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
