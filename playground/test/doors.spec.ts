import type * as client from '@hubline/client';
import { createServer } from 'node:net';
import { startPlayground } from '../src/cluster/index.ts';
import { expect, servePage, test } from './playground.ts';

/** The globals that the page's script tag declares. */
declare const Hubline: typeof client;

test('a page of another origin can neither connect nor stop a node', async ({ open, playground }) => {
  await using stranger = await startPlayground({ page: servePage, port: 0 });
  const page = await open(`${stranger.url}/script-tag.html`);
  const [node] = playground.cluster.map.nodes;
  const hub = `http://127.0.0.1:${node?.port}/hubs/playground?name=Mallory`;
  const code = await page.evaluate(
    (url) =>
      Hubline.createHubConnection(Hubline.defineHub('playground'), url)
        .start()
        .then(
          () => 'connected',
          (error: { readonly code: string }) => error.code,
        ),
    hub,
  );
  expect(code).toBe('negotiation_failed');
  const status = await page.request.post(`${playground.url}/nodes/node-1/stop`, { headers: { origin: stranger.url } });
  expect(status.status()).toBe(403);
  const health = await page.request.post(`${hub.replace('?', '/negotiate?')}&negotiateVersion=1`);
  expect(health.status(), 'the node still serves who is no browser').toBe(200);
});

test('nodes that share a process cannot be killed', async ({ playground, request }) => {
  const post = (action: string) => request.post(`${playground.url}/nodes/node-1/${action}`, { headers: { origin: playground.url } });
  expect((await post('kill')).status()).toBe(404);
  expect((await post('start')).status(), 'it runs').toBe(200);
});

test('a name is needed', async ({ playground, request }) => {
  const [node] = playground.cluster.map.nodes;
  const answer = await request.post(`http://127.0.0.1:${node?.port}/hubs/playground/negotiate?negotiateVersion=1&name=%20`);
  expect(answer.status()).toBe(401);
});

test('a taken port is named, and the next one used', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await expect.poll(() => taken.address()).not.toBeNull();
  const port = (taken.address() as { readonly port: number }).port;
  const lines: string[] = [];
  await using playground = await startPlayground({ page: servePage, port, report: (line) => lines.push(line) });
  expect(Number(new URL(playground.url).port)).toBeGreaterThan(port);
  expect(lines).toContain(`Port ${port} is taken.`);
  taken.close();
});
