import { HUBLINE, HUBLINE_IN_CHROMIUM } from '../hubline-peer.ts';
import { describeMatrix } from '../matrix.ts';
import { useChromium, type PageName } from './chromium.ts';

const chromium = useChromium();

/** The page that loads the built Hubline client in one way, by protocol. */
const BUILDS: Readonly<Record<string, Readonly<Record<'json' | 'messagepack', PageName>>>> = {
  'Chromium, ESM': { json: 'esm', messagepack: 'esm' },
  'Chromium, script tag': { json: 'script-tag', messagepack: 'script-tag-messagepack' },
};

for (const [where, pages] of Object.entries(BUILDS)) {
  describeMatrix({
    peer: HUBLINE,
    where,
    differences: HUBLINE_IN_CHROMIUM,
    run: async ({ name }, on) => (await chromium()).show(pages[on.protocol], { ...on, behaviour: name }),
  });
}
