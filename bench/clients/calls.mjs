/** Makes calls with the server's own client library. */
import { payload } from '../payload.mjs';
import { fail } from './raw.mjs';

export async function openCaller({ kind, port, window, place }) {
  const { connect } = await import(`./${kind}.mjs`);
  const call = await connect(port);
  let number = place * 1_000_000;
  return {
    async run(over, count) {
      let running = true;
      void over.then(() => (running = false));
      const keepOneOpen = async () => {
        while (running) {
          const value = payload(number++);
          const echoed = await call(value);
          if (echoed.seq !== value.seq || echoed.text !== value.text) fail(`${value.seq} came back as ${echoed.seq}`);
          count(1);
        }
      };
      await Promise.all(Array.from({ length: window }, keepOneOpen));
    },
  };
}
