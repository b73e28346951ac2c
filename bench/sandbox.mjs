/** The processes of one measurement. Their end ends the measurement. */
import { startProxy, startRedis } from '@hubline/testing/cluster';
import { startNode } from './child.mjs';
import { startDotnet } from './dotnet.mjs';
import { SUBJECTS } from './subjects.mjs';

export class Sandbox {
  #children = [];
  #resources = [];

  /** Runs a measurement with a new sandbox, and stops its processes. */
  static async run(measure) {
    const sandbox = new Sandbox();
    try {
      return await new Promise((resolve, reject) => {
        sandbox.failed = reject;
        measure(sandbox).then(resolve, reject);
      });
    } finally {
      await sandbox.#close();
    }
  }

  /** Starts a server process. It listens only after {@link listen}. */
  server(subject, { exposeGc = false, ...options } = {}) {
    const { server, isServerGc } = SUBJECTS[subject];
    if (server === 'dotnet') return this.#add(startDotnet({ ...options, isServerGc }));
    return this.#add(startNode('server.mjs', [server, JSON.stringify(options)], { execArgv: exposeGc ? ['--expose-gc'] : [] }));
  }

  /** Starts a server process and returns it with its port. */
  async listening(subject, options) {
    const server = this.server(subject, options);
    const { port, version } = await server.request('listen');
    const { isServerGc } = SUBJECTS[subject];
    if (isServerGc !== undefined && version.endsWith('server GC') !== isServerGc) throw new Error(`${subject} runs with ${version}.`);
    return { server, to: { ...this.address(subject), port } };
  }

  /** The data of a server that a client process needs, except the port. */
  address(subject) {
    const { client, wire } = SUBJECTS[subject];
    return { client, wire };
  }

  /** Starts a process of clients. `notified` gets the numbers of deliveries. */
  clients(notified) {
    return this.#add(startNode('client.mjs', [], { notified }));
  }

  async redis() {
    return this.#addResource(await startRedis());
  }

  /** Starts a proxy, which counts bytes. */
  async proxy(url) {
    return this.#addResource(await startProxy(url));
  }

  #add(child) {
    this.#children.push(child);
    child.died.catch((error) => this.failed(error));
    return child;
  }

  #addResource(resource) {
    this.#resources.unshift(resource);
    return resource;
  }

  async #close() {
    await Promise.all(this.#children.map((child) => child.stop()));
    for (const resource of this.#resources) await resource[Symbol.asyncDispose]();
  }
}
