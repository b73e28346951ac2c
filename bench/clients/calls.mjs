/** Makes calls with a client library. */
import { payload } from '../payload.mjs';
import { fail } from './raw.mjs';

export async function openCaller({ to, window, place }) {
  const { connect } = await import(`./${to.client}.mjs`);
  const { call } = await connect(to.port);
  let number = place * 1_000_000;
  return {
    async run(over, took) {
      let running = true;
      void over.then(() => (running = false));
      const keepOneOpen = async () => {
        while (running) {
          const value = payload(number++);
          const startedAt = performance.now();
          const echoed = await call(value);
          if (echoed.seq !== value.seq || echoed.text !== value.text) fail(`${value.seq} came back as ${echoed.seq}`);
          took(performance.now() - startedAt);
        }
      };
      await Promise.all(Array.from({ length: window }, keepOneOpen));
    },
  };
}
