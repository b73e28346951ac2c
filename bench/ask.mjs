/** Questions and answers between run.mjs and the processes it starts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A delivery or a reply that never comes is waited for so long; then the run has failed. */
const PATIENCE_MS = 60_000;

export class Child {
  #name;
  #process;
  #asked = new Map();
  #nextId = 1;

  /** `heard` gets what the process says without being asked. */
  constructor(file, args, { execArgv = [], heard = () => undefined } = {}) {
    this.#name = [file, ...args].join(' ');
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv });
    this.#process.on('message', ({ id, answer, ...said }) => {
      if (id === undefined) return heard(said);
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      clearTimeout(asked.late);
      asked.resolve(answer);
    });
    this.#process.on('exit', (code, signal) => {
      for (const { reject, late } of this.#asked.values()) {
        clearTimeout(late);
        reject(new Error(`${this.#name} ended: ${signal ?? code}`));
      }
    });
  }

  ask(question, options = {}) {
    const id = this.#nextId++;
    this.#process.send({ id, question, options });
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.#name} did not answer '${question}': something was lost.`)), PATIENCE_MS);
      this.#asked.set(id, { resolve, reject, late });
    });
  }

  tell(said) {
    this.#process.send(said);
  }

  async stop() {
    if (this.#process.exitCode !== null) return;
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }
}

/** In the process: `questions` by name, and `told` for what is no question. A question that throws ends the process. */
export function answering(questions, told = () => undefined) {
  process.on('message', async ({ id, question, options, ...said }) => {
    if (id === undefined) return told(said);
    process.send({ id, answer: await questions[question](options) });
  });
  process.on('disconnect', () => process.exit());
}
