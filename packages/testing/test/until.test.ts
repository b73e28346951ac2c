import { createServer } from 'node:net';
import { freePort, until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';

describe('until', () => {
  it('until returns the first truthy value of the condition', async () => {
    let looks = 0;
    await expect(until(() => (++looks === 3 ? 'there' : undefined), { intervalMs: 1 })).resolves.toBe('there');
    expect(looks).toBe(3);
  });

  it('until polls a condition again that throws or rejects', async () => {
    let looks = 0;
    const condition = async () => {
      if (++looks < 3) throw new Error('not yet');
      return looks;
    };
    await expect(until(condition, { intervalMs: 1 })).resolves.toBe(3);
  });

  it('until rejects after timeoutMs with the last error as its cause', async () => {
    const cause = new Error('never');
    const failing = until(
      () => {
        throw cause;
      },
      { timeoutMs: 20, intervalMs: 1 },
    );
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/^The condition is not true after 20 ms/) as string,
      cause,
    });
    await expect(until(() => false, { timeoutMs: 0 })).rejects.toThrow('The condition is not true after 0 ms');
  });
});

describe('freePort', () => {
  it('freePort returns a port on which a server can listen', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    expect(server.address()).toMatchObject({ port });
    await new Promise((resolve) => server.close(resolve));
  });
});
