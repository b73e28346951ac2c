import type { Page } from '@playwright/test';
import { expect, test } from './playground.ts';

const backgroundOf = (page: Page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
const overflowOf = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test('the theme follows the system until the toggle overrides it, also after a reload', async ({ enter }) => {
  const { page } = await enter('Ann', { node: 'node-1', look: { colorScheme: 'dark' } });
  const dark = await backgroundOf(page);
  await page.getByRole('button', { name: 'Theme: system' }).click();
  const light = await backgroundOf(page);
  expect(light).not.toBe(dark);
  await page.reload();
  expect(await backgroundOf(page)).toBe(light);
  await page.getByRole('button', { name: 'Theme: light' }).click();
  expect(await backgroundOf(page)).toBe(dark);
});

test('a narrow screen shows one pane at a time, without horizontal scrolling', async ({ open }) => {
  const page = await open('/?node=node-2&name=Eva', { viewport: { width: 390, height: 844 }, hasTouch: true, colorScheme: 'dark' });
  await expect(page.getByTestId('connection')).toContainText('connected');
  const panes = {
    chat: page.getByRole('log'),
    cluster: page.getByRole('list', { name: 'Connections of node-2' }),
    ask: page.getByLabel('Question'),
    tab: page.getByLabel('States of the connection'),
  };
  for (const [name, content] of Object.entries(panes)) {
    await page.getByRole('navigation').getByRole('button', { name }).tap();
    await expect(content).toBeVisible();
    expect(await overflowOf(page)).toBe(0);
  }
});

test('a user can connect with the keyboard alone', async ({ open }) => {
  const page = await open('/');
  await expect(page.getByLabel('Your name')).toBeFocused();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('Kim');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('connection')).toContainText(/connected.*Kim/);
});

test('the layout does not move when a client joins, sends and asks', async ({ enter }) => {
  const ann = await enter('Ann', { node: 'node-1' });
  const places = () =>
    ann.page.locator('.module, .composer, .tool').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON() as object));
  const before = await places();
  const ben = await enter('Ben', { node: 'node-1' });
  await ben.say('Hello.');
  await ben.ask('Shall we?', 60);
  await expect(ann.question('Ben')).toBeVisible();
  expect(await places()).toEqual(before);
});
