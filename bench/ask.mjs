/** Questions and answers between run.mjs and the processes it starts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class Child {
  #process;
  #asked = new Map();
  #nextId = 1;

  /** `heard` gets what the process says without being asked. */
  constructor(file, args, { execArgv = [], heard = () => undefined } = {}) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv });
    this.#process.on('message', ({ id, answer, ...said }) => {
      if (id === undefined) return heard(said);
      this.#asked.get(id).resolve(answer);
      this.#asked.delete(id);
    });
    this.#process.on('exit', (code, signal) => {
      for (const { reject } of this.#asked.values()) reject(new Error(`${file} ${args.join(' ')} ended: ${signal ?? code}`));
    });
  }

  ask(question, options = {}) {
    const id = this.#nextId++;
    this.#process.send({ id, question, options });
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
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
