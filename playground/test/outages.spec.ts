import { expect, test } from './playground.ts';

test('clients of a stopped node reconnect when it starts again', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.module('node-2').getByRole('button', { name: 'Stop' }).click();
  await expect(ben.connection).toContainText('reconnecting');
  await expect(ben.page.getByRole('region', { name: 'Connection lost' })).toContainText('node-2 does not answer');
  await expect(ann.module('node-2')).toContainText('stopped');
  await expect(ann.connectionsOf('node-2')).not.toContainText('Ben');
  await ann.say('While Ben was away.');

  await ben.page.getByRole('region', { name: 'Connection lost' }).getByRole('button', { name: 'Start node-2' }).click();
  await expect(ben.connection).toContainText('connected');
  await expect(ann.module('node-2')).toContainText('serving');
  await expect(ann.connectionsOf('node-2')).toContainText(/Ben.*lobby/);
  await expect(ben.log).toContainText('While Ben was away.');
  await ben.say('Back again.');
  await expect(ann.log).toContainText('Back again.');
});

test('a client of a stopped node can move to another node', async ({ enter, playground }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await playground.cluster.change('node-2', 'stop');
  await ben.page.getByRole('button', { name: 'Move to node-3' }).click();
  await expect(ann.connectionsOf('node-3')).toContainText(/Ben.*lobby/);
  await expect(ben.page.getByRole('region', { name: 'Connection lost' })).toHaveCount(0);
});

test('a question has an outcome for a client whose node stops', async ({ enter, playground }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.ask('Shall we?', 60);
  await expect(ben.question('Ann')).toBeVisible();
  await playground.cluster.change('node-2', 'stop');
  await expect(ann.outcomeOf('Ben')).toContainText(/connection_gone|node_lost/);
  await ann.answer('Ann', 'Yes');
  await expect(ann.page.getByTestId('poll-state')).toHaveText('all 2 settled');
});
