import { chromium, type Browser, type LaunchOptions, type Page } from '@playwright/test';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { afterAll } from 'vitest';
import type { Case } from './page.ts';
import { servePages } from './serve-pages.ts';

export interface Chromium extends AsyncDisposable {
  /**
   * Runs a behaviour in a page, with the server at `url`. Rejects if it fails. Without `url` each case has its own server. Its origin is
   * not that of the page, and it has no cookies. The cases of one transport and protocol share a page, because opening a page takes time.
   */
  show(page: PageName, what: Omit<Case, 'url'>, url?: string): Promise<void>;
  /** Opens a page with cookies of its own. */
  open(page: PageName): Promise<OpenPage>;
}

export interface OpenPage {
  readonly page: Page;
  /** The uncaught errors of the page so far. */
  readonly uncaught: Error[];
}

/** The names of the files in `pages`. */
export type PageName = 'official' | 'esm' | 'script-tag' | 'script-tag-messagepack';

/** Returns a function that starts one Chromium for all tests of a file, at its first call. */
export function useChromium(): () => Promise<Chromium> {
  let launched: Promise<Chromium> | undefined;
  afterAll(async () => (await launched)?.[Symbol.asyncDispose]());
  return () => (launched ??= launch());
}

export async function launchChromium(): Promise<Browser> {
  const { chromiumLaunch } = (await import(PROGRAMS)) as { readonly chromiumLaunch: () => Promise<LaunchOptions> };
  return chromium.launch(await chromiumLaunch());
}

async function launch(): Promise<Chromium> {
  const files = await servePages();
  const browser = await launchChromium();
  const shared = new Map<string, Promise<OpenPage>>();

  const open = async (name: PageName): Promise<OpenPage> => {
    const page = await browser.newPage();
    const uncaught: Error[] = [];
    const missing: string[] = [];
    page.on('pageerror', (error) => uncaught.push(error));
    page.on('response', (response) => response.ok() || missing.push(response.url()));
    await page.goto(`${files.url}/packages/testing/test/browsers/pages/${name}.html`);
    if (missing.length > 0) throw new Error(`npm run build makes what is missing: ${missing.join(', ')}`);
    return { page, uncaught };
  };

  return {
    async show(name, { behaviour, transport, protocol }, url) {
      const key = [name, transport, protocol].join();
      const opening = shared.get(key) ?? open(name);
      shared.set(key, opening);
      const { page, uncaught } = await opening;
      await page.context().clearCookies();
      await using server = url === undefined ? await startConformanceServer({ port: 0 }) : { url, async [Symbol.asyncDispose]() {} };
      const shown = page.evaluate((what) => globalThis.show(what), { url: server.url, behaviour, transport, protocol });
      const errors = await shown.then(
        () => uncaught.splice(0),
        (error: Error) => [...uncaught.splice(0), error],
      );
      if (errors.length > 0) throw new AggregateError(errors, errors.join('\n'));
    },
    open,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await files[Symbol.asyncDispose]();
    },
  };
}

/** The path is in a variable so that the compiler does not read types from a script. */
const PROGRAMS = new URL('../../../../scripts/programs.mjs', import.meta.url).href;
