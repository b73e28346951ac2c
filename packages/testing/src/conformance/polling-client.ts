interface Message {
  readonly type?: number;
  readonly invocationId?: string;
  readonly arguments?: readonly unknown[];
}

const END = '\x1e';

/** A minimal hub client over long polling. It answers each invocation with `yes` and stores the arguments. */
export class PollingClient implements AsyncDisposable {
  readonly connectionId: string;
  readonly asked: unknown[] = [];
  readonly #url: string;
  readonly #stopping = new AbortController();

  private constructor(url: string, connectionId: string) {
    this.#url = url;
    this.connectionId = connectionId;
  }

  static async connect(url: string): Promise<PollingClient> {
    const negotiated = await fetch(`${url}/negotiate?negotiateVersion=1`, { method: 'POST' });
    const { connectionId, connectionToken } = (await negotiated.json()) as { connectionId: string; connectionToken: string };
    const client = new PollingClient(`${url}?id=${encodeURIComponent(connectionToken)}`, connectionId);
    await fetch(client.#url);
    await client.#send({ protocol: 'json', version: 1 });
    void client.#poll().catch(() => undefined); // the server or the test has ended the connection
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await fetch(this.#url, { method: 'DELETE' }).catch(() => undefined); // the server may have ended
  }

  async #poll(): Promise<void> {
    for (;;) {
      const answer = await fetch(this.#url, { signal: this.#stopping.signal });
      if (answer.status !== 200) return;
      const texts = (await answer.text()).split(END).filter((text) => text !== '');
      for (const { type, invocationId, arguments: [question] = [] } of texts.map((text) => JSON.parse(text) as Message)) {
        if (type !== 1) continue;
        this.asked.push(question);
        await this.#send({ type: 3, invocationId, result: 'yes' });
      }
    }
  }

  async #send(message: object): Promise<void> {
    await fetch(this.#url, { method: 'POST', body: JSON.stringify(message) + END });
  }
}
