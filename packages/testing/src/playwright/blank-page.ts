import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { BrowserContext } from '@playwright/test';
import { control, type ControlOptions } from './expose.ts';

export interface BlankPageOptions extends ControlOptions {
  /** The address of the hub. */
  readonly hub: string;
  readonly transport: 'WebSockets' | 'ServerSentEvents' | 'LongPolling';
  readonly skipNegotiation: boolean;
}

/** No server has this path, so the requests of a page for it are answered by the browser. */
const PATH = '/hubline-blank-page';

const client = createRequire(import.meta.url).resolve('@hubline/client/package.json');

/**
 * Answers requests of the context for a page that connects to a hub, and returns the address of the page. The page has the origin of the hub,
 * so that it needs no permission.
 */
export async function serveBlankPage(
  context: BrowserContext,
  { hub, transport, skipNegotiation, ...options }: BlankPageOptions,
): Promise<string> {
  const { origin } = new URL(hub);
  const script = await readFile(join(dirname(client), 'dist/hubline.min.js'), 'utf8');
  const factory = { WebSockets: 'webSockets', ServerSentEvents: 'serverSentEvents', LongPolling: 'longPolling' }[transport];
  const program = `
    const connection = Hubline.createHubConnection(Hubline.defineHub('peer'), ${JSON.stringify(hub)}, {
      transports: [Hubline.${factory}()],
      skipNegotiation: ${skipNegotiation},
      reconnect: { firstMs: 50, maxMs: 1000, initial: true },
    });
    (${control.toString()})(connection, ${JSON.stringify(options)});
    connection.start().catch((error) => console.error(error));`;
  const page = `<!doctype html><meta charset="utf-8"><title>peer</title><link rel="icon" href="data:,"><body><script src="${PATH}/client.js"></script><script src="${PATH}/peer.js"></script>`;
  const answers: Readonly<Record<string, readonly [type: string, body: string]>> = {
    [PATH]: ['text/html', page],
    [`${PATH}/client.js`]: ['text/javascript', script],
    [`${PATH}/peer.js`]: ['text/javascript', program],
  };
  // Chromium takes an answered document for one of the public network, which may open no WebSocket to this machine without permission.
  if (context.browser()?.browserType().name() === 'chromium') await context.grantPermissions(['local-network-access'], { origin });
  await context.route(
    (url) => url.origin === origin && url.pathname in answers,
    async (route) => {
      const [contentType, body] = answers[new URL(route.request().url()).pathname] ?? ['text/plain', ''];
      await route.fulfill({ contentType: `${contentType}; charset=utf-8`, body });
    },
  );
  return `${origin}${PATH}`;
}
