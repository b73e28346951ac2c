import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { headersFor, uncached } from '../src/request.ts';

afterEach(() => vi.unstubAllGlobals());

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
const url = new URL('https://api.example/hub');
const OURS = { 'X-Requested-With': 'XMLHttpRequest', 'X-SignalR-User-Agent': `Hubline/${manifest.version}` };

it('our headers are sent in Node and to the same origin', () => {
  expect(headersFor({ url, token: undefined })).toEqual(OURS);
  vi.stubGlobal('location', new URL('https://api.example/page'));
  expect(headersFor({ url, token: undefined })).toEqual(OURS);
});

it('our headers are not sent to another origin, where they would need a preflight', () => {
  vi.stubGlobal('location', new URL('https://www.example/page'));
  expect(headersFor({ url, token: undefined })).toEqual({});
  expect(headersFor({ url, token: 'secret', headers: { 'x-mine': 'yes' } })).toEqual({ Authorization: 'Bearer secret', 'x-mine': 'yes' });
});

it('headers of the user override ours', () => {
  const headers = { Authorization: 'Basic x', 'X-Requested-With': 'mine' };
  expect(headersFor({ url, token: 'secret', headers })).toMatchObject(headers);
});

it('fetch gets the option cache only if the runtime has it: older Workers throw, and jsdom has no Request', () => {
  expect(uncached()).toEqual({ cache: 'no-store' });
  for (const without of [class {}, undefined]) {
    vi.stubGlobal('Request', without);
    expect(uncached()).toEqual({});
  }
});
