import { until } from '@hubline/testing';
import { faults, type Fault } from '@hubline/testing/cluster';
import { expect } from 'vitest';
import type { Client } from './client.ts';
import { Follower } from './follower.ts';
import { expectTruth, livingOf } from './truth.ts';
import { PATIENT, type World } from './world.ts';

const GROUPS = ['g0', 'g 1', 'g:{2}', 'ü3'];
const USERS = ['ann', 'bob:{x}', 'çem', 'dee'];
const ROLES = ['r0', 'r1', 'r2'];
const MOST_CLIENTS = 60;

type Chance = () => number;

interface Watch {
  readonly number: number;
  readonly topic: string;
  /** Whom it should show, in order. */
  readonly who: (clients: readonly Client[]) => readonly string[];
  readonly follower: Follower;
}

/** Chance decides what clients and nodes do, and what goes wrong; then everything is compared with what should be. */
export class Storm implements AsyncDisposable {
  /** What happened in this round. */
  log: string[] = [];
  actions = 0;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #clients = new Set<Client>();
  /** One client on each node that never leaves: it shows which process that is. */
  readonly #anchors = new Map<number, Client>();
  readonly #busy = new Set<Client>();
  /** What was not acknowledged, and may have been done or not. Done again it is certain. */
  readonly #unsure = new Map<string, () => Promise<void>>();
  /** Nodes that cannot be asked for anything at the moment. */
  readonly #away = new Set<number>();
  readonly #watches = new Map<number, Watch>();
  #sends = 0;
  /** What was sent to everybody in this round, and confirmed, with who was there. */
  #confirmed: { readonly text: string; readonly present: readonly Client[] }[] = [];

  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
  }

  async start(): Promise<void> {
    await Promise.all(this.#numbers.map((number) => this.#settle(number)));
  }

  /** Something happens, something goes wrong meanwhile, and when all is well again everything is as it should be. */
  async round(): Promise<void> {
    this.log = [];
    this.#confirmed = [];
    const under: Promise<unknown>[] = [];
    const act = (count: number): void => {
      for (let i = 0; i < count; i++) under.push(this.#act());
    };
    act(this.#number(8));
    const wrong = this.#faults();
    for (const { fault, away } of wrong) {
      this.log.push(fault.name);
      for (const number of away) this.#away.add(number);
      await fault.inflict();
      act(this.#number(8));
    }
    await this.#pass(this.#pick([50, 500, 1200, 2500]));
    act(4 + this.#number(10));
    for (const { fault } of wrong) {
      await this.#pass(this.#pick([0, 0, 300]));
      await fault.heal();
      this.log.push(`no more: ${fault.name}`);
      act(this.#number(5));
    }
    this.#away.clear();
    await Promise.all(under);
    await this.#calm();
    await this.#compare();
    // While Redis is away events wait for it. Whose own link is cut, or who is frozen for long, misses some, and says so.
    if (wrong.every(({ fault }) => fault.name.endsWith(this.#world.redis.name))) this.#nothingLost();
  }

  /** Nothing is left of what is over. */
  async end(): Promise<void> {
    await expectTruth(this.#world, this.#living());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#watches.values()].map(({ follower }) => follower[Symbol.asyncDispose]()));
  }

  get #numbers(): readonly number[] {
    return this.#world.nodes.map((_, i) => i + 1);
  }

  #number(below: number): number {
    return Math.floor(this.#chance() * below);
  }
  #pick<T>(from: readonly T[]): T {
    return from[this.#number(from.length)]!;
  }

  async #pass(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await until(() => performance.now() >= end, { timeoutMs: ms + 1000 });
  }

  #faults(): readonly { readonly fault: Fault; readonly away: readonly number[] }[] {
    const { redis, links } = this.#world;
    const count = this.#pick([0, 1, 1, 2, 3]);
    const chosen: { fault: Fault; away: number[] }[] = [];
    const numbers = [...this.#numbers];
    let redisIsWell = true;
    while (chosen.length < count) {
      const kind = this.#number(11);
      if (kind === 10) {
        // Alone: of a node that ends before it has written its index again nobody can sweep everything.
        if (chosen.length === 0) return [{ fault: this.#lostKey(), away: [] }];
        continue;
      }
      const [number = 1] = numbers.splice(this.#number(numbers.length), 1);
      const [node, link] = [this.#world.node(number), links[number - 1]!];
      if (kind >= 7 && !redisIsWell) continue;
      redisIsWell &&= kind < 7;
      if (kind <= 1) chosen.push({ fault: faults.freeze(node), away: [number] });
      else if (kind === 2) chosen.push({ fault: faults.kill(node), away: [number] });
      else if (kind === 3) chosen.push({ fault: faults.drop(link), away: [] });
      else if (kind === 4) chosen.push({ fault: faults.cut(link), away: [] });
      else if (kind === 5) chosen.push({ fault: faults.halfOpen(link), away: [] });
      else if (kind === 6) chosen.push({ fault: faults.delay(link, this.#pick([30, 100, 200])), away: [] });
      else if (kind === 7) chosen.push({ fault: faults.stopRedis(redis), away: [] });
      else if (kind === 8) chosen.push({ fault: faults.pauseRedis(redis), away: [] });
      else chosen.push({ fault: faults.flushRedis(redis), away: [] });
    }
    return chosen;
  }

  /** A key is deleted, any but those of processes that are over. */
  #lostKey(): Fault {
    const { redis, prefix } = this.#world;
    const inflict = async (): Promise<void> => {
      const living = (await redis.keys(`${prefix}:{nodes}:lease:*`)).map((lease) => lease.split(':').at(-1));
      const incarnationIn = (key: string): string | undefined => /[\w-]{11}\.\d+/.exec(key)?.[0];
      const keys = (await redis.keys(`${prefix}:*`)).filter((key) => [undefined, ...living].includes(incarnationIn(key)));
      const key = this.#pick(keys.sort());
      this.log.push(`lose ${key}`);
      await redis.call('DEL', key);
    };
    return { name: `lose a key of ${redis.name} for good`, inflict, heal: () => undefined };
  }

  async #act(): Promise<void> {
    this.actions++;
    const present = this.#numbers.filter((number) => !this.#away.has(number));
    const by = this.#pick(present);
    const kind = this.#number(10);
    if (kind <= 2 && this.#clients.size < MOST_CLIENTS) return this.#connect(this.#pick(present));
    if (kind === 3) return this.#send(by);
    const idle = [...this.#clients].filter((client) => !this.#busy.has(client) && !client.isClosed);
    if (idle.length === 0) return;
    const client = this.#pick(idle);
    if (kind === 4) return this.#goodbye(client);
    const group = this.#pick(GROUPS);
    const role = this.#pick(ROLES);
    this.#busy.add(client);
    if (kind <= 6) await this.#try(`${client.id} ${group}`, () => this.#world.join(client, group, by));
    else if (kind === 7) await this.#try(`${client.id} ${group}`, () => this.#world.part(client, group, by));
    else await this.#try(`${client.id} role`, () => this.#world.set(client, { key: 'role', value: role, by }));
    this.#busy.delete(client);
  }

  async #connect(number: number): Promise<void> {
    const user = this.#pick([...USERS, undefined]);
    const attributes: Record<string, string> = this.#chance() < 0.5 ? { role: this.#pick(ROLES) } : {};
    try {
      this.#clients.add(await this.#world.connect(number, { user, attributes }));
    } catch (error) {
      if (!this.#wasAway(number)) throw error;
    }
  }

  async #goodbye(client: Client): Promise<void> {
    this.#clients.delete(client);
    if (this.#chance() < 0.5) client.drop();
    else void client.leave();
  }

  /** Whatever is wrong, it comes at most once, and in order. */
  async #send(by: number): Promise<void> {
    const target = this.#target();
    const anchor = this.#anchors.get(by)!;
    const text = `${anchor.process} ${JSON.stringify(target)} ${++this.#sends}`;
    const present = this.#all().filter(({ isClosed }) => !isClosed);
    const isConfirmed = await this.#world.send(by, target, text).then(
      () => true,
      () => false,
    );
    if (isConfirmed && 'all' in target) this.#confirmed.push({ text, present });
  }

  #target(): object {
    return this.#pick([{ all: true }, { group: this.#pick(GROUPS) }, { user: this.#pick(USERS) }, { where: { role: this.#pick(ROLES) } }]);
  }

  async #try(what: string, change: () => Promise<void>): Promise<void> {
    const isUnsure = this.#unsure.has(what);
    try {
      await change();
      if (isUnsure) this.#unsure.set(what, change);
    } catch {
      this.#unsure.set(what, change);
    }
  }

  #nothingLost(): void {
    for (const { text, present } of this.#confirmed) {
      const without = present.filter((client) => this.#clients.has(client) && !client.told.includes(text));
      expect(idsOf(without), `who did not hear ${text}`).toEqual([]);
    }
  }

  #wasAway(number: number): boolean {
    return this.log.some((line) => line.includes(`node-${number}`));
  }

  /** All nodes are in the cluster, and everything that was asked for is done. */
  async #calm(): Promise<void> {
    await Promise.all(this.#numbers.map((number) => this.#settle(number)));
    for (const client of this.#clients) {
      if (!client.isClosed) continue;
      const anchor = [...this.#anchors.values()].find(({ process }) => process === client.process);
      expect(anchor, `${client.id} was closed although its node lives`).toBeUndefined();
      this.#clients.delete(client);
    }
    for (const [what, change] of this.#unsure) {
      const [id] = what.split(' ');
      const client = [...this.#clients].find((each) => each.id === id);
      if (client) await until(async () => (await change(), true), PATIENT);
    }
    this.#unsure.clear();
  }

  /** The node is there, has its anchor, and watches what it should. */
  async #settle(number: number): Promise<void> {
    await until(async () => (await this.#world.node(number).ask<{ status: string }>('health')).status === 'ok', PATIENT);
    const anchor = this.#anchors.get(number);
    if (anchor && !anchor.isClosed) return;
    expect(anchor === undefined || this.log.includes(`kill node-${number}`), `node-${number} has closed its anchor`).toBe(true);
    this.#anchors.set(number, await this.#world.connect(number));
    const group = GROUPS[0]!;
    const watches: readonly Omit<Watch, 'follower'>[] = [
      { number: 1, topic: 'testhub:all', who: (clients) => idsOf(clients) },
      { number: 2, topic: `testhub:group:${group}`, who: (clients) => idsOf(clients.filter(({ groups }) => groups.has(group))) },
      { number: 3, topic: 'testhub:all', who: (clients) => [...new Set(clients.flatMap(({ user }) => user ?? []))].sort() },
    ];
    const watch = watches.find((one) => one.number === number);
    if (!watch) return;
    await this.#watches.get(number)?.follower[Symbol.asyncDispose]();
    const follower =
      number === 3 ?
        Follower.users(this.#world, number, 100)
      : Follower.connections(this.#world, number, number === 1 ? { all: true } : { group });
    this.#watches.set(number, { ...watch, follower });
  }

  #all(): readonly Client[] {
    return [...this.#anchors.values(), ...this.#clients];
  }

  #living() {
    const watching = [...this.#watches.values()].map(({ number, topic }) => ({ process: this.#anchors.get(number)?.process, topic }));
    return livingOf(this.#all()).map((one) => ({
      ...one,
      watches: watching.filter(({ process }) => process === one.process).map(({ topic }) => topic),
    }));
  }

  async #compare(): Promise<void> {
    await expectTruth(this.#world, this.#living(), { exceptDead: true });
    const clients = this.#all();
    const having = (has: (client: Client) => boolean): string[] => idsOf(clients.filter(has));
    const targets: (readonly [object, string[]])[] = [
      ...GROUPS.map((group) => [{ group }, having(({ groups }) => groups.has(group))] as const),
      ...USERS.map((user) => [{ user }, having((client) => client.user === user)] as const),
      ...ROLES.map((role) => [{ where: { role } }, having(({ attributes }) => attributes.role === role)] as const),
      [{ all: true }, having(() => true)],
    ];
    await Promise.all(this.#numbers.map((number) => this.#presence(number, targets)));
    for (const { number, follower, who } of this.#watches.values()) {
      await expect
        .poll(() => follower.present, { timeout: PATIENT.timeoutMs, message: `the watch of node-${number}` })
        .toEqual(who(clients));
      expect([follower.wrong, follower.failure]).toEqual([[], undefined]);
    }
    await this.#routing(targets);
    for (const client of clients) expectInOrder(client);
  }

  /** What a node answers, which may take it a moment: only until it has heard that somebody is gone. */
  async #presence(number: number, targets: readonly (readonly [object, readonly string[]])[]): Promise<void> {
    const node = this.#world.node(number);
    const answers = async () => {
      const counts = await Promise.all(targets.map(([filter]) => this.#world.count(number, filter)));
      const online = await Promise.all(USERS.map((user) => this.#world.isOnline(number, user)));
      const { items } = await node.ask<{ items: { connectionId: string }[] }>('presence.connections', [
        { all: true },
        { select: ['connectionId'], limit: 1000 },
      ]);
      return { counts, online, ids: items.map(({ connectionId }) => connectionId).sort() };
    };
    const should = {
      counts: targets.map(([, who]) => ({ value: who.length, complete: true, missingNodes: [] })),
      online: USERS.map((user) => this.#all().some((client) => client.user === user)),
      ids: idsOf(this.#all()),
    };
    await expect.poll(answers, { timeout: PATIENT.timeoutMs, message: `what node-${number} says` }).toEqual(should);
  }

  /** From every node to every target: each whom it names gets it once, and nobody else. */
  async #routing(targets: readonly (readonly [object, readonly string[]])[]): Promise<void> {
    const clients = this.#all();
    const mark = `mark ${++this.#sends}`;
    await Promise.all(
      this.#numbers.map(async (number) => {
        for (const [i, [target]] of targets.entries()) await this.#world.send(number, target, `${mark} from ${number} to ${i}`);
      }),
    );
    // What is for all is sent last, and one Redis keeps the order.
    const last = targets.length - 1;
    const hasAll = ({ told }: Client): boolean => this.#numbers.every((number) => told.includes(`${mark} from ${number} to ${last}`));
    const missing = (): string[] => idsOf(clients.filter((client) => !hasAll(client)));
    await expect.poll(missing, { timeout: PATIENT.timeoutMs, message: 'who did not hear from every node' }).toEqual([]);
    for (const number of this.#numbers) {
      for (const [i, [target, who]] of targets.entries()) {
        const text = `${mark} from ${number} to ${i}`;
        const got = clients.flatMap(({ id, told }) => told.filter((each) => each === text).map(() => id)).sort();
        expect(got, `from node-${number} to ${JSON.stringify(target)}`).toEqual(who);
      }
    }
  }
}

const idsOf = (clients: readonly Client[]): string[] => clients.map(({ id }) => id).sort();

function expectInOrder({ id, told }: Client): void {
  const last = new Map<string, number>();
  for (const text of told) {
    const [, channel, n] = /^(\S+ .*) (\d+)$/.exec(text) ?? [];
    if (channel === undefined || text.startsWith('mark')) continue;
    expect(Number(n), `${id} was told ${text} after ${last.get(channel)}`).toBeGreaterThan(last.get(channel) ?? 0);
    last.set(channel, Number(n));
  }
}
