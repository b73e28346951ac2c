/** Calls by the client that belongs to the server. */
import { payload } from '../payload.mjs';
import { fail } from './raw.mjs';

export async function openCaller({ kind, port, window }) {
  const { connect } = await import(`./${kind}.mjs`);
  const call = await connect(port);
  let number = 0;
  return {
    async run(over) {
      let running = true;
      let answered = 0;
      void over.then(() => (running = false));
      const keepOneOpen = async () => {
        while (running) {
          const value = payload(number++);
          const echoed = await call(value);
          if (echoed.seq !== value.seq || echoed.text !== value.text) fail(`${value.seq} came back as ${echoed.seq}`);
          answered++;
        }
      };
      await Promise.all(Array.from({ length: window }, keepOneOpen));
      return answered;
    },
  };
}
