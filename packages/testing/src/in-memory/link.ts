import type { Clock, OpenRequest, Pipe, Transport } from '@hubline/client';
import { after } from '@hubline/protocol';
import type { HubServer } from '@hubline/server';
import { works, type Behaviour } from './behaviour.ts';

export interface InMemoryLinkOptions {
  /** The user of the connection. With `user` or `attributes` the hub's `authenticate` does not run. */
  readonly user?: string | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
  /** The behaviours of the attempts to connect, in turn. The last one stays. Default `[works()]`. */
  readonly behaviours?: readonly Behaviour[] | undefined;
}

type Wire = Parameters<OpenRequest['receive']>[0];

/** The network of one client in memory, with faults. Pass {@link InMemoryLink.options} to `createHubConnection`. */
export class InMemoryLink {
  /** Options of `createHubConnection`. The origin of its URL is not used. */
  readonly options: { readonly fetch: typeof fetch; readonly transports: readonly Transport[]; readonly clock: Clock };
  readonly #server: Pick<HubServer, 'inMemory'>;
  readonly #identity: object | undefined;
  readonly #behaviours: Behaviour[];
  readonly #open = new Set<() => void>();
  /** The deliveries that wait while the link is stalled, in order. */
  readonly #held: (() => void)[] = [];
  #behaviour = works();
  #isStalled = false;
  #attempts = 0;

  constructor(server: Pick<HubServer, 'inMemory'>, { user, attributes, behaviours = [] }: InMemoryLinkOptions = {}) {
    this.#server = server;
    this.#identity = user === undefined && attributes === undefined ? undefined : { userId: user, attributes };
    this.#behaviours = [...behaviours];
    this.options = {
      fetch: (input, init) => this.#negotiate(new URL(input instanceof Request ? input.url : input), init),
      transports: [{ name: 'WebSockets', open: (request) => this.#connect(request) }],
      clock: { now: () => Date.now(), after }, // the functions of the moment, which fake timers may have replaced
    };
  }

  /** How often the client tried to connect. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Ends the open connection as a broken socket does. */
  drop(): void {
    for (const end of [...this.#open]) end();
  }

  /** Holds everything in both directions, and closes nothing. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Ends a stall: what was held arrives now. Further attempts work. */
  heal(): void {
    this.#isStalled = false;
    this.#behaviours.length = 0;
    this.#behaviour = works();
    for (const pass of this.#held.splice(0)) pass();
  }

  async #negotiate(url: URL, { headers, signal }: RequestInit = {}): Promise<Response> {
    this.#attempts++;
    this.#behaviour = this.#behaviours.length > 1 ? this.#behaviours.shift()! : (this.#behaviours[0] ?? works());
    if (this.#behaviour.kind === 'refuses') return new Response('Refused by the test.', { status: this.#behaviour.status });
    return this.#server.inMemory.negotiate({
      url,
      headers: Object.fromEntries(new Headers(headers)),
      identity: this.#identity,
      signal: signal ?? new AbortController().signal,
    });
  }

  async #connect({ url, token, headers, signal, receive }: OpenRequest): Promise<Pipe> {
    const behaviour = this.#behaviour;
    const broken = new AbortController();
    let frames = 0;
    const pipe = await this.#server.inMemory.open({
      url,
      headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
      identity: this.#identity,
      signal: AbortSignal.any([signal, broken.signal]),
      receive: (wire: Wire) =>
        this.#pass(() => {
          receive(wire);
          if (++frames !== ('after' in behaviour ? behaviour.after : 0)) return;
          if (behaviour.kind === 'drops') end();
          else this.stall();
        }),
    });
    let lost = (): void => undefined;
    const end = (): void => {
      lost();
      broken.abort();
    };
    this.#open.add(end);
    const isLost = new Promise<{ readonly closeCode: number }>((resolve) => (lost = () => resolve({ closeCode: 1006 })));
    const closed = Promise.race([isLost, pipe.closed]);
    void closed.then(() => this.#open.delete(end));
    return { send: (wire) => this.#pass(() => pipe.send(wire)), closed, bufferedAmount: 0 };
  }

  #pass(act: () => void): void {
    if (this.#isStalled) this.#held.push(act);
    else act();
  }
}
