/** Questions and answers between run.mjs and the processes it starts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A delivery or a reply that never comes is waited for so long; then the run has failed. */
const PATIENCE_MS = 60_000;

export class Child {
  /** Rejects when the process ends by itself. */
  died;
  #name;
  #process;
  #asked = new Map();
  #nextId = 1;

  /** `heard` gets what the process says without being asked. */
  constructor(file, args, { execArgv = [], heard = () => undefined } = {}) {
    this.#name = [file, ...args].join(' ');
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv });
    this.#process.on('message', ({ id, answer, ...said }) => (id === undefined ? heard(said) : this.#asked.get(id)(answer)));
    this.died = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`${this.#name} ended: ${signal ?? code}`);
    });
    this.died.catch(() => undefined); // also how it is stopped
  }

  get pid() {
    return this.#process.pid;
  }

  ask(question, options = {}) {
    const id = this.#nextId++;
    this.#process.send({ id, question, options });
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${this.#name} did not answer '${question}': something was lost.`)), PATIENCE_MS);
      this.#asked.set(id, (answer) => {
        clearTimeout(late);
        this.#asked.delete(id);
        resolve(answer);
      });
    });
  }

  tell(said) {
    if (this.#process.connected) this.#process.send(said); // what was under way when it was stopped
  }

  async stop() {
    if (this.#process.connected) this.#process.disconnect();
    await this.died.catch(() => undefined); // that it ends is what was asked for
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
