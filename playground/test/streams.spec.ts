import { expect, test } from './playground.ts';

test('a stream delivers items until it is cancelled, and then ends on the node', async ({ enter }) => {
  const { page } = await enter('Ann', { node: 'node-1' });
  const state = page.getByTestId('stream-state');
  await page.getByRole('button', { name: '50 ms', exact: true }).click();
  await page.getByRole('button', { name: 'Start stream' }).click();
  await expect.poll(async () => Number.parseInt(await state.innerText(), 10)).toBeGreaterThan(5);
  await page.getByRole('button', { name: 'Stop stream' }).click();
  await expect(state).toHaveText(/^cancelled after \d+$/);
});

test('a node counts the open streams of all tabs', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const ben = await enter('Ben', { node: 'node-1' });
  const open = ann.page.locator('.figures div').filter({ hasText: 'open streams' }).locator('dd');
  for (const { page } of [ann, ben]) await page.getByRole('button', { name: 'Start stream' }).click();
  await expect(open).toHaveText('2');
  await ben.page.close();
  await expect(open).toHaveText('1');
});
