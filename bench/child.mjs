/** Starts processes of a benchmark, and exchanges requests and replies with them. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The time limit of a request. Without a reply the benchmark has failed. */
const TIME_LIMIT_MS = 120_000;

/** Starts a program of this folder in Node. `notified` gets its messages that are no replies. */
export function startNode(file, args, { execArgv = [], notified } = {}) {
  const started = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv });
  const link = {
    send: (message) => started.connected && started.send(message), // it may be stopped already
    end: () => started.connected && started.disconnect(),
  };
  const child = new Child(started, link, { name: [file, ...args].join(' '), notified });
  started.on('message', (message) => child.receive(message));
  return child;
}

/** Starts a program that reads requests from its standard input and writes replies to its standard output, one JSON object a line. */
export function startProgram(command, args, { env = {} } = {}) {
  const started = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  const link = {
    send: (message) => started.stdin.writable && started.stdin.write(`${JSON.stringify(message)}\n`),
    end: () => started.stdin.end(),
  };
  started.stdin.on('error', () => undefined); // the end of the process is reported by `died`
  const child = new Child(started, link, { name: [command, ...args].join(' ') });
  createInterface({ input: started.stdout }).on('line', (line) => child.receive(JSON.parse(line)));
  return child;
}

class Child {
  /** Rejects when the process ends without `stop`. */
  died;
  #name;
  #process;
  #link;
  #notified;
  #ended;
  #isStopped = false;
  #pending = new Map();
  #nextId = 1;

  constructor(started, link, { name, notified = () => undefined }) {
    this.#name = name;
    this.#process = started;
    this.#link = link;
    this.#notified = notified;
    this.#ended = once(started, 'exit');
    this.died = this.#ended.then(([code, signal]) => {
      if (!this.#isStopped) throw new Error(`${name} ended: ${signal ?? code}`);
      return new Promise(() => undefined);
    });
    this.died.catch(() => undefined); // each wait for a result is raced with `died`
  }

  get pid() {
    return this.#process.pid;
  }

  receive({ id, reply, ...notification }) {
    if (id === undefined) this.#notified(notification);
    else this.#pending.get(id)(reply);
  }

  request(name, options = {}) {
    const id = this.#nextId++;
    this.#link.send({ id, name, options });
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
    this.#link.send(message);
  }

  /** Ends the process, if necessary with SIGKILL after two seconds. */
  async stop() {
    this.#isStopped = true;
    this.#link.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 2000);
    await this.#ended;
    clearTimeout(timer);
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
