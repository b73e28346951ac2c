/** Measurements of two servers with one Redis. The first one sends; *remote* receivers are at the other one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from '../clock.mjs';
import { CHANNEL } from '../servers/redis.mjs';
import { until } from '../until.mjs';
import { allArrived, settled } from './arrivals.mjs';

async function startNodes(sandbox, subject) {
  const redis = await sandbox.redis();
  const [local, remote] = await Promise.all(
    ['first', 'second'].map((nodeId) => sandbox.listening(subject, { redisPort: redis.port, nodeId })),
  );
  return { redis, local, remote };
}

/** Sends until every receiver has got a message: then the nodes are subscribed. */
async function connected(server, clients, names) {
  await until(
    async () => {
      const { first, sentAt } = await server.request('pace', { perSecond: 100, forMs: 50 });
      const counts = await Promise.all(names.map((name) => clients.request('arrived', { name, first, count: sentAt.length })));
      return counts.flat().every((count) => count > 0);
    },
    { what: 'A first arrival at each receiver' },
  );
}

/** The time from the publication to the arrival at a subscriber, without servers and their clients. */
async function bareRedis(sandbox, { perSecond, size: { pace } }) {
  const redis = await sandbox.redis();
  const clients = sandbox.clients();
  const { server } = await sandbox.listening('redis', { redisPort: redis.port });
  await clients.request('recordChannel', { name: 'remote', port: redis.port, channel: CHANNEL });
  await server.request('pace', { perSecond, forMs: pace.warmUpMs });
  const before = await server.request('cpuUs');
  const messages = await server.request('pace', { perSecond, forMs: pace.forMs });
  const cpuUs = (await server.request('cpuUs')) - before;
  await allArrived(clients, ['remote'], messages);
  const { p50Ms, p99Ms } = await clients.request('summary', { name: 'remote', ...messages });
  return { addedP50Ms: p50Ms, addedP99Ms: p99Ms, remoteP50Ms: p50Ms, remoteP99Ms: p99Ms, cpuUs: cpuUs / messages.sentAt.length };
}

export async function latency(sandbox, subject, row) {
  if (subject === 'redis') return bareRedis(sandbox, row);
  const { perSecond, receivers, size } = row;
  const { local, remote } = await startNodes(sandbox, subject);
  const clients = sandbox.clients();
  const names = ['local', 'remote'];
  await clients.request('record', { name: 'local', to: local.to, receivers });
  await clients.request('record', { name: 'remote', to: remote.to, receivers });
  await connected(local.server, clients, names);
  await local.server.request('pace', { perSecond, forMs: size.pace.warmUpMs });
  const cpuUs = async () => (await local.server.request('cpuUs')) + (await remote.server.request('cpuUs'));
  const before = await cpuUs();
  const messages = await local.server.request('pace', { perSecond, forMs: size.pace.forMs });
  const spent = (await cpuUs()) - before;
  await allArrived(clients, names, messages);
  const [near, far] = await Promise.all(names.map((name) => clients.request('summary', { name, ...messages })));
  return {
    ...(await clients.request('added', messages)),
    localP50Ms: near.p50Ms,
    localP99Ms: near.p99Ms,
    remoteP50Ms: far.p50Ms,
    remoteP99Ms: far.p99Ms,
    cpuUs: spent / messages.sentAt.length,
  };
}

/** Sends as fast as the one receiver, at the other node, confirms. */
export async function flood(sandbox, subject, { perTurn, size: { warmUp, measured } }) {
  const { redis, local, remote } = await startNodes(sandbox, subject);
  let delivered = 0;
  const clients = sandbox.clients((message) => {
    delivered = message.delivered;
    local.server.notify(message);
  });
  await clients.request('receive', { to: remote.to, receivers: 1, isLate: true });
  await until(() => local.server.request('pace', { perSecond: 100, forMs: 50 }).then(() => delivered > 0), { what: 'A first arrival' });
  await local.server.request('fanOut', { receivers: 1, perTurn, windowMessages: WINDOW, ...warmUp });
  const before = { remote: await remote.server.request('cpuUs'), redis: await redisCpuUs(redis) };
  const { count, cpuUs, ms } = await local.server.request('fanOut', { receivers: 1, perTurn, windowMessages: WINDOW, ...measured });
  const remoteCpuUs = (await remote.server.request('cpuUs')) - before.remote;
  return {
    perSecond: (count * 1000) / ms,
    cpuUs: (cpuUs + remoteCpuUs) / count,
    perCpuSecond: (count * 1e6) / (cpuUs + remoteCpuUs),
    sendingCpuUs: cpuUs / count,
    receivingCpuUs: remoteCpuUs / count,
    redisCpuUs: ((await redisCpuUs(redis)) - before.redis) / count,
  };
}

/** The messages that may be on their way: deliveries are reported every 10 ms, so this allows 400,000 a second. */
const WINDOW = 4000;

async function redisCpuUs(redis) {
  const info = String(await redis.call('INFO', 'cpu'));
  const seconds = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)[1]);
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6;
}

/** Kills Redis while the first node sends, and starts it again empty after `downMs`. Each node has one receiver. */
export async function outage(
  sandbox,
  subject,
  {
    perSecond,
    downMs,
    size: {
      outage: { beforeMs, afterMs, downShare },
    },
  },
) {
  const { redis, local, remote } = await startNodes(sandbox, subject);
  const clients = sandbox.clients();
  const names = ['local', 'remote'];
  await clients.request('record', { name: 'local', to: local.to, receivers: 1 });
  await clients.request('record', { name: 'remote', to: remote.to, receivers: 1 });
  await connected(local.server, clients, names);
  const lastsMs = downMs * downShare;
  const sending = local.server.request('pace', { perSecond, forMs: beforeMs + lastsMs + afterMs });
  await sleep(beforeMs);
  await redis.stop();
  const killedAt = nowMs();
  await sleep(lastsMs);
  await redis.start();
  const startedAt = nowMs();
  const messages = await sending;
  await settled(clients, 'remote', messages);
  const [near, far] = await Promise.all(names.map((name) => clients.request('summary', { name, ...messages })));
  return {
    downMs: startedAt - killedAt,
    sent: far.sent,
    remoteLost: far.lost,
    remoteDoubled: far.doubled,
    remoteReordered: far.reordered,
    remoteLatestMs: far.mostMs,
    localLost: near.lost,
    localLatestMs: near.mostMs,
    rejected: messages.rejected,
  };
}
