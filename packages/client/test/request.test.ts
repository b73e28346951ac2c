import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { headersFor, uncached } from '../src/request.ts';

afterEach(() => vi.unstubAllGlobals());

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
const url = new URL('https://api.example/hub');
const OURS = { 'X-Requested-With': 'XMLHttpRequest', 'X-SignalR-User-Agent': `Hubline/${manifest.version}` };

it('says who it is where that costs nothing', () => {
  expect(headersFor({ url, token: undefined })).toEqual(OURS);
  vi.stubGlobal('location', new URL('https://api.example/page'));
  expect(headersFor({ url, token: undefined })).toEqual(OURS);
});

it('sends no header to another origin that would cost a preflight, but the token', () => {
  vi.stubGlobal('location', new URL('https://www.example/page'));
  expect(headersFor({ url, token: undefined })).toEqual({});
  expect(headersFor({ url, token: 'secret', headers: { 'x-mine': 'yes' } })).toEqual({ Authorization: 'Bearer secret', 'x-mine': 'yes' });
});

it("lets the user's headers win", () => {
  const headers = { Authorization: 'Basic x', 'X-Requested-With': 'mine' };
  expect(headersFor({ url, token: 'secret', headers })).toMatchObject(headers);
});

it('gives fetch no option that the runtime does not have: older Workers throw at "cache", and Jest in jsdom has no Request', () => {
  expect(uncached()).toEqual({ cache: 'no-store' });
  for (const without of [class {}, undefined]) {
    vi.stubGlobal('Request', without);
    expect(uncached()).toEqual({});
  }
});
