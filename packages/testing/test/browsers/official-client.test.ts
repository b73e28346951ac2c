import { VERSION } from '@microsoft/signalr';
import { describeMatrix } from '../matrix.ts';
import { useChromium } from './chromium.ts';

const chromium = useChromium();
const NO_HEADERS = 'neither the WebSocket nor the EventSource of a browser has headers';

describeMatrix({
  peer: { name: '@microsoft/signalr', version: VERSION },
  where: 'Chromium',
  differences: [
    { behaviour: 'sends its name in its headers', transports: ['WebSockets', 'ServerSentEvents'], why: NO_HEADERS },
    { behaviour: 'sends the given headers', transports: ['WebSockets', 'ServerSentEvents'], why: NO_HEADERS },
    { behaviour: 'connects with a token in a header', transports: ['WebSockets', 'ServerSentEvents'], why: NO_HEADERS },
    { behaviour: 'sends a given user agent instead of its own', why: 'Chromium does not let a page change its user agent' },
  ],
  run: async ({ name }, on) => (await chromium()).show('official', { ...on, behaviour: name }),
});
