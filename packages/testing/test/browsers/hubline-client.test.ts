import { HUBLINE } from '../hubline-peer.ts';
import { describeMatrix, type Difference } from '../matrix.ts';
import { useChromium, type PageName } from './chromium.ts';

const chromium = useChromium();

const differences: readonly Difference[] = [
  { behaviour: 'says what it is in its headers', why: 'to another origin it would cost a preflight; a WebSocket has no headers at all' },
  { behaviour: 'sends the headers that it is given', transports: ['WebSockets'], why: 'the WebSocket of a browser has no headers' },
  { behaviour: 'sends a user agent that it is given instead of its own', why: 'Chromium lets no page say another than its own' },
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
