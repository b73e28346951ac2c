/**
 * `npx tsc -b packages/testing && node bench/backplane-cost.mjs`: measures the cost of each operation on one Redis and prints the table of
 * docs/scaling.md. Two nodes share one process. MONITOR counts commands, a proxy per node counts bytes, its clients count round trips.
 */
import { execFileSync } from 'node:child_process';
import { createHubConnection, defineHub } from '@hubline/client';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { startProxy, startRedis } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';

const REPEATED = 10;
const CROWD = 100;
/** An operation is over if nothing was sent for this time. */
const QUIET_MS = 100;
const contract = defineHub('cost');
const redis = await startRedis();
const monitor = await redis.monitor();
let trips = 0;

async function startNode(nodeId, heartbeatIntervalMs = 600_000) {
  const proxy = await startProxy(redis.url);
  const backplane = redisBackplane(proxy.url, {
    prefix: 'cost',
    heartbeatIntervalMs,
    nodeTimeoutMs: 10 * heartbeatIntervalMs,
    createClient: (_role, settings) => counted(new Redis(settings)),
  });
  const server = createHubServer({ nodeId, backplane, timeouts: { lingerMs: 20 } });
  const hub = server.hub(contract, {
    path: '/cost',
    attributes: { role: 'indexed', team: 'indexed' },
    authenticate: ({ url }) => ({ userId: url.searchParams.get('user'), attributes: { role: 'connection', team: 'red' } }),
    methods: { whoAmI: async (ctx) => ctx.connectionId },
  });
  const port = await server.listen(0, '127.0.0.1');
  return { server, hub, proxy, url: `http://127.0.0.1:${port}/cost` };
}

/** Counts the round trips of a client. Commands that are written together are one trip. */
function counted(client) {
  for (const name of ['pipeline', 'subscribe', 'unsubscribe', 'ping']) {
    const original = client[name].bind(client);
    client[name] = (...args) => {
      trips++;
      return original(...args);
    };
  }
  return client;
}

async function connect({ url }, user) {
  const receiver = { said: async () => undefined, confirm: async () => true };
  const connection = createHubConnection(contract, `${url}?user=${user}`, { reconnect: false, skipNegotiation: true, receiver });
  await connection.start();
  return { connection, id: await connection.invoke.whoAmI(), leave: () => connection.stop() };
}

const reading = (nodes) => ({
  commands: monitor.commands.length,
  trips,
  up: nodes.reduce((sum, { proxy }) => sum + proxy.bytesUp, 0),
  down: nodes.reduce((sum, { proxy }) => sum + proxy.bytesDown, 0),
});

async function quiet(nodes) {
  for (let last = ''; ;) {
    const now = JSON.stringify(reading(nodes));
    if (now === last) return;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

const rows = [];
const FIELDS = ['commands', 'trips', 'up', 'down'];
async function measure(name, operation, undo = () => undefined) {
  const sums = { commands: 0, trips: 0, up: 0, down: 0 };
  const names = [];
  for (let i = 0; i < REPEATED; i++) {
    await quiet(nodes);
    const before = reading(nodes);
    await operation();
    await quiet(nodes);
    const after = reading(nodes);
    for (const field of FIELDS) sums[field] += after[field] - before[field];
    names.push(...monitor.commands.slice(before.commands).map((command) => command.name));
    await undo();
  }
  rows.push({ name, ...Object.fromEntries(FIELDS.map((field) => [field, sums[field] / REPEATED])), sent: tally(names, REPEATED) });
}

function tally(names, times) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${round(count / times) === 1 ? '' : `${round(count / times)} `}${name}`).join(', ');
}
const round = (number) => (number >= 100 ? Math.round(number) : Number(number.toFixed(1)));

const [ann, bob] = [await startNode('ann'), await startNode('bob')];
const nodes = [ann, bob];
const a = await connect(ann, 'ann');
const b = await connect(bob, 'bob');
const c = await connect(ann, 'cat');
await Promise.all([ann.hub.groups.add(a.id, 'lobby'), bob.hub.groups.add(b.id, 'lobby')]);
const { clients, groups, presence } = ann.hub;
const TEXT = 'twenty bytes of text';

await measure('event to a group, a user or all', () => clients.group('lobby').send.said(TEXT).confirmed);
await measure('event to a connection of another node', () => clients.connection(b.id).send.said(TEXT).confirmed);
const join = (group) => () => groups.add(c.id, group);
const leave = (group) => () => groups.remove(c.id, group);
await measure('join a group that is new to the node', join('new'), leave('new'));
await join('new')();
await measure('leave it as its last member', leave('new'), join('new'));
await measure('join a group that the node is subscribed to', join('lobby'), leave('lobby'));
await measure('the same, by a remote command', () => bob.hub.groups.add(c.id, 'lobby'), leave('lobby'));
let visitor;
const connectVisitor = async () => (visitor = await connect(ann, 'visitor'));
await measure('connect, in four topics', connectVisitor, () => visitor.leave());
await connectVisitor();
await measure('disconnect', () => visitor.leave(), connectVisitor);

const crowd = await Promise.all(Array.from({ length: CROWD }, (_, i) => connect(bob, `crowd-${i}`)));
await Promise.all(crowd.map(({ id }) => bob.hub.groups.add(id, 'crowd')));
await measure('`count`', () => presence.count({ group: 'crowd' }));
await measure('`isOnline`', () => presence.isOnline('bob'));
await measure('`connections`, 100 ids', () => presence.connections({ group: 'crowd' }, { select: ['connectionId'] }));
await measure('`connections`, 100 with all fields', () => presence.connections({ group: 'crowd' }));
await measure('`users`, 100', () => presence.users({ limit: CROWD }));
await measure('`groupsOf`', () => presence.groupsOf(b.id));
await Promise.all(crowd.map((each) => each.leave()));

await measure('`invoke`, a connection of another node', () => clients.connection(b.id).invoke.confirm(TEXT));
await measure('`invokeAll`, one client on each of two nodes', () => clients.group('lobby').invokeAll.confirm(TEXT));
await measure('`disconnect`, acknowledged by two nodes', () => ann.hub.disconnect({ user: 'nobody' }));
let stop;
async function watch() {
  const events = presence.watch({ group: 'lobby' });
  await events.next();
  stop = () => events.return();
}
await measure('`watch`, until its snapshot', watch, () => stop());
await watch();
await measure('end of a watch', () => stop(), watch);
await measure(
  'leave, while another node watches',
  () => bob.hub.groups.remove(b.id, 'lobby'),
  () => bob.hub.groups.add(b.id, 'lobby'),
);
await stop();

await Promise.all([a, b, c, visitor].map((each) => each.leave()));
await Promise.all(nodes.map(({ server }) => server.close()));

/** Without operations all traffic is heartbeats. Each heartbeat has one PING, which is counted. */
const HEARTBEATS = 20;
for (const count of [2, 8]) {
  const beating = await Promise.all(Array.from({ length: count }, (_, i) => startNode(`node-${i}`, 250)));
  const pings = () => monitor.commands.filter(({ name }) => name === 'PING').length;
  const until = async (enough) => {
    while (pings() < enough) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await until(pings() + 8 * count); // by then all nodes know each other
  const [before, from] = [reading(beating), pings()];
  await until(from + HEARTBEATS * count);
  const [after, heartbeats] = [reading(beating), pings() - from];
  const sent = tally(
    monitor.commands.slice(before.commands, after.commands).map((command) => command.name),
    heartbeats,
  );
  const each = Object.fromEntries(FIELDS.map((field) => [field, (after[field] - before[field]) / heartbeats]));
  rows.push({ name: `heartbeat of one of ${count} nodes`, ...each, sent });
  await Promise.all(beating.map(({ server }) => server.close()));
  for (const { proxy } of beating) await proxy[Symbol.asyncDispose]();
}

const version = String(await redis.call('INFO', 'server')).match(/redis_version:(\S+)/)?.[1];
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
console.log(`Node ${process.version}, Redis ${version}, ioredis 6.0.0, ${new Date().toISOString().slice(0, 10)}, ${commit}\n`);
console.log('| operation | commands | trips | bytes to Redis | bytes from Redis | commands sent |\n|---|---|---|---|---|---|');
for (const { name, commands, trips: all, up, down, sent } of rows) {
  console.log(`| ${name} | ${round(commands)} | ${round(all)} | ${Math.round(up)} | ${Math.round(down)} | ${sent} |`);
}
monitor[Symbol.dispose]();
for (const { proxy } of nodes) await proxy[Symbol.asyncDispose]();
await redis[Symbol.asyncDispose]();
