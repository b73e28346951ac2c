/** One node of a cluster: `node node.mjs <hubline | socket-io> <node id> <port of Redis>`, started by run.mjs. */
import { answering } from '../ask.mjs';

const [kind, nodeId, port] = process.argv.slice(2);
const { start } = await import(`./${kind}.mjs`);
const node = await start({ nodeId, port: Number(port) });

answering({
  port: () => node.port,

  /** Asks the same again and again, one at a time. An answer that is too late or none ends it. */
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
