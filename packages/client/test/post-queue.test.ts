import { expect, it, vi } from 'vitest';
import { createPostQueue } from '../src/post-queue.ts';

/** Creates a queue whose POSTs the test answers. */
function createPosts() {
  const bodies: string[] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const failed = vi.fn();
  let open = 0;
  let most = 0;
  const post = async (body: Blob): Promise<void> => {
    most = Math.max(most, ++open);
    const answer = withResolvers();
    answers.push(answer);
    bodies.push(await body.text());
    await answer.promise.finally(() => open--);
  };
  const received = (count: number): Promise<void> => vi.waitFor(() => expect(bodies).toHaveLength(count));
  return { queue: createPostQueue(post, failed), bodies, answers, failed, received, most: () => most };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}
function withResolvers(): PromiseWithResolvers<void> {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
}

it('the queue posts all of one turn at once, and later messages after the answer', async () => {
  const { queue, bodies, answers, received, most } = createPosts();
  queue.send('a');
  queue.send('b');
  await received(1);
  queue.send('c');
  queue.send('ü');
  queue.send('d');
  expect(bodies).toEqual(['ab']);
  answers[0]?.resolve();
  await received(2);
  expect(bodies).toEqual(['ab', 'cüd']);
  answers[1]?.resolve();
  await queue.flushed();
  queue.send('e');
  await received(3);
  expect(bodies[2]).toBe('e');
  expect(most()).toBe(1);
});

it('the queue posts bytes, also after text', async () => {
  const bodies: number[][] = [];
  const queue = createPostQueue(async (body) => bodies.push([...new Uint8Array(await body.arrayBuffer())]), vi.fn());
  queue.send('a');
  queue.send(Uint8Array.of(0, 255, 128));
  await queue.flushed();
  expect(bodies).toEqual([[97, 0, 255, 128]]);
});

it('bufferedAmount counts what the server has not answered', async () => {
  const { queue, answers, received } = createPosts();
  queue.send('abc');
  await received(1);
  queue.send('de');
  expect(queue.bufferedAmount).toBe(5);
  answers[0]?.resolve();
  await received(2);
  expect(queue.bufferedAmount).toBe(2);
  answers[1]?.resolve();
  await queue.flushed();
  expect(queue.bufferedAmount).toBe(0);
});

it('a failed POST is reported once, later messages are not sent, and flushed resolves', async () => {
  const { queue, bodies, answers, failed, received } = createPosts();
  queue.send('a');
  await received(1);
  queue.send('b');
  const flushed = queue.flushed();
  answers[0]?.reject(new Error('Refused.'));
  await flushed;
  queue.send('c');
  await queue.flushed();
  expect(failed.mock.calls).toEqual([[new Error('Refused.')]]);
  expect(bodies).toEqual(['a']);
});

it('flushed resolves at once if nothing was sent', async () => {
  await createPosts().queue.flushed();
});
