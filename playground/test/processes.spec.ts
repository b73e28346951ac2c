import { expect, test } from './playground.ts';

test.use({ onRedis: true });
test.describe.configure({ timeout: 90_000 }); // processes have to start, and a lease has to expire

test('tabs on three processes exchange messages, and clients of a killed process leave', async ({ enter, playground }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.say('Hello from one.');
  await expect(ben.log).toContainText('Hello from one.');
  const eva = await enter('Eva', { node: 'node-3' });
  await expect(eva.log, 'the history').toContainText('Hello from one.');
  await eva.say('Hello from three.');
  for (const tab of [ann, ben, eva]) {
    await expect(tab.log.locator('.message')).toHaveText([/Hello from one\./, /Hello from three\./]);
    await expect(tab.connectionsOf('node-1')).toContainText('Ann');
    await expect(tab.connectionsOf('node-2')).toContainText('Ben');
    await expect(tab.connectionsOf('node-3')).toContainText('Eva');
  }

  await ann.module('node-2').getByRole('button', { name: 'Kill' }).click();
  await expect(ben.connection).toContainText('reconnecting');
  for (const tab of [ann, eva]) {
    await expect(tab.connectionsOf('node-2')).not.toContainText('Ben');
    await expect(tab.log).toContainText('Ben was disconnected: node-2 ended');
    await expect(tab.module('node-2')).toContainText('stopped');
  }

  await ann.module('node-2').getByRole('button', { name: 'Start' }).click();
  await expect(ben.connection).toContainText('connected');
  await expect(ann.connectionsOf('node-2')).toContainText(/Ben.*lobby/);
  await ben.say('Back again.');
  await expect(eva.log).toContainText('Back again.');
  await playground.cluster.change('node-3', 'stop');
  await expect(ann.log, 'clients of a stopped node leave at once').toContainText('Eva left');
});

test('other nodes are unreachable while Redis is stopped, and serving after it restarted empty', async ({ enter, redis }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  await expect(ann.module('node-3')).toContainText('serving');
  await redis?.stop();
  await expect(ann.module('node-1')).toContainText('serving');
  for (const node of ['node-2', 'node-3']) await expect(ann.module(node)).toContainText('unreachable');
  await redis?.start();
  for (const node of ['node-1', 'node-2', 'node-3']) await expect(ann.module(node)).toContainText('serving');
});

test('a question has one outcome per client, clients of a killed process included', async ({ enter, playground }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  const eva = await enter('Eva', { node: 'node-3' });
  await ann.ask('Shall we?', 60);
  await ben.answer('Ann', 'Yes');
  await expect(ann.outcomeOf('Ben')).toContainText('yes');
  await expect(eva.question('Ann')).toBeVisible();
  await playground.cluster.change('node-3', 'kill');
  await expect(ann.outcomeOf('Eva')).toContainText('node_lost');
  await ann.answer('Ann', 'No');
  await expect(ann.page.getByTestId('poll-state')).toHaveText('all 3 settled');
});
