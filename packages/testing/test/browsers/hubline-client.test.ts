import { HUBLINE } from '../hubline-peer.ts';
import { describeMatrix, type Difference } from '../matrix.ts';
import { useChromium, type PageName } from './chromium.ts';

const chromium = useChromium();

const differences: readonly Difference[] = [
  { behaviour: 'sends its name in its headers', why: 'a header to another origin needs a preflight request; a WebSocket has no headers' },
  { behaviour: 'sends the given headers', transports: ['WebSockets'], why: 'the WebSocket of a browser has no headers' },
  { behaviour: 'sends a given user agent instead of its own', why: 'Chromium does not let a page change its user agent' },
];

/** The page that loads the built Hubline client in one way, by protocol. */
const BUILDS: Readonly<Record<string, Readonly<Record<'json' | 'messagepack', PageName>>>> = {
  'Chromium, ESM': { json: 'esm', messagepack: 'esm' },
  'Chromium, script tag': { json: 'script-tag', messagepack: 'script-tag-messagepack' },
};

for (const [where, pages] of Object.entries(BUILDS)) {
  describeMatrix({
    peer: HUBLINE,
    where,
    differences,
    run: async ({ name }, on) => (await chromium()).show(pages[on.protocol], { ...on, behaviour: name }),
  });
}
