import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { test as base, expect, type BrowserContextOptions, type Locator, type Page } from '@playwright/test';
import { fileURLToPath } from 'node:url';
import { files, startPlayground, type Playground } from '../src/cluster/index.ts';

export { expect };

const BUILT_PAGE = fileURLToPath(new URL('../dist', import.meta.url));

export const servePage = () => files(BUILT_PAGE);

export interface Enter {
  readonly node: string;
  readonly room?: string;
  readonly look?: BrowserContextOptions;
}

interface Fixtures {
  /** Whether the nodes are processes, joined by a Redis that the test starts. */
  onRedis: boolean;
  /** The Redis of the test; undefined if the nodes share one process. */
  redis: RedisServer | undefined;
  /** Three nodes and the page on free ports, for one test. */
  playground: Playground;
  /** Opens a page of the playground; with `look`, in a browser context of its own. An uncaught error in the page fails the test. */
  open: (path: string, look?: BrowserContextOptions) => Promise<Page>;
  /** Opens a tab whose address has a name, a node and a room, and waits until it is in the room. */
  enter: (name: string, options: Enter) => Promise<Tab>;
}

export const test = base.extend<Fixtures>({
  onRedis: [false, { option: true }],
  redis: async ({ onRedis }, use) => {
    await using redis = onRedis ? await startRedis() : undefined;
    await use(redis);
  },
  playground: async ({ redis }, use) => {
    await using playground = await startPlayground({ page: servePage, port: 0, redis: redis?.url });
    await use(playground);
  },
  open: async ({ browser, playground }, use) => {
    const errors: Error[] = [];
    const shared = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const contexts = [shared];
    await use(async (path, look) => {
      const context = look ? await browser.newContext(look) : shared;
      if (look) contexts.push(context);
      const page = await context.newPage();
      page.on('pageerror', (error) => errors.push(error));
      await page.goto(new URL(path, playground.url).href);
      return page;
    });
    await Promise.all(contexts.map((context) => context.close()));
    expect(errors).toEqual([]);
  },
  enter: async ({ open }, use) => {
    await use(async (name, { node, room = 'lobby', look }) => {
      const tab = new Tab(await open(`/?${new URLSearchParams({ name, node, room })}`, look), name);
      await expect(tab.connection).toContainText('connected');
      await expect(tab.page.locator('.pin[data-self="true"]')).toContainText(room);
      return tab;
    });
  },
});

/** One tab of the playground, with its user's actions. */
export class Tab {
  readonly page: Page;
  readonly name: string;

  constructor(page: Page, name: string) {
    this.page = page;
    this.name = name;
  }

  get connection(): Locator {
    return this.page.getByTestId('connection');
  }

  get log(): Locator {
    return this.page.getByRole('log');
  }

  /** The users connected to a node, as this tab shows them. */
  connectionsOf(nodeId: string): Locator {
    return this.page.getByRole('list', { name: `Connections of ${nodeId}` });
  }

  module(nodeId: string): Locator {
    return this.page.getByRole('listitem', { name: nodeId, exact: true });
  }

  question(from: string): Locator {
    return this.page.getByRole('region', { name: `Question from ${from}` });
  }

  outcomeOf(name: string): Locator {
    return this.page.getByRole('list', { name: 'Outcomes' }).getByRole('listitem').filter({ hasText: name });
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  async ask(text: string, seconds: 5 | 15 | 60): Promise<void> {
    await this.page.getByRole('button', { name: `${seconds} s`, exact: true }).click();
    await this.page.getByLabel('Question', { exact: true }).fill(text);
    await this.page.getByRole('button', { name: 'Ask', exact: true }).click();
  }

  async answer(from: string, answer: 'Yes' | 'No' | 'Rather not say'): Promise<void> {
    await this.question(from).getByRole('button', { name: answer, exact: true }).click();
  }
}
