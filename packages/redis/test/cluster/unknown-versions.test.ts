import { until } from '@hubline/testing';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { redisBackplane } from '@hubline/redis';
import { RawClient } from './fixtures/raw-client.ts';
import { ProxiedNodes } from './fixtures/proxied-node.ts';

const LONG_WAIT = { timeoutMs: 10_000 };
const DELIVER = 1;
const REFUSED = 6;

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** A program that registers as a node and sends frames of this and of unknown versions. */
class ScriptedNode implements Disposable {
  readonly incarnation = `scripted-${Math.random().toString(36).slice(2, 4)}.1`;
  /** The frames that it received on its node channel. */
  readonly frames: Buffer[] = [];
  readonly #prefix: string;
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  #sequence = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#commands = new Redis(redis.url);
    this.#subscriber = new Redis(redis.url);
    this.#subscriber.on('messageBuffer', (_channel, frame: Buffer) => this.frames.push(frame));
  }

  get process(): string {
    return this.incarnation.slice(0, -2);
  }

  async register(): Promise<void> {
    const node = { v: 2, nodeId: 'scripted', process: this.process, app: 'test', accepts: false, startedAt: 0 };
    await this.#subscriber.subscribe(this.#channel(`node=${this.process}`));
    await this.#commands.set(`${this.#prefix}:{nodes}:lease:${this.incarnation}`, '1', 'PX', 60_000);
    await this.#commands.hset(`${this.#prefix}:{nodes}`, this.incarnation, JSON.stringify(node));
    await this.notice({ v: 2, is: 'hello', incarnation: this.incarnation, node });
  }

  async notice(notice: unknown): Promise<void> {
    await this.raw('nodes', Buffer.from(typeof notice === 'string' ? notice : JSON.stringify(notice)));
  }

  /** Publishes a frame with this payload. */
  async frame(channel: string, payload: Buffer, version = 2): Promise<void> {
    const head = Buffer.alloc(9);
    head[0] = version;
    head.writeUIntBE(++this.#sequence, 2, 6);
    head[8] = this.incarnation.length;
    await this.raw(channel, Buffer.concat([head, Buffer.from(this.incarnation), payload]));
  }

  async raw(channel: string, bytes: Buffer): Promise<void> {
    await this.#commands.publish(this.#channel(channel), bytes);
  }

  #channel(name: string): string {
    return `${this.#prefix}:{${name}}`;
  }

  [Symbol.dispose](): void {
    this.#commands.disconnect();
    this.#subscriber.disconnect();
  }
}

/** Encodes an envelope: version, kind, header, body. */
function envelope({ version = 2, kind = DELIVER, header = {}, body = '' }): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.from([version, kind, 0, 0, 0, 0]);
  head.writeUInt32BE(json.length, 2);
  return Buffer.concat([head, json, Buffer.from(body)]);
}

describe('a node that receives unknown versions', () => {
  it('a node reports each kind of unreadable frame and notice once with a typed error, and receives the next frame', async () => {
    await using nodes = new ProxiedNodes(redis);
    const [ann] = await nodes.start(['ann']);
    if (!ann) throw new Error('One node.');
    await ann.subscribe('t').ready;
    using scripted = new ScriptedNode(nodes.prefix);
    await scripted.register();
    await until(() => ann.values('joined').length === 1, LONG_WAIT);

    await scripted.frame('t', Buffer.from('of version 3'), 3);
    await scripted.raw('t', Buffer.alloc(0));
    await scripted.raw('t', Buffer.from([2, 0, 0]));
    await scripted.raw('t', Buffer.from([2, 0, 0, 0, 0, 0, 0, 1, 200, 120]));
    await scripted.raw('t', Buffer.from([2, 99, 0, 0, 0, 0, 0, 1, 3, 120, 46, 49]));
    await scripted.raw('t', Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 3, 120, 46, 49]));
    await scripted.notice('{ no JSON');
    await scripted.notice('null');
    await scripted.notice({ v: 2, is: 'beat' });
    await scripted.notice({ v: 2, is: 'beat', incarnation: scripted.incarnation, claims: { t: [5, 4] } });
    await scripted.notice({ v: 2, is: 'hello', incarnation: scripted.incarnation, node: { nodeId: 1 } });
    await scripted.notice({ v: 3, is: 'beat', incarnation: scripted.incarnation });
    await scripted.notice({ v: 2, is: 'of version 3', incarnation: scripted.incarnation });
    const bad = ['unsupported_version', 'invalid_message', 'invalid_message', 'unsupported_version'];
    await until(() => ann.values('report').length >= bad.length, LONG_WAIT);

    await scripted.frame('t', Buffer.from('of version 2'));
    await until(() => ann.values('received').length === 1, LONG_WAIT);
    expect(ann.values('received')).toEqual(['of version 2']);
    expect(ann.values('report')).toEqual(bad.map((code) => `deliver: ${code}`));
    expect([ann.values('down'), ann.link.state]).toEqual([[], 'up']);
  });

  it('a node buffers frames of an unknown node until it is announced, up to 16 MiB', async () => {
    await using nodes = new ProxiedNodes(redis);
    const [ann] = await nodes.start(['ann']);
    if (!ann) throw new Error('One node.');
    await ann.subscribe('t').ready;
    using scripted = new ScriptedNode(nodes.prefix);
    for (let i = 0; i < 20; i++) await scripted.frame('t', Buffer.alloc(1024 * 1024, 'x'));
    await scripted.register();
    await scripted.frame('t', Buffer.from('the end'));
    await until(() => ann.values('received').includes('the end'), LONG_WAIT);
    expect(ann.values('received')).toHaveLength(16);
    expect(ann.values('gap')).toEqual([{ channel: 't', lost: 5, ms: expect.any(Number) as number }]);
  });

  it('a node refuses an envelope of an unknown version, informs its sender, and delivers the next one', async () => {
    const prefix = `rolling-${crypto.randomUUID()}`;
    const times = { heartbeatIntervalMs: 300, nodeTimeoutMs: 8000 };
    await using server = await startConformanceServer({
      port: 0,
      nodeId: 'today',
      backplane: redisBackplane(redis.url, { ...times, prefix }),
    });
    const errors: string[] = [];
    server.server.on('error', (stage, error) => errors.push(`${stage}: ${(error as { readonly code?: string }).code}`));
    await using client = await RawClient.open(server);
    using scripted = new ScriptedNode(prefix);
    await scripted.register();

    const message = `${JSON.stringify({ type: 1, target: 'Message', arguments: ['hi'] })}\u001e`;
    const header = { hub: 'testhub', target: { topic: 'testhub:all' }, written: [['json', message.length]] };
    await scripted.frame('testhub:all', envelope({ version: 3, header, body: message }));
    await until(() => scripted.frames.length === 1, LONG_WAIT);
    const [frame = Buffer.alloc(0)] = scripted.frames;
    const payload = frame.subarray(9 + (frame[8] ?? 0));
    expect([...payload.subarray(0, 2)]).toEqual([2, REFUSED]);
    // A refusal of an unknown version is not refused, because refusals would never end.
    await scripted.frame('testhub:all', envelope({ version: 3, kind: REFUSED }));
    await scripted.frame('testhub:all', envelope({ kind: 99, header, body: message })); // an unknown kind
    await scripted.frame('testhub:all', Buffer.from([2, 1, 255, 255, 255, 255]));
    await scripted.frame('testhub:all', envelope({ header, body: message }));
    await until(() => client.received.length > 0, LONG_WAIT);
    expect(client.received).toEqual(['hi']);
    expect(errors).toEqual(['deliver: unsupported_version', 'deliver: invalid_message']); // once a minute for each kind of fault
    expect(scripted.frames).toHaveLength(1);
    expect(server.server.health().status).toBe('ok');
  });
});
