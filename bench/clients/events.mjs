/** Receives events with a client library, as fast as the server of prepared frames can send them. */
import { payload } from '../payload.mjs';
import { CYCLE } from '../servers/prepared.mjs';
import { fail } from './raw.mjs';

/** Returns the number of events and the CPU time of this process, over `forMs` after a warm-up of `warmUpMs`. */
export async function readEvents({ to, warmUpMs, forMs }) {
  const { connect } = await import(`./${to.client}.mjs`);
  const base = payload(0).seq;
  let count = 0;
  const received = ({ seq }) => {
    if (seq !== base + (count % CYCLE)) fail(`Event ${seq - base} arrived instead of ${count % CYCLE}.`);
    count++;
  };
  const { ready } = await connect(to.port, { received });
  await ready();
  await new Promise((resolve) => setTimeout(resolve, warmUpMs));
  const before = { count, atMs: performance.now(), cpu: process.cpuUsage() };
  await new Promise((resolve) => setTimeout(resolve, forMs));
  const { user, system } = process.cpuUsage(before.cpu);
  return { count: count - before.count, ms: performance.now() - before.atMs, clientCpuUs: user + system };
}
