import { VERSION } from '@microsoft/signalr';
import { describeMatrix } from '../matrix.ts';
import { useChromium } from './chromium.ts';

const chromium = useChromium();
const NO_HEADERS = 'neither the WebSocket nor the EventSource of a browser has headers';

describeMatrix({
  peer: { name: '@microsoft/signalr', version: VERSION },
  where: 'Chromium',
  differences: [
    { behaviour: 'says what it is in its headers', transports: ['WebSockets', 'ServerSentEvents'], why: NO_HEADERS },
    { behaviour: 'sends the headers that it is given', transports: ['WebSockets', 'ServerSentEvents'], why: NO_HEADERS },
    { behaviour: 'sends a user agent that it is given instead of its own', why: 'Chromium lets no page say another than its own' },
  ],
  run: async ({ name }, on) => (await chromium()).show('official', { ...on, behaviour: name }),
});
