/** One node of a cluster: `node node.mjs <hubline | socket-io> <node id> <port of Redis>`. run.mjs starts it. */
import { handleRequests } from '../child.mjs';

const [kind, nodeId, port] = process.argv.slice(2);
const { start } = await import(`./${kind}.mjs`);
const node = await start({ nodeId, port: Number(port) });

handleRequests({
  port: () => node.port,

  /** Repeats a query, one at a time. The first failure ends it. */
  async repeat({ what, times }) {
    const ms = [];
    let value;
    for (let i = 0; i < times; i++) {
      const before = performance.now();
      try {
        value = await node[what]();
      } catch (error) {
        return { failed: error.message, afterMs: performance.now() - before };
      }
      ms.push(performance.now() - before);
    }
    return { ms, value };
  },
});
