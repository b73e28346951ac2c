import { createServer } from 'node:net';
import { freePort, until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';

describe('until', () => {
  it('gives the value of the condition as soon as there is one', async () => {
    let looks = 0;
    await expect(until(() => (++looks === 3 ? 'there' : undefined), { intervalMs: 1 })).resolves.toBe('there');
    expect(looks).toBe(3);
  });

  it('takes a condition that throws or rejects for one that is not true yet', async () => {
    let looks = 0;
    const condition = async () => {
      if (++looks < 3) throw new Error('not yet');
      return looks;
    };
    await expect(until(condition, { intervalMs: 1 })).resolves.toBe(3);
  });

  it('gives up when the time is over, with the last error as the cause', async () => {
    const cause = new Error('never');
    const failing = until(
      () => {
        throw cause;
      },
      { timeoutMs: 20, intervalMs: 1 },
    );
    await expect(failing).rejects.toMatchObject({ message: expect.stringMatching(/^Not so within 20 ms/) as string, cause });
    await expect(until(() => false, { timeoutMs: 0 })).rejects.toThrow('Not so within 0 ms');
  });
});

describe('freePort', () => {
  it('gives a port that can be listened on', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    expect(server.address()).toMatchObject({ port });
    await new Promise((resolve) => server.close(resolve));
  });
});
