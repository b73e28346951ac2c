import type * as client from '@hubline/client';
import { createServer } from 'node:net';
import { startPlayground } from '../src/cluster/index.ts';
import { expect, servePage, test } from './playground.ts';

/** The global of the page's script tag. */
declare const Hubline: typeof client;

test('a page of another origin can neither connect nor stop a node', async ({ open, playground }) => {
  await using other = await startPlayground({ page: servePage, port: 0 });
  const page = await open(`${other.url}/script-tag.html`);
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
  const status = await page.request.post(`${playground.url}/nodes/node-1/stop`, { headers: { origin: other.url } });
  expect(status.status()).toBe(403);
  const health = await page.request.post(`${hub.replace('?', '/negotiate?')}&negotiateVersion=1`);
  expect(health.status(), 'a request without an origin is allowed').toBe(200);
});

test('a node that shares its process cannot be killed', async ({ playground, request }) => {
  const post = (action: string) => request.post(`${playground.url}/nodes/node-1/${action}`, { headers: { origin: playground.url } });
  expect((await post('kill')).status()).toBe(404);
  expect((await post('start')).status(), 'the node runs').toBe(200);
});

test('a client without a name is refused', async ({ playground, request }) => {
  const [node] = playground.cluster.map.nodes;
  const answer = await request.post(`http://127.0.0.1:${node?.port}/hubs/playground/negotiate?negotiateVersion=1&name=%20`);
  expect(answer.status()).toBe(401);
});

test('the playground reports a busy port and uses the next one', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await expect.poll(() => taken.address()).not.toBeNull();
  const port = (taken.address() as { readonly port: number }).port;
  const lines: string[] = [];
  await using playground = await startPlayground({ page: servePage, port, report: (line) => lines.push(line) });
  expect(Number(new URL(playground.url).port)).toBeGreaterThan(port);
  expect(lines).toContain(`Port ${port} is taken.`);
  taken.close();
});
