import { afterEach, expect, it, vi } from 'vitest';
import { addressOf, hubUrl, withAffinity, withQuery } from '../src/hub-url.ts';
import { offer } from './plain-server.ts';
import { World } from './world.ts';

afterEach(() => vi.unstubAllGlobals());

it('hubUrl resolves a relative address by the base of the page', () => {
  vi.stubGlobal('location', new URL('https://app.test/deep/page.html'));
  expect(hubUrl('hubs/chat').href).toBe('https://app.test/deep/hubs/chat');
  vi.stubGlobal('document', { baseURI: 'https://app.test/base/' });
  expect(hubUrl('hubs/chat?a=1').href).toBe('https://app.test/base/hubs/chat?a=1');
  // A frame of srcdoc has the base of its parent, and no address of its own.
  vi.stubGlobal('location', new URL('about:srcdoc'));
  expect(hubUrl('/hubs/chat').href).toBe('https://app.test/hubs/chat');
});

it("hubUrl resolves a relative address in a worker from a blob by the worker's origin", () => {
  vi.stubGlobal('location', new URL('blob:https://app.test/0b1c'));
  expect(hubUrl('/hubs/chat').href).toBe('https://app.test/hubs/chat');
  expect(hubUrl('https://other.test/hub').href).toBe('https://other.test/hub');
});

it('withQuery and withAffinity leave other parameters as they were written', () => {
  const url = new URL('https://app.test/hub?a=b%20c&flag');
  expect(withQuery(url, 'id', 'a+b/c=').href).toBe('https://app.test/hub?a=b%20c&flag&id=a%2Bb%2Fc%3D');
  expect(withQuery(new URL('https://app.test/hub'), 'id', '1').href).toBe('https://app.test/hub?id=1');
  expect(withQuery(url, 'a', 'other')).toBe(url);
  expect(withAffinity(url, { node: 'api 1', query: 'node' }).href).toBe('https://app.test/hub?a=b%20c&flag&node=api%201');
  expect(withAffinity(url, { node: 'x', query: 'a' })).toBe(url);
  expect(withAffinity(url, undefined)).toBe(url);
});

it('a connection opens where URLs have no setters and TextDecoder is missing, as in React Native', async () => {
  const refuse = (): never => {
    throw new Error('not implemented');
  };
  class Bare extends URL {
    override get searchParams(): URLSearchParams {
      return refuse();
    }
  }
  for (const name of ['protocol', 'pathname', 'search', 'hash', 'host'] as const) {
    const { get } = Object.getOwnPropertyDescriptor(URL.prototype, name)!;
    Object.defineProperty(Bare.prototype, name, { get: get as () => string, set: refuse });
  }
  const response = (text: string): unknown => ({ status: 200, ok: true, headers: { get: () => null }, text: async () => text });
  const fetch = async (): Promise<unknown> => response(JSON.stringify(offer(0)));
  await using world = await World.open({ fetch: fetch as never });
  vi.stubGlobal('URL', Bare);
  vi.stubGlobal('Request', class {}); // Node loads its own Request on first use, which needs a TextDecoder
  vi.stubGlobal('TextDecoder', undefined);
  await world.connection.start();
  expect(await world.connection.invoke.echo('hi')).toEqual(['hi']);
});

it('withAffinity takes any name of a parameter literally', () => {
  const url = new URL('https://app.test/hub?axb=1');
  expect(withAffinity(url, { node: 'n', query: '(a+)+$(' }).searchParams.get('(a+)+$(')).toBe('n');
  expect(withAffinity(url, { node: 'n', query: 'a.b' }).searchParams.get('a.b')).toBe('n');
});

it('errors contain no secret of the address', () => {
  expect(addressOf('wss://user:secret@app.test/hub?token=secret')).toBe('wss://app.test/hub');
  expect(addressOf(new URL('https://app.test/@room/hub?token=secret'))).toBe('https://app.test/@room/hub');
  expect(() => hubUrl('http://user:secret@app.test/hub')).toThrow(
    'No hub at "http://app.test/hub": it must be an http or https URL without a user name.',
  );
  expect(() => hubUrl('hubs/chat?token=secret')).toThrow('No hub at "hubs/chat": it is no absolute URL, and no page gives it an origin.');
});
