import { until } from '@hubline/testing';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { redisBackplane } from '@hubline/redis';
import { Client } from './kit/client.ts';
import { WiredNodes } from './wired-node.ts';

const PATIENT = { timeoutMs: 10_000 };
const DELIVER = 1;
const REFUSED = 6;

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** A program that speaks to nodes as PROTOCOL.md says, and as it will say one day. */
class Stranger implements Disposable {
  readonly incarnation = `stranger-${Math.random().toString(36).slice(2, 4)}.1`;
  /** What came on its node channel. */
  readonly mail: Buffer[] = [];
  readonly #prefix: string;
  readonly #link: Redis;
  readonly #ears: Redis;
  #sequence = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#link = new Redis(redis.url);
    this.#ears = new Redis(redis.url);
    this.#ears.on('messageBuffer', (_channel, frame: Buffer) => this.mail.push(frame));
  }

  get process(): string {
    return this.incarnation.slice(0, -2);
  }

  async enter(): Promise<void> {
    const node = { v: 2, nodeId: 'stranger', process: this.process, app: 'test', accepts: false, startedAt: 0 };
    await this.#ears.subscribe(this.#channel(`node=${this.process}`));
    await this.#link.set(`${this.#prefix}:{nodes}:lease:${this.incarnation}`, '1', 'PX', 60_000);
    await this.#link.hset(`${this.#prefix}:{nodes}`, this.incarnation, JSON.stringify(node));
    await this.notice({ v: 2, is: 'hello', incarnation: this.incarnation, node });
  }

  async notice(notice: unknown): Promise<void> {
    await this.raw('nodes', Buffer.from(typeof notice === 'string' ? notice : JSON.stringify(notice)));
  }

  /** A frame of this version, with this payload. */
  async frame(channel: string, payload: Buffer, version = 2): Promise<void> {
    const head = Buffer.alloc(9);
    head[0] = version;
    head.writeUIntBE(++this.#sequence, 2, 6);
    head[8] = this.incarnation.length;
    await this.raw(channel, Buffer.concat([head, Buffer.from(this.incarnation), payload]));
  }

  async raw(channel: string, bytes: Buffer): Promise<void> {
    await this.#link.publish(this.#channel(channel), bytes);
  }

  #channel(name: string): string {
    return `${this.#prefix}:{${name}}`;
  }

  [Symbol.dispose](): void {
    this.#link.disconnect();
    this.#ears.disconnect();
  }
}

/** An envelope: version, kind, header, body. */
function envelope({ version = 2, kind = DELIVER, header = {}, body = '' }): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.from([version, kind, 0, 0, 0, 0]);
  head.writeUInt32BE(json.length, 2);
  return Buffer.concat([head, json, Buffer.from(body)]);
}

describe('a node of today', () => {
  it('reports frames and notices that it cannot read, once each kind with a typed error, and lives on', async () => {
    await using nodes = new WiredNodes(redis);
    const [ann] = await nodes.start(['ann']);
    if (!ann) throw new Error('One node.');
    await ann.hear('t').ready;
    using stranger = new Stranger(nodes.prefix);
    await stranger.enter();
    await until(() => ann.all('joined').length === 1, PATIENT);

    await stranger.frame('t', Buffer.from('of tomorrow'), 3);
    await stranger.raw('t', Buffer.alloc(0));
    await stranger.raw('t', Buffer.from([2, 0, 0]));
    await stranger.raw('t', Buffer.from([2, 0, 0, 0, 0, 0, 0, 1, 200, 120]));
    await stranger.raw('t', Buffer.from([2, 99, 0, 0, 0, 0, 0, 1, 3, 120, 46, 49]));
    await stranger.raw('t', Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 3, 120, 46, 49]));
    await stranger.notice('{ no JSON');
    await stranger.notice('null');
    await stranger.notice({ v: 2, is: 'beat' });
    await stranger.notice({ v: 2, is: 'beat', incarnation: stranger.incarnation, claims: { t: [5, 4] } });
    await stranger.notice({ v: 2, is: 'hello', incarnation: stranger.incarnation, node: { nodeId: 1 } });
    await stranger.notice({ v: 3, is: 'beat', incarnation: stranger.incarnation });
    await stranger.notice({ v: 2, is: 'of tomorrow', incarnation: stranger.incarnation });
    const bad = ['unsupported_version', 'invalid_message', 'invalid_message', 'unsupported_version'];
    await until(() => ann.all('report').length >= bad.length, PATIENT);

    await stranger.frame('t', Buffer.from('of today'));
    await until(() => ann.all('heard').length === 1, PATIENT);
    expect(ann.all('heard')).toEqual(['of today']);
    expect(ann.all('report')).toEqual(bad.map((code) => `deliver: ${code}`));
    expect([ann.all('down'), ann.link.state]).toEqual([[], 'up']);
  });

  it('keeps what somebody says before he is announced, and no more than 16 MiB of it', async () => {
    await using nodes = new WiredNodes(redis);
    const [ann] = await nodes.start(['ann']);
    if (!ann) throw new Error('One node.');
    await ann.hear('t').ready;
    using stranger = new Stranger(nodes.prefix);
    for (let i = 0; i < 20; i++) await stranger.frame('t', Buffer.alloc(1024 * 1024, 'x'));
    await stranger.enter();
    await stranger.frame('t', Buffer.from('the end'));
    await until(() => ann.all('heard').includes('the end'), PATIENT);
    expect(ann.all('heard')).toHaveLength(16);
    expect(ann.all('gap')).toEqual([{ channel: 't', lost: 5, ms: expect.any(Number) as number }]);
  });

  it('refuses an envelope of tomorrow, tells its sender so, and takes the next one', async () => {
    const prefix = `rolling-${crypto.randomUUID()}`;
    const times = { heartbeatIntervalMs: 300, nodeTimeoutMs: 8000 };
    await using member = await startConformanceServer({
      port: 0,
      nodeId: 'today',
      backplane: redisBackplane(redis.url, { ...times, prefix }),
    });
    const errors: string[] = [];
    member.server.on('error', (stage, error) => errors.push(`${stage}: ${(error as { readonly code?: string }).code}`));
    await using client = await Client.open(member);
    using stranger = new Stranger(prefix);
    await stranger.enter();

    const message = `${JSON.stringify({ type: 1, target: 'Message', arguments: ['hi'] })}\u001e`;
    const header = { hub: 'testhub', target: { topic: 'testhub:all' }, written: [['json', message.length]] };
    await stranger.frame('testhub:all', envelope({ version: 3, header, body: message }));
    await until(() => stranger.mail.length === 1, PATIENT);
    const [frame = Buffer.alloc(0)] = stranger.mail;
    const payload = frame.subarray(9 + (frame[8] ?? 0));
    expect([...payload.subarray(0, 2)]).toEqual([2, REFUSED]);
    // Who is refused does not refuse the refusal: that would go on for ever.
    await stranger.frame('testhub:all', envelope({ version: 3, kind: REFUSED }));
    await stranger.frame('testhub:all', envelope({ kind: 99, header, body: message })); // a kind that it does not know
    await stranger.frame('testhub:all', Buffer.from([2, 1, 255, 255, 255, 255]));
    await stranger.frame('testhub:all', envelope({ header, body: message }));
    await until(() => client.told.length > 0, PATIENT);
    expect(client.told).toEqual(['hi']);
    expect(errors).toEqual(['deliver: unsupported_version', 'deliver: invalid_message']); // once a minute for each kind of fault
    expect(stranger.mail).toHaveLength(1);
    expect(member.server.health().status).toBe('ok');
  });
});
