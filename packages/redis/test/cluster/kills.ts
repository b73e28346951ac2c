import type { Link, LinkObserver, NodeInfo } from '@hubline/server/backplane';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { LocalDouble } from '@hubline/testing/conformance';
import { until } from '@hubline/testing';

/** What became of all messages of one policy, over all (message, receiver) pairs. */
export interface Tally {
  pairs: number;
  /** Not confirmed to their senders. */
  refused: number;
  /** Confirmed, and missing at a receiver. */
  lost: number;
  /** Counted in gaps of the receivers. */
  told: number;
  /** Gaps without a number. */
  unsized: number;
  doubled: number;
  reordered: number;
  /** How often a link was down. */
  downs: number;
  /** How often a node was lost. */
  losses: number;
}

export interface KillsOptions {
  readonly policy: 'waits' | 'reject';
  readonly backplane: RedisBackplaneOptions;
  readonly nodes?: number;
  /** Messages a second of each node. */
  readonly perSecond?: number;
  readonly bytes?: number;
}

const CHANNEL = 'hall:all';
const TICK_MS = 20;
/** Longer than a sender is waited for that does not answer. */
const QUIET_MS = 6000;
const PATIENT = { timeoutMs: 30_000 };

class Talker {
  readonly self: NodeInfo;
  readonly link: Link;
  /** By number: true where it was confirmed, false where refused, undefined while neither. */
  readonly outcomes: (boolean | undefined)[] = [];
  /** By sender, the numbers as they came. */
  readonly heard = new Map<string, number[]>();
  told = 0;
  unsized = 0;
  downs = 0;
  losses = 0;
  readonly #bytes: number;

  constructor(nodeId: string, options: RedisBackplaneOptions, bytes: number) {
    this.self = { nodeId, process: crypto.randomUUID(), app: 'kills', accepts: true, startedAt: Date.now() };
    this.#bytes = bytes;
    const observer: LinkObserver = {
      down: () => this.downs++,
      up: () => undefined,
      gap: ({ lost, ms }) => {
        if (lost === undefined) this.unsized++;
        else {
          this.told += lost;
          console.info(`${nodeId} has a gap of ${lost} messages, ${ms} ms`);
        }
      },
      stale: () => undefined,
      joined: () => undefined,
      lost: () => this.losses++,
      report: () => undefined,
    };
    this.link = redisBackplane(options).open(this.self, new LocalDouble(), observer);
  }

  hear(): Promise<void> {
    return this.link.bus.subscribe(CHANNEL, (payload, from) => {
      const numbers = this.heard.get(from) ?? [];
      this.heard.set(from, numbers);
      numbers.push(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).readUInt32BE());
    }).ready;
  }

  say(): void {
    const number = this.outcomes.push(undefined) - 1;
    const payload = Buffer.alloc(this.#bytes);
    payload.writeUInt32BE(number);
    this.link.bus.publish(CHANNEL, payload, { mayWait: true }).then(
      () => (this.outcomes[number] = true),
      () => (this.outcomes[number] = false),
    );
  }
}

/** Nodes of one policy in this process, each of which sends numbers to all others, while a test breaks things. */
export class Kills implements AsyncDisposable {
  readonly #talkers: readonly Talker[];
  #talking: NodeJS.Timeout | undefined;

  constructor({ policy, backplane, nodes = 4, bytes = 64 }: KillsOptions) {
    const times = { heartbeatIntervalMs: 500, nodeTimeoutMs: 10_000, redisTimeoutMs: 1000, repairMs: 10_000 };
    const prefix = `kills-${crypto.randomUUID()}`;
    const options = { ...times, prefix, ...(policy === 'reject' ? { onUnavailable: policy } : {}), ...backplane };
    this.#talkers = Array.from({ length: nodes }, (_, i) => new Talker(`node-${i + 1}`, options, bytes));
  }

  async start(perSecond = 150): Promise<void> {
    const nodes = this.#talkers;
    await Promise.all(nodes.map(({ link }) => link.ready()));
    await Promise.all(nodes.map((node) => node.hear()));
    await until(async () => {
      const known = await Promise.all(nodes.map(({ link }) => link.directory.nodes()));
      return known.every(({ value }) => value.length === nodes.length);
    }, PATIENT);
    const startedAt = performance.now();
    let said = 0;
    this.#talking = setInterval(() => {
      for (const due = ((performance.now() - startedAt) * perSecond) / 1000; said < due; said++) for (const node of nodes) node.say();
    }, TICK_MS);
    await until(() => nodes.every(({ heard }) => heard.size === nodes.length - 1), PATIENT);
  }

  /** So many messages of each node at once. */
  burst(count: number): void {
    for (const node of this.#talkers) for (let i = 0; i < count; i++) node.say();
  }

  /** All links are up, what waited has left, and every node has heard something new of every other. */
  async isBack(): Promise<void> {
    const hasLeft = ({ outcomes }: Talker): boolean => outcomes.filter((outcome) => outcome === undefined).length < 100;
    const isUp = (): boolean => this.#talkers.every((talker) => talker.link.state === 'up' && hasLeft(talker));
    await until(isUp, { ...PATIENT, intervalMs: 50 });
    const lengths = this.#lengths();
    await until(() => this.#lengths().every((length, i) => length > (lengths[i] ?? 0)), PATIENT);
  }

  /** Stops talking, waits for what is on its way, and counts. */
  async end(): Promise<Tally> {
    clearInterval(this.#talking);
    await this.#settled();
    const tally: Tally = { pairs: 0, refused: 0, lost: 0, told: 0, unsized: 0, doubled: 0, reordered: 0, downs: 0, losses: 0 };
    for (const receiver of this.#talkers) {
      tally.told += receiver.told;
      tally.unsized += receiver.unsized;
      tally.downs += receiver.downs;
      tally.losses += receiver.losses;
      for (const sender of this.#talkers) if (sender !== receiver) count(tally, sender, receiver);
    }
    return tally;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#talking);
    await Promise.all(this.#talkers.map(({ link }) => link.close()));
  }

  /** Every message has its outcome, and nothing came for a while. */
  async #settled(): Promise<void> {
    await until(() => this.#talkers.every(({ outcomes }) => !outcomes.includes(undefined)), PATIENT);
    let before = -1;
    let since = performance.now();
    await until(
      () => {
        const now = this.#lengths().reduce((sum, length) => sum + length, 0);
        const isUp = this.#talkers.every(({ link }) => link.state === 'up');
        if (now !== before || !isUp) since = performance.now();
        before = now;
        return performance.now() - since > QUIET_MS;
      },
      { timeoutMs: 60_000, intervalMs: 100 },
    );
  }

  #lengths(): readonly number[] {
    return this.#talkers.flatMap((receiver) =>
      this.#talkers.filter((sender) => sender !== receiver).map(({ self }) => receiver.heard.get(self.process)?.length ?? 0),
    );
  }
}

function count(tally: Tally, sender: Talker, receiver: Talker): void {
  const numbers = receiver.heard.get(sender.self.process) ?? [];
  const heard = new Set(numbers);
  tally.doubled += numbers.length - heard.size;
  tally.reordered += numbers.filter((number, i) => i > 0 && number < (numbers[i - 1] ?? 0)).length;
  tally.pairs += sender.outcomes.length;
  const lost: number[] = [];
  sender.outcomes.forEach((isConfirmed, number) => {
    if (isConfirmed === false) tally.refused++;
    else if (!heard.has(number)) lost.push(number);
  });
  tally.lost += lost.length;
  if (lost.length > 0)
    console.info(`${receiver.self.nodeId} misses ${lost.length} of ${sender.self.nodeId}, from ${lost[0]} to ${lost.at(-1)}`);
}
