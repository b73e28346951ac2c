import { expect, test } from './playground.ts';

test('a page with the script-tag bundle sends, receives and answers', async ({ enter, open }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const page = await open('/script-tag.html?node=node-2&name=Tag');
  await expect(page.getByRole('status')).toHaveText('Tag: connected, node-2');
  await expect(page.locator('#online')).toContainText('Ann on node-1');
  await expect(ann.connectionsOf('node-2')).toContainText(/Tag.*lobby/);

  await ann.say('Hello, script tag.');
  await expect(page.getByRole('log')).toContainText('Ann: Hello, script tag.');
  await page.getByLabel('Message').fill('Hello, bundler.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(ann.log).toContainText('Hello, bundler.');

  await ann.ask('Shall we?', 60);
  await page.getByRole('button', { name: 'No' }).click();
  await expect(ann.outcomeOf('Tag')).toContainText('no');
  await page.close();
  await expect(ann.connectionsOf('node-2')).not.toContainText('Tag');
});

test('a client in a Web Worker receives, sends and answers', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  await ann.module('node-3').getByRole('button', { name: 'Add companion' }).click();
  const pin = ann.connectionsOf('node-3').getByRole('listitem').filter({ hasText: 'worker' });
  await expect(pin).toContainText('lobby');
  const name = await pin.locator('.pin-name').innerText();

  await ann.say(`Are you there, ${name}?`);
  await expect(ann.log).toContainText('Yes, Ann?');
  await ann.ask('Shall we?', 60);
  await expect(ann.outcomeOf(name)).toContainText(/yes|no|client_error/);
  await pin.getByRole('button', { name: `Remove ${name}` }).click();
  await expect(pin).toHaveCount(0);
});
