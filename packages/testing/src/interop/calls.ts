import type { Behaviour } from './behaviour.ts';
import { rejects, same, Deferred } from './check.ts';
import { nextEvent } from './world.ts';

const IN_JSON = { ByteArray: 'aGVsbG8=', DateTime: '2002-04-01T10:20:15Z' };
const IN_MESSAGEPACK = { ByteArray: Uint8Array.of(104, 101, 108, 108, 111), DateTime: new Date('2002-04-01T10:20:15Z') };

/** Calls, results, and events of the server. */
export const CALLS: readonly Behaviour[] = [
  {
    name: 'invokes a method and receives its result',
    async run(world) {
      const connection = await world.started();
      same(await connection.invoke('Echo', '你好，世界！'), '你好，世界！');
      same(await connection.invoke('HelloWorld'), 'Hello World!');
    },
  },
  {
    name: 'calls a method in any case',
    async run(world) {
      same(await (await world.started()).invoke('eCHO', 'x'), 'x');
    },
  },
  {
    name: 'sends without waiting for a result',
    async run(world) {
      const connection = await world.started();
      const message = nextEvent(connection, 'Message');
      await connection.send('InvokeWithString', 'one way');
      same(await message, 'one way');
    },
  },
  {
    name: 'receives an object unchanged',
    async run(world) {
      const connection = await world.started();
      const object = nextEvent(connection, 'CustomObject');
      await connection.send('SendCustomObject', { Name: 'test', Value: 42 });
      same(await object, { Name: 'test', Value: 42 });
    },
  },
  {
    name: 'sends values of every type',
    async run(world) {
      const own = world.protocol === 'json' ? IN_JSON : IN_MESSAGEPACK;
      const object = { ...own, Guid: '00010203-0405-0607-0706-050403020100', IntArray: [1, 2, 3, 255], String: 'Hello, World!' };
      same(await (await world.started()).invoke('EchoComplexObject', object), object);
    },
  },
  {
    name: 'receives values of every type',
    async run(world) {
      const own =
        world.protocol === 'json' ?
          { ByteArray: 'AQID', DateTime: '2000-01-01T00:00:00Z' }
        : { ByteArray: Uint8Array.of(1, 2, 3), DateTime: new Date('2000-01-01T00:00:00Z') };
      const object = { ...own, Guid: '00010203-0405-0607-0706-050403020100', IntArray: [1, 2, 3], String: 'hello world' };
      same(await (await world.started()).invoke('SendComplexObject'), object);
    },
  },
  {
    name: 'receives a nested object with a decimal number, an enumeration, a list and null unchanged',
    async run(world) {
      // .NET writes decimal numbers and enumerations as text in MessagePack.
      const own = world.protocol === 'json' ? { Price: 12.5, Day: 3 } : { Price: '12.5', Day: 'Wednesday' };
      const order = { ...own, Address: { Street: 'Main Street', Number: 7 }, Note: null, Tags: ['a', 'b'] };
      same(await (await world.started()).invoke('EchoOrder', order), order);
    },
  },
  {
    name: 'receives null, false, 0 and empty values unchanged',
    async run(world) {
      const connection = await world.started();
      for (const value of [null, false, 0, '', [], {}, -1.5, 2 ** 40]) same(await connection.invoke('Echo', value), value);
    },
  },
  {
    name: 'receives the result of each of many concurrent calls',
    async run(world) {
      const connection = await world.started();
      const numbers = Array.from({ length: 100 }, (_none, at) => at);
      same(await Promise.all(numbers.map((number) => connection.invoke('Echo', number))), numbers);
    },
  },
  {
    name: 'sends and receives messages larger than one packet',
    async run(world) {
      const connection = await world.started();
      const text = 'ünïcödé '.repeat(2000);
      same(await connection.invoke('Echo', text), text);
    },
  },
  {
    name: 'receives a message of a megabyte',
    async run(world) {
      const text = String(await (await world.started()).invoke('LongText', 1_000_000));
      same([text.length, text.replaceAll('x', '')], [1_000_000, '']);
    },
  },
  {
    name: 'receives the results of 700 calls in flight',
    async run(world) {
      const connection = await world.started();
      const numbers = Array.from({ length: 700 }, (_none, at) => at);
      same(await Promise.all(numbers.map((number) => connection.invoke('Echo', number))), numbers);
    },
  },
  {
    name: 'receives 1,000 messages in their order',
    async run(world) {
      const connection = await world.started();
      const texts = Array.from({ length: 1000 }, (_none, at) => `message ${at}`);
      const received: unknown[] = [];
      const all = new Deferred();
      connection.on('Message', (text) => {
        if (received.push(text) === texts.length) all.resolve();
      });
      await Promise.all(texts.map((text) => connection.send('InvokeWithString', text)));
      await all.promise;
      same(received, texts);
    },
  },
  {
    name: 'rejects with the error of a filter of the server',
    async run(world) {
      const text = "An unexpected error occurred invoking 'Refused' on the server. HubException: refused by a filter";
      await rejects((await world.started()).invoke('Refused'), text);
    },
  },
  {
    name: 'rejects with the exception that the method threw',
    async run(world) {
      const connection = await world.started();
      const text = "An unexpected error occurred invoking 'ThrowException' on the server. InvalidOperationException: An error occurred.";
      await rejects(connection.invoke('ThrowException', 'An error occurred.'), text);
      same(await connection.invoke('Echo', 'still here'), 'still here');
    },
  },
  {
    name: 'rejects with the message of a HubException',
    async run(world) {
      const text = "An unexpected error occurred invoking 'ThrowHubException' on the server. HubException: for you";
      await rejects((await world.started()).invoke('ThrowHubException', 'for you'), text);
    },
  },
  {
    name: 'rejects calls of an unknown method',
    async run(world) {
      await rejects((await world.started()).invoke('NoSuchMethod'), "Unknown hub method 'NoSuchMethod'");
    },
  },
  {
    name: 'rejects if the result cannot be encoded',
    async run(world) {
      const connection = await world.started();
      await rejects(
        connection.invoke('GetUnserializableObject'),
        "An unexpected error occurred invoking 'GetUnserializableObject' on the server.",
      );
      same(await connection.invoke('Echo', 'still here'), 'still here');
    },
  },
  {
    name: 'receives an event in any case',
    async run(world) {
      const connection = await world.started();
      const inAnyCase: unknown[] = [];
      connection.on('mESSAGE', (text) => inAnyCase.push(text));
      const message = nextEvent(connection, 'Message'); // its receiver is called after the one above
      await connection.invoke('InvokeWithString', 'hello');
      await message;
      same(inAnyCase, ['hello']);
    },
  },
  {
    name: 'ignores an event without a handler',
    async run(world) {
      const connection = await world.started();
      await connection.invoke('CallHandlerThatDoesntExist');
      same(await connection.invoke('Echo', 'still here'), 'still here');
    },
  },
  {
    name: 'returns a result to the server',
    async run(world) {
      const connection = await world.started();
      connection.on('Result', () => 10);
      same(await world.get(`/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}`), '10');
    },
  },
  {
    name: 'returns null to the server',
    async run(world) {
      const connection = await world.started();
      connection.on('Result', () => null);
      same(await world.get(`/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}`), 'null');
    },
  },
  {
    name: 'returns an error to the server',
    async run(world) {
      const connection = await world.started();
      connection.on('Result', () => {
        throw new Error('from callback');
      });
      same(await world.get(`/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}`), 'Error: from callback');
    },
  },
  {
    name: 'returns a result to the server, which calls the method by its name',
    async run(world) {
      const connection = await world.started();
      connection.on('OtherResult', () => 11);
      same(await world.get(`/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}?method=OtherResult`), '11');
    },
  },
  {
    name: 'returns a result to the method that it has called',
    async run(world) {
      const connection = await world.started('/tunedhub');
      connection.on('Result', () => 10);
      same(await connection.invoke('AskCaller'), 10);
    },
  },
  {
    name: 'returns an error to the server from a handler without a result',
    async run(world) {
      const connection = await world.started();
      const called = new Deferred();
      connection.on('NoResult', () => called.resolve());
      const path = `/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}?method=NoResult`;
      same(await world.get(path), "Client didn't provide a result.");
      await called.promise;
    },
  },
  {
    name: 'returns an error to the server without a handler',
    async run(world) {
      const connection = await world.started();
      same(await world.get(`/clientresult/${String(await connection.invoke('GetCallerConnectionId'))}`), "Client didn't provide a result.");
    },
  },
];
