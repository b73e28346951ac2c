import type { Args, Asking, CallName, Name, PlainArgs, StreamName } from '@hubline/protocol';
import type { BrowserContext, CDPSession, Page } from '@playwright/test';
import type { TcpProxy } from '../cluster/proxy.ts';
import type { History } from '../history/index.ts';
import { until } from '../until.ts';
import type { ExposedState, PageControl, PageEvent } from './expose.ts';

declare const globalThis: { readonly hublinePeer: PageControl };

export interface PeerParts {
  readonly name: string;
  readonly page: Page;
  readonly history: History;
  /** The proxy between the page and the cluster; undefined for a page of the user. */
  readonly link: TcpProxy | undefined;
  /** The node that the link leads to; undefined if a balancer decides. */
  readonly nodeId: string | undefined;
}

/** Names that JavaScript itself looks up: `await peer.invoke` must not call a hub method. */
const NO_METHODS = { then: undefined, toJSON: undefined };

/** A page in a browser context of its own, whose connection the test controls. */
export class Peer<H, R> {
  readonly name: string;
  readonly page: Page;
  /** The proxy between the page and the cluster, for faults. Undefined for a page of the user. */
  readonly link: TcpProxy | undefined;
  /** Calls methods of the hub in the page. Arguments and results are JSON values. */
  readonly invoke: Asking<H, CallName<H>>;
  /** Reads streams of the hub in the page to their ends, and returns the numbers of their items, which {@link events} has. */
  readonly stream: { readonly [K in StreamName<H>]: (...args: PlainArgs<H[K]> & readonly unknown[]) => Promise<number> };
  readonly #history: History;
  readonly #nodeId: string | undefined;
  /** The last address to which the page has connected. */
  #address: URL | undefined;
  #session: CDPSession | undefined;
  /** The events of pages before the last load. */
  readonly #before: PageEvent[] = [];
  #calls = 0;

  constructor({ name, page, history, link, nodeId }: PeerParts) {
    this.name = name;
    this.page = page;
    this.link = link;
    this.#history = history;
    this.#nodeId = nodeId;
    const connects = (text: string): void => {
      const url = new URL(text);
      if (url.searchParams.has('id')) this.#address = url;
    };
    page.on('websocket', (socket) => connects(socket.url()));
    page.on('request', (request) => connects(request.url()));
    this.invoke = this.#methods('call') as Asking<H, CallName<H>>;
    this.stream = this.#methods('stream') as typeof this.stream;
  }

  /** The state of the connection: `connected`, `reconnecting` … */
  async state(): Promise<string> {
    return (await this.#state()).name;
  }

  /** The id of the connection, for targets. @throws Error if the page is not connected */
  async connectionId(): Promise<string> {
    const { connectionId } = await this.#state();
    if (connectionId === undefined) throw new Error(`${this.name} is not connected.`);
    return connectionId;
  }

  /** Resolves when the connection is in this state. @throws Error after `timeoutMs`, by default 15,000 */
  async untilState(name: string, timeoutMs = 15_000): Promise<void> {
    await until(async () => (await this.state()) === name, { timeoutMs, intervalMs: 20 }).catch(async (cause) => {
      throw new Error(`${this.name} is ${await this.state()} and not ${name}.`, { cause });
    });
  }

  /** The arguments of each event of this name so far, also of pages before a reload. */
  async received<K extends Name<R>>(name: K): Promise<readonly Args<R[K]>[]> {
    return (await this.events()).filter((event) => event.name === name).map(({ args }) => args as Args<R[K]>);
  }

  /** Everything that the pages recorded. */
  async events(): Promise<readonly PageEvent[]> {
    return [...this.#before, ...(await this.page.evaluate(() => globalThis.hublinePeer?.events() ?? []))];
  }

  /** The node of the connection, as its link, its server or the address to which the page has connected names it. */
  async onNode(): Promise<string> {
    await this.untilState('connected');
    const named = this.#nodeId ?? (await this.#state()).node;
    const nodeId = named ?? this.#address?.searchParams.get('node');
    if (nodeId === null || nodeId === undefined) throw new Error('Neither the server nor the address of the connection names a node.');
    return nodeId;
  }

  /** Takes the browser offline, and cuts its open connections. */
  async goOffline(): Promise<void> {
    await this.context.setOffline(true);
    this.link?.cut(); // Chromium does not close open WebSockets
  }

  async goOnline(): Promise<void> {
    await this.link?.heal();
    await this.context.setOffline(false);
  }

  /** Freezes the page, as browsers do with hidden tabs. Chromium only. Until {@link resume} no other method resolves. */
  async freeze(): Promise<void> {
    await this.#lifecycle('frozen');
  }

  async resume(): Promise<void> {
    await this.#lifecycle('active');
  }

  /** Reloads the page. Resolves when it is connected again. */
  async reload(): Promise<void> {
    this.#before.push(...(await this.page.evaluate(() => globalThis.hublinePeer.events())));
    await this.page.reload();
    await this.page.waitForFunction(() => 'hublinePeer' in globalThis);
    await this.untilState('connected');
  }

  get context(): BrowserContext {
    return this.page.context();
  }

  #state(): Promise<ExposedState> {
    return this.page.evaluate(() => globalThis.hublinePeer.state());
  }

  #methods(kind: 'call' | 'stream'): object {
    return new Proxy(NO_METHODS, {
      get: (target, key): unknown =>
        typeof key === 'symbol' || key in target ?
          (target as Record<PropertyKey, unknown>)[key]
        : (...args: unknown[]) => this.#run(kind, key, args),
    });
  }

  async #run(kind: 'call' | 'stream', method: string, args: readonly unknown[]): Promise<unknown> {
    const call = `${method} #${++this.#calls} of ${this.name}`;
    this.#history.record({ type: 'called', by: this.name, call });
    try {
      return await this.page.evaluate(([how, what, values]) => globalThis.hublinePeer[how](what, values), [kind, method, args] as const);
    } finally {
      this.#history.record({ type: 'settled', call });
    }
  }

  async #lifecycle(state: 'frozen' | 'active'): Promise<void> {
    this.#session ??= await this.context.newCDPSession(this.page);
    await this.#session.send('Page.setWebLifecycleState', { state });
  }
}
