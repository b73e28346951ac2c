/**
 * `node floods.mjs [--seconds 5]`: measures the latency of a client's calls during each kind of flood, and the memory that the flood costs
 * the server. See README.md.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { startNode } from './child.mjs';
import { FLOODS } from './floods/kinds.mjs';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' }, only: { type: 'string', default: '' } } });
const forMs = Number(values.seconds) * 1000;
/** The pause between two calls of the measured client. */
const EVERY_MS = 5;
const END = '\x1e';
const call = (id) => JSON.stringify({ type: 1, invocationId: `${id}`, target: 'echo', arguments: [id] });

console.log('| beside | calls | p50 ms | p99 ms | max ms | peak heap MiB |\n|---|---|---|---|---|---|');
for (const kind of Object.keys(FLOODS).filter((name) => name.includes(values.only))) console.log(`| ${kind} | ${await row(kind)} |`);

async function row(kind) {
  const server = startNode('floods/server.mjs', [], { execArgv: ['--max-old-space-size=1024'] });
  const flooder = startNode('floods/flooder.mjs', []);
  try {
    const port = await Promise.race([server.request('port'), server.died]);
    const times = await Promise.race([callsBeside(port, () => flooder.request('flood', { kind, port })), server.died]);
    const heapMiB = await Promise.race([server.request('peakMiB'), server.died]);
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1);
    return [times.length, at(0.5), at(0.99), at(1), heapMiB].join(' | ');
  } catch (error) {
    return `the server died: ${error.message}`;
  } finally {
    await Promise.all([server.stop(), flooder.stop()]);
  }
}

/** Returns the duration of each call, in milliseconds. */
async function callsBeside(port, flood) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/flood`);
  socket.on('error', () => undefined);
  let answered = () => undefined;
  socket.on('message', () => answered());
  const ask = (text) =>
    new Promise((resolve) => {
      answered = resolve;
      socket.send(text + END);
    });
  await new Promise((resolve) => socket.once('open', resolve));
  await ask('{"protocol":"json","version":1}');
  for (let i = 0; i < 200; i++) await ask(call(i)); // warm-up
  void flood();
  const times = [];
  const until = performance.now() + forMs;
  for (let i = 0; performance.now() < until; i++) {
    const startedAt = performance.now();
    await ask(call(i));
    times.push(performance.now() - startedAt);
    await pause(EVERY_MS);
  }
  socket.terminate();
  return times;
}
