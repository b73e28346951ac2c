/**
 * `npx tsc -b packages/testing && node bench/lost-master.mjs`: measures the delay of messages while a master of a Redis Cluster is dead, on
 * its channels and on those of other masters. Two links of one process, 30 channels, one message per channel every 10 ms.
 */
import { redisBackplane } from '@hubline/redis';
import { startRedisCluster } from '@hubline/testing/cluster';
import { Buffer } from 'node:buffer';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as pause } from 'node:timers/promises';

const REPEATED = 3;
const NODE_TIMEOUT_MS = 5000;
const CHANNELS = Array.from({ length: 30 }, (_, i) => `chat:group:${i}`);
/** An empty directory: this program measures messages only. */
const EMPTY_DIRECTORY = { topics: () => [], connections: () => [], members: () => new Map(), record: () => undefined };

/** Returns the longest delay of a message, in ms. */
async function measure() {
  const servers = await startRedisCluster({ nodeTimeoutMs: NODE_TIMEOUT_MS });
  const outages = [];
  const open = (nodeId) =>
    redisBackplane(servers.url).open({ nodeId, process: nodeId, app: 'bench', accepts: false, startedAt: 0 }, EMPTY_DIRECTORY, {
      ...{ down: () => undefined, gap: () => undefined, joined: () => undefined, lost: () => undefined },
      up: ({ ms }) => outages.push(ms),
      report: (stage, error) => console.error(stage, error),
    });
  const links = [open('ann'), open('bob')];
  await Promise.all(links.map((link) => link.ready()));
  const latest = new Map();
  await Promise.all(
    CHANNELS.map((channel) => {
      const receive = (payload) =>
        latest.set(channel, Math.max(latest.get(channel) ?? 0, performance.now() - Number(Buffer.from(payload))));
      return links[1].bus.subscribe(channel, receive).ready;
    }),
  );
  const publishing = setInterval(() => {
    for (const channel of CHANNELS) void links[0].bus.publish(channel, Buffer.from(String(performance.now())), { mayWait: true });
  }, 10);
  await pause(1000);
  const [master] = await servers.masters();
  const owners = await Promise.all(CHANNELS.map((channel) => servers.masterOf(`hubline:{${channel}}`)));
  latest.clear();
  await master.stop();
  while (outages.length < links.length) await pause(100);
  await pause(2000);
  clearInterval(publishing);
  await Promise.all(links.map((link) => link.close()));
  await servers[Symbol.asyncDispose]();
  const ofThose = (isOnMaster) =>
    Math.max(...CHANNELS.filter((_, i) => (owners[i] === master) === isOnMaster).map((each) => latest.get(each)));
  return { 'on the other masters': Math.round(ofThose(false)), 'on the dead master': Math.round(ofThose(true)) };
}

console.log(`The longest delay of a message, ms, with cluster-node-timeout ${NODE_TIMEOUT_MS}; Node ${process.version}`);
for (let i = 0; i < REPEATED; i++) console.table([await measure()]);
