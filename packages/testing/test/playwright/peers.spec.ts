import { faults } from '@hubline/testing/cluster';
import { expect, test } from '@hubline/testing/playwright';
import { chat } from './chat.ts';
import { clusterOptions } from './cluster-options.ts';

test.use({ clusterOptions });
test.describe.configure({ timeout: 90_000 });

const names = { hub: chat, query: (index: number) => ({ name: `user-${index + 1}` }), events: ['said'] as const };

test('five pages on three nodes call, receive and answer', async ({ cluster, peers }) => {
  const five = await peers(5, { over: cluster, ...names, results: { confirm: true } });
  const [first] = five;
  expect(await Promise.all(five.map((peer) => peer.onNode()))).toEqual(['node-1', 'node-2', 'node-3', 'node-1', 'node-2']);
  await expect.poll(() => first?.invoke.count()).toBe(5);
  await first?.invoke.say('hello');
  for (const peer of five) await expect.poll(() => peer.received('said')).toEqual([['user-1', 'hello']]);
  expect(await first?.invoke.ask('Shall we?')).toBe(5);
});

test('pages reconnect after they were offline, reloaded, frozen, or lost their node', async ({ cluster, peers }) => {
  const [ann, ben, eva] = await peers(3, { over: cluster, ...names });
  if (!ann || !ben || !eva) throw new Error('Three peers.');

  await ann.goOffline();
  await ann.untilState('reconnecting');
  await expect.poll(() => ben.invoke.count()).toBe(2);
  await ann.goOnline();
  await ann.untilState('connected');

  await ben.reload();
  await ben.freeze();
  await eva.invoke.say('to a frozen page');
  await ben.resume();
  await expect.poll(() => ben.received('said')).toEqual([['user-3', 'to a frozen page']]);

  const killed = faults.kill(cluster.node('node-3'));
  await killed.inflict();
  await eva.untilState('reconnecting');
  await killed.heal();
  await eva.untilState('connected');
  await ann.invoke.say('again');
  await expect.poll(async () => (await eva.received('said')).at(-1)).toEqual(['user-1', 'again']);
});

test.describe('behind a balancer', () => {
  test.use({ clusterOptions: { ...clusterOptions, balancer: 'sticky' } });

  test('pages behind a balancer name their nodes, and keep them with long polling', async ({ cluster, peers }) => {
    const three = await peers(3, { over: cluster, ...names, transport: 'LongPolling' });
    const nodes = await Promise.all(three.map((peer) => peer.onNode()));
    for (const node of nodes) expect(node).toMatch(/^node-[123]$/);
    await three[0]?.invoke.say('hello');
    for (const peer of three) await expect.poll(() => peer.received('said')).toEqual([['user-1', 'hello']]);
  });
});
