import { createHubConnection, type HubConnection, type HubConnectionOptions } from '@hubline/client';
import { stage, type Audience, type Stage } from './stage.ts';

export interface Seat {
  readonly user?: string;
  readonly side?: string;
  readonly groups?: readonly string[];
  readonly protocol?: HubConnectionOptions<Stage, Audience>['protocol'];
}

/** What a guest heard of one node. */
export interface Heard {
  readonly numbers: number[];
  /** How late each of them was, in milliseconds. */
  readonly lateMs: number[];
}

/** A client of a stage node: it hears, and does not come back where its connection is lost. */
export class Guest implements AsyncDisposable {
  readonly told: unknown[] = [];
  readonly #heard = new Map<string, Heard>();
  readonly #connection: HubConnection<Stage, Audience>;

  private constructor(url: string, protocol: Seat['protocol']) {
    const hub = stage(new URL(url).pathname.slice(1));
    this.#connection = createHubConnection(hub, url, {
      reconnect: false,
      skipNegotiation: true,
      ...(protocol ? { protocol } : {}),
      receiver: {
        said: (from, n, at) => {
          const heard = this.of(from);
          heard.numbers.push(n);
          heard.lateMs.push(Date.now() - at);
        },
        told: (what) => void this.told.push(what),
      } satisfies Audience,
    });
  }

  /** `hub` of the node at `url`. */
  static async at(url: string, hub: string, { user, side, groups = [], protocol }: Seat = {}): Promise<Guest> {
    const place = new URL(`/${hub}`, url);
    if (user !== undefined) place.searchParams.set('user', user);
    if (side !== undefined) place.searchParams.set('side', side);
    for (const group of groups) place.searchParams.append('group', group);
    const guest = new Guest(place.href, protocol);
    await guest.#connection.start();
    return guest;
  }

  get isConnected(): boolean {
    return this.#connection.state.name === 'connected';
  }
  /** Calls its node. */
  get invoke(): HubConnection<Stage, Audience>['invoke'] {
    return this.#connection.invoke;
  }

  of(nodeId: string): Heard {
    let heard = this.#heard.get(nodeId);
    if (!heard) this.#heard.set(nodeId, (heard = { numbers: [], lateMs: [] }));
    return heard;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.stop();
  }
}

/** Guests who leave together. */
export class Company implements AsyncDisposable {
  readonly #guests: Guest[] = [];

  async seat(...place: Parameters<typeof Guest.at>): Promise<Guest> {
    const guest = await Guest.at(...place);
    this.#guests.push(guest);
    return guest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#guests.map((guest) => guest[Symbol.asyncDispose]()));
  }
}
