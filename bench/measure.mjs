/** One measurement: a fresh server and a fresh client process, each kind of scenario in its own way. */
import { Child } from './ask.mjs';

/** Returns numbers by name; `cpuUs` is the server's, for each delivery or call. */
export async function measure(scenario, kind, size) {
  const client = new Child('client.mjs', [], { heard: (said) => server.tell(said) });
  const server = new Child('server.mjs', [kind], { execArgv: scenario.measure === 'memory' ? ['--expose-gc'] : [] });
  const measured = async () => MEASURES[scenario.measure]({ server, client, scenario, size, to: { kind, port: await server.ask('port') } });
  try {
    return await Promise.race([measured(), client.died, server.died]);
  } finally {
    await Promise.all([client.stop(), server.stop()]);
  }
}

const MEASURES = {
  async fanOut({ server, client, scenario: { perTurn }, size: { receivers, warmUp, measured }, to }) {
    await client.ask('receive', { ...to, receivers });
    await server.ask('fanOut', { receivers, perTurn, ...warmUp });
    const { count, cpuUs, ms } = await server.ask('fanOut', { receivers, perTurn, ...measured });
    return { cpuUs: cpuUs / count, perSecond: (count * 1000) / ms };
  },

  async calls({ server, client, scenario: { connections, window, raw }, size: { warmUp, measured }, to }) {
    await client.ask('openCallers', { ...to, connections, window, raw });
    await client.ask('call', warmUp);
    const before = await server.ask('cpuUs');
    const { count, clientCpuUs, ms } = await client.ask('call', measured);
    const cpuUs = (await server.ask('cpuUs')) - before;
    return { cpuUs: cpuUs / count, clientCpuUs: clientCpuUs / count, perSecond: (count * 1000) / ms };
  },

  /** Between two numbers of connections, so that what the process needs without any does not count. */
  async memory({ server, client, size: { idle }, to }) {
    const [few, many] = idle;
    await client.ask('hold', { ...to, connections: few });
    const before = await server.ask('memory');
    await client.ask('hold', { ...to, connections: many - few });
    const after = await server.ask('memory');
    const kiBEach = (name) => (after[name] - before[name]) / 1024 / (many - few);
    return { rssKiB: kiBEach('rss'), heapKiB: kiBEach('heap') };
  },
};
