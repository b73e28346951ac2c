import type { Behaviour } from './behaviour.ts';
import { rejects, same, Deferred } from './check.ts';
import { collect, nextEvent } from './world.ts';

/** Streams in both directions. */
export const STREAMS: readonly Behaviour[] = [
  {
    name: 'streams from the server',
    async run(world) {
      const connection = await world.started();
      same(await collect(connection, 'Stream'), ['a', 'b', 'c']);
      same(await collect(connection, 'EmptyStream'), []);
    },
  },
  {
    name: 'receives the items of a stream in order',
    async run(world) {
      same(await collect(await world.started(), 'StreamNumbers', 5), [0, 1, 2, 3, 4]);
    },
  },
  {
    name: 'receives thousands of items in their order',
    async run(world) {
      const count = world.transport === 'WebSockets' ? 10_000 : 2_000; // our client requests more items by a POST for each 32 of them
      const items = await collect(await world.started(), 'StreamMany', count);
      same(
        items,
        Array.from({ length: count }, (_none, at) => at),
      );
    },
  },
  {
    name: 'receives the error of a stream after its items',
    async run(world) {
      const connection = await world.started();
      const items: unknown[] = [];
      const over = new Deferred();
      const observer = { next: (item: unknown) => items.push(item), complete: over.resolve, error: over.reject };
      connection.stream(observer, 'StreamFails', 'No more.');
      await rejects(over.promise, 'An error occurred on the server while streaming results. InvalidOperationException: No more.');
      same(items, [1]);
    },
  },
  {
    name: 'calls while a stream is open',
    async run(world) {
      const connection = await world.started();
      const items = collect(connection, 'StreamNumbers', 5);
      same(await connection.invoke('Echo', 'between'), 'between');
      same(await items, [0, 1, 2, 3, 4]);
    },
  },
  {
    name: 'cancels a stream at the server',
    async run(world) {
      const connection = await world.started();
      const cancelled = nextEvent(connection, 'StreamCanceled');
      const cancel = connection.stream({ next: () => undefined, complete: () => undefined, error: () => undefined }, 'InfiniteStream');
      cancel();
      await cancelled;
      same(await connection.invoke('Echo', 'still here'), 'still here');
    },
  },
  {
    name: 'rejects calls of methods that stream',
    async run(world) {
      const connection = await world.started();
      for (const method of ['Stream', 'EmptyStream']) {
        const text = `The client attempted to invoke the streaming '${method}' method with a non-streaming invocation.`;
        await rejects(connection.invoke(method), text);
      }
    },
  },
  {
    name: 'rejects streams of methods that do not stream',
    async run(world) {
      const text = "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation.";
      await rejects(collect(await world.started(), 'Echo', 'x'), text);
    },
  },
  {
    name: 'ends a stream with the exception that the method threw',
    async run(world) {
      const connection = await world.started();
      const text =
        "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: An error occurred.";
      await rejects(collect(connection, 'StreamThrowException', 'An error occurred.'), text);
      const other =
        "An unexpected error occurred invoking 'StreamException' on the server. InvalidOperationException: Error occurred while streaming.";
      await rejects(collect(connection, 'StreamException'), other);
    },
  },
  {
    name: 'rejects a stream of a method that returns no stream',
    async run(world) {
      const text = "The value returned by the streaming method 'StreamBroken' is not a ChannelReader<> or IAsyncEnumerable<>.";
      await rejects(collect(await world.started(), 'StreamBroken'), text);
    },
  },
  {
    name: 'streams to the server',
    async run(world) {
      const upload = world.upload();
      const result = (await world.started()).invoke('StreamingConcat', upload);
      for (const part of ['Hello ', 'world', '!']) upload.next(part);
      upload.complete();
      same(await result, 'Hello world!');
    },
  },
  {
    name: 'ends a stream to the server with an error',
    async run(world) {
      const upload = world.upload();
      const result = (await world.started()).invoke('StreamingConcat', upload);
      upload.next('Hello ');
      upload.error(new Error('Something bad'));
      await rejects(result, "An unexpected error occurred invoking 'StreamingConcat' on the server. HubException: Something bad");
    },
  },
  {
    name: 'streams to the server and back',
    async run(world) {
      const connection = await world.started();
      for (const [method, items] of Object.entries({ StreamEcho: ['a', 'b'], StreamEchoInt: [1, 2], StreamIAsyncConsumer: ['x', 'y'] })) {
        const upload = world.upload();
        const echoed: unknown[] = [];
        const over = new Deferred();
        connection.stream({ next: (item) => echoed.push(item), complete: over.resolve, error: over.reject }, method, upload);
        for (const item of items) upload.next(item);
        upload.complete();
        await over.promise;
        same(echoed, items);
      }
    },
  },
  {
    name: 'ends a stream with the error of a stream to the server',
    async run(world) {
      const upload = world.upload();
      const first = new Deferred<unknown>();
      const over = new Deferred();
      (await world.started()).stream({ next: first.resolve, complete: over.resolve, error: over.reject }, 'StreamEcho', upload);
      upload.next('a');
      same(await first.promise, 'a');
      upload.error(new Error('Something bad'));
      await rejects(over.promise, 'Something bad');
    },
  },
  {
    name: 'cancels a stream while it streams to the server',
    async run(world) {
      const connection = await world.started();
      const cancelled = nextEvent(connection, 'StreamCanceled');
      const upload = world.upload();
      const first = new Deferred<unknown>();
      const observer = { next: first.resolve, complete: () => undefined, error: first.reject };
      const cancel = connection.stream(observer, 'StreamEchoUntilCanceled', upload);
      upload.next('a');
      same(await first.promise, 'a');
      cancel();
      await cancelled;
      same(await connection.invoke('Echo', 'still here'), 'still here');
    },
  },
  {
    name: 'streams more items than the server buffers',
    async run(world) {
      const upload = world.upload();
      const result = (await world.started()).invoke('StreamingConcat', upload);
      const parts = Array.from({ length: 40 }, (_none, at) => `${at},`);
      for (const part of parts) upload.next(part);
      upload.complete();
      same(await result, parts.join(''));
    },
  },
];
