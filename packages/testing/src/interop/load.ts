import type { Behaviour } from './behaviour.ts';
import { Deferred, rejects, same } from './check.ts';

const COUNT = 10_000;

/** Bursts of calls, messages and items. */
export const BURSTS: readonly Behaviour[] = [
  {
    name: 'receives the results of 10,000 calls in flight',
    async run(world) {
      const connection = await world.started();
      const numbers = Array.from({ length: COUNT }, (_none, at) => at);
      same(await Promise.all(numbers.map((number) => connection.invoke('Echo', number))), numbers);
    },
  },
  {
    name: 'receives 10,000 messages of one call in their order',
    async run(world) {
      const connection = await world.started();
      const received: unknown[] = [];
      const all = new Deferred();
      connection.on('Message', (text) => {
        if (received.push(text) === COUNT) all.resolve();
      });
      await connection.invoke('SendMany', COUNT);
      await all.promise;
      same(
        received,
        Array.from({ length: COUNT }, (_none, at) => `message ${at}`),
      );
    },
  },
  {
    name: 'streams 10,000 items to the server in their order',
    async run(world) {
      const upload = world.upload();
      const result = (await world.started()).invoke('CountInOrder', upload);
      for (let item = 0; item < COUNT; item++) upload.next(item);
      upload.complete();
      same(await result, COUNT);
    },
  },
];

/** Large messages. */
export const LARGE_MESSAGES: readonly Behaviour[] = [
  {
    name: 'sends and receives a message of a megabyte',
    async run(world) {
      const text = 'é'.repeat(500_000);
      same((await (await world.started('/tunedhub')).invoke('Echo', text)) === text, true);
    },
  },
  {
    name: 'rejects a call whose message is larger than the server allows',
    async run(world) {
      const connection = await world.started();
      await rejects(connection.invoke('Echo', 'x'.repeat(40_000)), '');
    },
  },
];
