/**
 * `npm run bench:cluster -w @hubline/bench [-- --repetitions 3]`: measures queries of all connections on four nodes with 250 connections
 * each and one Redis, beside Socket.IO with its Redis adapter. See ../README.md.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { startProxy, startRedis } from '@hubline/testing/cluster';
import { programs } from '../../scripts/programs.mjs';
import { Child } from '../child.mjs';
import { median } from '../report.mjs';

const NODES = 4;
const EACH = 250;
const LABELS = { hubline: 'Hubline', 'socket-io': 'Socket.IO, Redis adapter' };

const { values } = parseArgs({ options: { repetitions: { type: 'string', default: '3' }, times: { type: 'string', default: '100' } } });
const times = Number(values.times);
const { 'redis-server': program } = await programs(['redis-server']);

const results = Object.fromEntries(Object.keys(LABELS).map((kind) => [kind, []]));
for (let repetition = 0; repetition < Number(values.repetitions); repetition++) {
  for (const kind of Object.keys(LABELS)) results[kind].push(await measure(kind));
}

console.log(
  `${new Date().toISOString().slice(0, 16)} · Node ${process.version} · ${availableParallelism()} cores · ${NODES} nodes, ${EACH} connections each\n`,
);
const COLUMNS = {
  'list of all ids: p50 ms': ({ list }) => quantile(list.ms, 0.5),
  'p99 ms': ({ list }) => quantile(list.ms, 0.99),
  'bytes a connection, at the querying node': ({ bytes }) => bytes,
  'out of Redis': ({ outOfRedis }) => outOfRedis,
  'count: p50 ms': ({ count }) => quantile(count.ms, 0.5),
  'count: p99 ms': ({ count }) => quantile(count.ms, 0.99),
};
console.log(`| | ${Object.keys(COLUMNS).join(' | ')} | one node frozen: list |`);
console.log(`|${'---|'.repeat(Object.keys(COLUMNS).length + 2)}`);
for (const [kind, label] of Object.entries(LABELS)) {
  const cells = Object.values(COLUMNS).map((of) => spread(results[kind].map(of)));
  const [{ frozen }] = results[kind];
  const last = frozen.failed ? `fails: ${frozen.failed}` : `${spread(results[kind].map((each) => quantile(each.frozen.ms, 0.5)))} ms`;
  console.log(`| ${[label, ...cells, last].join(' | ')} |`);
}

async function measure(kind) {
  const redis = await startRedis({ program });
  const link = await startProxy(redis.url);
  const children = [];
  try {
    const nodes = Array.from({ length: NODES }, (_, i) => {
      const child = new Child('cluster/node.mjs', [kind, `node-${i + 1}`, String(i === 0 ? link.port : redis.port)]);
      children.push(child);
      return child;
    });
    const clients = new Child('client.mjs', []);
    children.push(clients);
    for (const node of nodes) await clients.request('hold', { kind, port: await node.request('port'), connections: EACH });
    const [asker] = nodes;
    const all = NODES * EACH;
    const warm = await asker.request('repeat', { what: 'list', times: 20 });
    if (warm.value !== all) throw new Error(`${kind} lists ${warm.value} of ${all}: ${warm.failed ?? ''}`);

    const bytesBefore = link.bytesUp + link.bytesDown;
    const outBefore = Number(await redis.info('total_net_output_bytes'));
    const list = await asker.request('repeat', { what: 'list', times });
    const bytes = (link.bytesUp + link.bytesDown - bytesBefore) / times / all;
    const outOfRedis = (Number(await redis.info('total_net_output_bytes')) - outBefore) / times / all;
    const count = await asker.request('repeat', { what: 'count', times });
    if (count.value !== all) throw new Error(`${kind} counts ${count.value} of ${all}.`);

    process.kill(nodes[NODES - 1].pid, 'SIGSTOP');
    const frozen = await asker.request('repeat', { what: 'list', times: 10 });
    process.kill(nodes[NODES - 1].pid, 'SIGCONT');
    return { list, bytes, outOfRedis, count, frozen };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    await link[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  }
}

function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function spread(numbers) {
  const text = (number) => number.toFixed(number < 100 ? 1 : 0);
  return `${text(median(numbers))} (${text(Math.min(...numbers))}–${text(Math.max(...numbers))})`;
}
