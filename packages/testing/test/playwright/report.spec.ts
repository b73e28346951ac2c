import { test as base, expect } from '@hubline/testing/playwright';
import { chat } from './chat.ts';
import { clusterOptions } from './cluster-options.ts';

const attached: { readonly name: string; readonly body: string }[] = [];

/** Set up before the fixtures of the kit, so torn down after them. */
const test = base.extend<{ observer: void }>({
  observer: [
    // Playwright reads the names of the fixtures from the pattern.
    async ({}, use, { attachments }) => {
      await use();
      for (const { name, body } of attachments) attached.push({ name, body: String(body) });
    },
    { auto: true },
  ],
});
test.use({ clusterOptions: { ...clusterOptions, nodes: 1 } });
test.describe.configure({ mode: 'serial', timeout: 90_000 });

test('a test fails after a call of its peer', async ({ cluster, peers }) => {
  test.fail();
  const [ann] = await peers(1, { over: cluster, hub: chat, events: ['said'] });
  await ann?.invoke.say('hello');
  await expect.poll(() => ann?.received('said')).toHaveLength(1);
  throw new Error('as planned');
});

test('a failed test has the logs of its nodes and the timeline of its peers attached', () => {
  const bodyOf = (name: string) => attached.find((each) => each.name === name)?.body;
  expect(bodyOf('node-1.log')).toContain('"url"');
  expect(bodyOf('timeline.txt')).toMatch(/peer-1 +called say #1 of peer-1\n(?:.*\n)*.*peer-1 +received said \["nobody","hello"\]/);
});
