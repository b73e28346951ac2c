import { expect, test } from './playground.ts';

test('a question has one outcome per client, shown when it settles', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  const eva = await enter('Eva', { node: 'node-3' });
  const dan = await enter('Dan', { node: 'node-2' });
  await ann.ask('Shall we?', 60);
  for (const name of ['Ann', 'Ben', 'Eva', 'Dan']) await expect(ann.outcomeOf(name)).toContainText('pending');

  await ben.answer('Ann', 'Yes');
  await expect(ann.outcomeOf('Ben')).toContainText('yes');
  await expect(ann.outcomeOf('Eva')).toContainText('pending');
  await eva.answer('Ann', 'No');
  await expect(ann.outcomeOf('Eva')).toContainText('no');
  await expect(dan.question('Ann')).toBeVisible();
  await dan.page.close();
  await expect(ann.outcomeOf('Dan')).toContainText('connection_gone');
  await expect(ann.page.getByTestId('poll-state')).toHaveText('3 of 4 settled');
  await ann.answer('Ann', 'Rather not say');
  await expect(ann.outcomeOf('Ann')).toContainText('client_error');
  await expect(ann.page.getByTestId('poll-state')).toHaveText('all 4 settled');
});

test('a client that does not answer in time has an outcome too', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.ask('Anybody?', 5);
  await ann.answer('Ann', 'Yes');
  await expect(ann.outcomeOf('Ben')).toContainText('call_timeout');
  await expect(ben.question('Ann'), 'the question disappears after its time limit').toHaveCount(0);
});

test('a withdrawn question disappears from all tabs', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-2' });
  await ann.ask('Shall we?', 60);
  await expect(ben.question('Ann')).toBeVisible();
  await ann.page.getByRole('button', { name: 'Withdraw' }).click();
  await expect(ben.question('Ann')).toHaveCount(0);
  await expect(ann.question('Ann')).toHaveCount(0);
  await expect(ann.page.getByTestId('poll-state')).toHaveText('withdrawn at 0 of 2');
});
