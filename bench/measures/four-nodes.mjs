/** Queries and calls on four servers with one Redis, asked at the first one. */
import { nowMs } from '../clock.mjs';
import { quantile } from '../numbers.mjs';
import { until } from '../until.mjs';

const NODES = 4;

/** `what` is a function of servers/*.mjs that returns the number of connections, which is checked. */
export async function query(sandbox, subject, { what, isFrozen = false, size: { perNode, times } }) {
  const redis = await sandbox.redis();
  const link = await sandbox.proxy(redis.url);
  const clients = sandbox.clients();
  const nodes = await Promise.all(
    Array.from({ length: NODES }, (_, i) =>
      sandbox.listening(subject, { redisPort: i === 0 ? link.port : redis.port, nodeId: `node-${i + 1}` }),
    ),
  );
  for (const { to } of nodes) await clients.request('hold', { to, connections: perNode, isMember: true });
  const [{ server: asker }] = nodes;
  const expected = NODES * perNode;
  const ask = async (count) => {
    const { ms, failed } = await asker.request('repeat', { what, times: count, expected });
    if (failed !== undefined) throw new Error(`${subject}, ${what}: ${failed}`);
    return ms;
  };
  await until(async () => (await asker.request('repeat', { what, times: 1, expected })).failed === undefined, { what: `${what} of all` });
  await ask(Math.ceil(times / 5));
  if (isFrozen) return frozen(asker, nodes[NODES - 1].server.pid, { what, expected });

  const bytesBefore = link.bytesUp + link.bytesDown;
  const outBefore = await redis.info('total_net_output_bytes');
  const cpuBefore = await asker.request('cpuUs');
  const ms = await ask(times);
  const each = times * expected;
  return {
    p50Ms: quantile(ms, 0.5),
    p99Ms: quantile(ms, 0.99),
    bytes: (link.bytesUp + link.bytesDown - bytesBefore) / each,
    redisBytes: ((await redis.info('total_net_output_bytes')) - outBefore) / each,
    cpuUs: ((await asker.request('cpuUs')) - cpuBefore) / each,
  };
}

/** The duration of one query, answered or failed, while the last node does not run. */
async function frozen(asker, pid, { what, expected }) {
  process.kill(pid, 'SIGSTOP');
  const startedAt = nowMs();
  const { failed } = await asker.request('repeat', { what, times: 1, expected });
  const tookMs = nowMs() - startedAt;
  process.kill(pid, 'SIGCONT');
  return { failures: failed === undefined ? 0 : 1, tookMs };
}
