import { afterAll, beforeAll } from 'vitest';
import { useChromium } from '../browsers/chromium.ts';
import { HUBLINE, HUBLINE_IN_CHROMIUM } from '../hubline-peer.ts';
import { describeMatrix } from '../matrix.ts';
import { startAspNetServer, type AspNetServer } from './aspnet-server.ts';
import { ASPNET_DIFFERENCES } from './differences.ts';

const chromium = useChromium();
let server: AspNetServer;
beforeAll(async () => {
  server = await startAspNetServer();
});
afterAll(() => server[Symbol.asyncDispose]());

describeMatrix({
  peer: HUBLINE,
  where: 'Chromium, ESM → ASP.NET Core',
  differences: [...HUBLINE_IN_CHROMIUM, ...ASPNET_DIFFERENCES],
  run: async ({ name }, on) => (await chromium()).show('esm', { ...on, behaviour: name }, server.url),
});
