import { createHubConnection } from '@hubline/client';
import { playground } from '../contract.ts';

/** The first message of the page to a new companion. */
export interface CompanionOptions {
  readonly url: string;
  readonly name: string;
  readonly room: string;
}

const SHARE_OF_YES = 0.6;
const SHARE_OF_NO = 0.3;

/** A client in a Web Worker: it answers questions after a delay, and messages with its name. */
self.addEventListener('message', ({ data }: MessageEvent<CompanionOptions>) => {
  const { url, name, room } = data;
  const connection = createHubConnection(playground, url, {
    reconnect: { firstMs: 500, maxMs: 4000, initial: true },
    receiver: {
      said({ from, text }) {
        if (from !== name && text.toLowerCase().includes(name)) connection.send.say(`Yes, ${from}?`);
      },
      async confirm() {
        await new Promise((resolve) => setTimeout(resolve, 400 + Math.random() * 2600));
        const mood = Math.random();
        if (mood > SHARE_OF_YES + SHARE_OF_NO) throw new Error('Rather not say.');
        return mood < SHARE_OF_YES;
      },
    },
  });
  connection.on('state', (state) => {
    if (state.name === 'connected') connection.send.enter(room);
  });
  connection.start().catch(reportError);
});
