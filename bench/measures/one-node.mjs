/** Measurements of one server. Each returns numbers by name; `cpuUs` is the server's CPU time per delivery, call or handshake. */
import { nowMs } from '../clock.mjs';
import { quantile } from '../numbers.mjs';
import { EACH, membersOf } from '../groups.mjs';
import { until } from '../until.mjs';
import { allArrived } from './arrivals.mjs';

export async function fanOut(sandbox, subject, { perTurn, size: { receivers, warmUp, measured } }) {
  const clients = sandbox.clients((message) => server.notify(message));
  const { server, to } = await sandbox.listening(subject);
  await clients.request('receive', { to, receivers });
  await server.request('fanOut', { receivers, perTurn, ...warmUp });
  const { count, cpuUs, ms } = await server.request('fanOut', { receivers, perTurn, ...measured });
  return { cpuUs: cpuUs / count, perSecond: (count * 1000) / ms, perCpuSecond: (count * 1e6) / cpuUs };
}

/** Sends each message to one of 1,000 groups. */
export async function groups(sandbox, subject, { perTurn, size: { receivers, warmUp, measured } }) {
  const clients = sandbox.clients((message) => server.notify(message));
  const { server, to } = await sandbox.listening(subject);
  await clients.request('receive', { to: { ...to, hub: 'groups' }, receivers });
  await until(async () => (await server.request('joined')) === receivers * EACH, { what: 'The joins of all groups' });
  const options = { receivers: membersOf(receivers), perTurn, isGrouped: true };
  await server.request('fanOut', { ...options, ...warmUp });
  const { count, cpuUs, ms } = await server.request('fanOut', { ...options, ...measured });
  return { cpuUs: cpuUs / count, perSecond: (count * 1000) / ms, perCpuSecond: (count * 1e6) / cpuUs };
}

/** Broadcasts at a steady rate, and measures the time from the send to each receiver. */
export async function paced(sandbox, subject, { perSecond, size: { receivers, pace } }) {
  const clients = sandbox.clients();
  const { server, to } = await sandbox.listening(subject);
  await clients.request('record', { name: 'all', to, receivers });
  await server.request('pace', { perSecond, forMs: pace.warmUpMs });
  const before = await server.request('cpuUs');
  const messages = await server.request('pace', { perSecond, forMs: pace.forMs });
  const cpuUs = (await server.request('cpuUs')) - before;
  await allArrived(clients, ['all'], messages);
  const { sent, p50Ms, p99Ms } = await clients.request('summary', { name: 'all', ...messages });
  return { cpuUs: cpuUs / sent, p50Ms, p99Ms, perCpuSecond: (sent * 1e6) / cpuUs };
}

export async function calls(sandbox, subject, { connections, window, raw, size: { warmUp, measured } }) {
  const clients = sandbox.clients();
  const { server, to } = await sandbox.listening(subject);
  await clients.request('openCallers', { to, connections, window, raw });
  await clients.request('call', warmUp);
  const before = await server.request('cpuUs');
  const { count, clientCpuUs, ms, p50Ms, p99Ms } = await clients.request('call', measured);
  const cpuUs = (await server.request('cpuUs')) - before;
  return {
    perSecond: (count * 1000) / ms,
    p50Ms,
    p99Ms,
    cpuUs: cpuUs / count,
    clientCpuUs: clientCpuUs / count,
    perCpuSecond: (count * 1e6) / cpuUs,
  };
}

export async function handshakes(
  sandbox,
  subject,
  {
    isMember,
    size: {
      handshakes: { warmUp, measured },
    },
  },
) {
  const clients = sandbox.clients();
  const { server, to } = await sandbox.listening(subject);
  await clients.request('hold', { to, connections: warmUp, isMember });
  const before = await server.request('cpuUs');
  const { ms, p99Ms } = await clients.request('hold', { to, connections: measured, isMember });
  const cpuUs = (await server.request('cpuUs')) - before;
  return { cpuUs: cpuUs / measured, perSecond: (measured * 1000) / ms, p99Ms, perCpuSecond: (measured * 1e6) / cpuUs };
}

/** Measures the difference between two numbers of connections, which excludes the memory of the process itself. */
export async function memory(
  sandbox,
  subject,
  {
    isMember,
    size: {
      idle: [few, many],
    },
  },
) {
  const clients = sandbox.clients();
  const { server, to } = await sandbox.listening(subject, { exposeGc: true });
  await clients.request('hold', { to, connections: few, isMember });
  const before = await server.request('memory');
  await clients.request('hold', { to, connections: many - few, isMember });
  const after = await server.request('memory');
  const kiBEach = (name) => (after[name] - before[name]) / 1024 / (many - few);
  return { heapKiB: kiBEach('heap'), rssKiB: kiBEach('rss') };
}

/** A server sends prepared frames of sixteen events to one client, as fast as it reads them. */
export async function receive(sandbox, subject, { size: { warmUp, measured } }) {
  const clients = sandbox.clients();
  const { to } = await sandbox.listening('prepared');
  const { count, ms, clientCpuUs } = await clients.request('readEvents', {
    to: { ...sandbox.address(subject), port: to.port },
    warmUpMs: warmUp.forMs,
    forMs: measured.forMs,
  });
  return { perSecond: (count * 1000) / ms, clientCpuUs: clientCpuUs / count };
}

/** A server ends in its usual way, and a new process takes its port. The clients have their library's default options. */
export async function restart(sandbox, subject, { size: { returning: connections } }) {
  const clients = sandbox.clients();
  const { server, to } = await sandbox.listening(subject);
  const next = sandbox.server(subject);
  await clients.request('openReturning', { to, connections });
  await clients.request('leave');
  const leftAt = nowMs();
  await server.request('close');
  await server.stop();
  const closedMs = nowMs() - leftAt;
  await next.request('listen', { port: to.port });
  const { backAt, callMs } = await clients.request('back');
  return { lastBackMs: Math.max(...backAt) - leftAt, p50BackMs: quantile(backAt, 0.5) - leftAt, p99Ms: quantile(callMs, 0.99), closedMs };
}
