/** Runs one measurement, with a new server process and a new client process. */
import { Child } from './child.mjs';

/** Returns numbers by name. `cpuUs` is the server's CPU time per delivery or call. */
export async function measure(scenario, kind, size) {
  const client = new Child('client.mjs', [], { notified: (message) => server.notify(message) });
  const server = new Child('server.mjs', [kind], { execArgv: scenario.measure === 'memory' ? ['--expose-gc'] : [] });
  const measured = async () =>
    MEASURES[scenario.measure]({ server, client, scenario, size, to: { kind, port: await server.request('port') } });
  try {
    return await Promise.race([measured(), client.died, server.died]);
  } finally {
    await Promise.all([client.stop(), server.stop()]);
  }
}

const MEASURES = {
  async fanOut({ server, client, scenario: { perTurn }, size: { receivers, warmUp, measured }, to }) {
    await client.request('receive', { ...to, receivers });
    await server.request('fanOut', { receivers, perTurn, ...warmUp });
    const { count, cpuUs, ms } = await server.request('fanOut', { receivers, perTurn, ...measured });
    return { cpuUs: cpuUs / count, perSecond: (count * 1000) / ms };
  },

  async calls({ server, client, scenario: { connections, window, raw }, size: { warmUp, measured }, to }) {
    await client.request('openCallers', { ...to, connections, window, raw });
    await client.request('call', warmUp);
    const before = await server.request('cpuUs');
    const { count, clientCpuUs, ms } = await client.request('call', measured);
    const cpuUs = (await server.request('cpuUs')) - before;
    return { cpuUs: cpuUs / count, clientCpuUs: clientCpuUs / count, perSecond: (count * 1000) / ms };
  },

  /** Measures the difference between two numbers of connections, which excludes the memory of the process itself. */
  async memory({ server, client, size: { idle }, to }) {
    const [few, many] = idle;
    await client.request('hold', { ...to, connections: few });
    const before = await server.request('memory');
    await client.request('hold', { ...to, connections: many - few });
    const after = await server.request('memory');
    const kiBEach = (name) => (after[name] - before[name]) / 1024 / (many - few);
    return { rssKiB: kiBEach('rss'), heapKiB: kiBEach('heap') };
  },
};
