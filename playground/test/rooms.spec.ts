import { expect, test } from './playground.ts';

test('tabs on three nodes exchange messages', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.say('Hello from one.');
  const eva = await enter('Eva', { node: 'node-3' });
  await expect(eva.log, 'the history').toContainText('Hello from one.');
  await ben.say('Hello from two.');
  await eva.say('Hello from three.');
  for (const { log } of [ann, ben, eva]) {
    await expect(log.locator('.message')).toHaveText([/Hello from one\./, /Hello from two\./, /Hello from three\./]);
  }
});

test('a tab receives only the messages of its room', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2', room: 'kitchen' });
  await ann.say('For the lobby.');
  await ben.say('For the kitchen.');
  await expect(ann.log).toContainText('For the lobby.');
  await ann.page.getByRole('button', { name: 'kitchen' }).click();
  await expect(ann.log).toContainText('For the kitchen.');
  await expect(ann.log).not.toContainText('For the lobby.');
  await expect(ben.log).toContainText('Ann joined on node-1');
  await expect(ben.log).not.toContainText('For the lobby.');
});

test('every tab shows the users of each node, and when they leave', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  const eva = await enter('Eva', { node: 'node-3' });
  for (const tab of [ann, ben, eva]) {
    await expect(tab.connectionsOf('node-1')).toContainText('Ann');
    await expect(tab.connectionsOf('node-2')).toContainText('Ben');
    await expect(tab.connectionsOf('node-3')).toContainText('Eva');
  }
  await ben.page.close();
  for (const tab of [ann, eva]) {
    await expect(tab.connectionsOf('node-2')).not.toContainText('Ben');
    await expect(tab.log).toContainText('Ben left');
  }
});

test('a tab that moves to another node keeps its room', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2', room: 'kitchen' });
  await ben.page.getByRole('group', { name: 'Node' }).getByRole('button', { name: 'node-3' }).click();
  await expect(ann.connectionsOf('node-3')).toContainText(/Ben.*kitchen/);
  await expect(ann.connectionsOf('node-2')).not.toContainText('Ben');
  await ben.say('Still here.');
  await expect(ben.log).toContainText('Still here.');
  await expect(ben.page).toHaveURL(/node=node-3/);
});
