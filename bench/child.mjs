/** Starts processes of a benchmark, and exchanges requests and replies with them. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The time limit of a request. Without a reply the benchmark has failed. */
const TIME_LIMIT_MS = 60_000;

export class Child {
  /** Rejects when the process ends. */
  died;
  #name;
  #process;
  #pending = new Map();
  #nextId = 1;

  /** Starts the process. `notified` gets its messages that are no replies. */
  constructor(file, args, { execArgv = [], notified = () => undefined } = {}) {
    this.#name = [file, ...args].join(' ');
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv });
    this.#process.on('message', ({ id, reply, ...notification }) =>
      id === undefined ? notified(notification) : this.#pending.get(id)(reply),
    );
    this.died = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`${this.#name} ended: ${signal ?? code}`);
    });
    this.died.catch(() => undefined); // `stop` ends the process too
  }

  get pid() {
    return this.#process.pid;
  }

  request(name, options = {}) {
    const id = this.#nextId++;
    this.#process.send({ id, name, options });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} did not reply to '${name}' in time.`)), TIME_LIMIT_MS);
      this.#pending.set(id, (reply) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        resolve(reply);
      });
    });
  }

  notify(message) {
    if (this.#process.connected) this.#process.send(message); // it may be stopped already
  }

  async stop() {
    if (this.#process.connected) this.#process.disconnect();
    await this.died.catch(() => undefined); // the end of the process is what is awaited
  }
}

/** Runs in the child process: handles requests by name, and other messages with `notified`. A handler that throws ends the process. */
export function handleRequests(handlers, notified = () => undefined) {
  process.on('message', async ({ id, name, options, ...notification }) => {
    if (id === undefined) return notified(notification);
    process.send({ id, reply: await handlers[name](options) });
  });
  process.on('disconnect', () => process.exit());
}
